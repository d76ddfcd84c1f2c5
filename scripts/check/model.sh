#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# model.sh: have spin search all interleavings of scripts/model/quiesce.pml. As built it
# finds nothing; with the rules of the first edition, a task that sleeps for good; with a
# zap left out, a page-table entry for a device that does not answer.

. "$(dirname "$0")/lib.sh"

need spin gcc
cd "$tmp"

# search NAME ERROR OPTION...: ERROR is what must be found; nothing if empty
search() {
	local name=$1 error=$2 states minutes
	shift 2

	if ! { spin -a "${@/#/-D}" "$top/scripts/model/quiesce.pml" &&
	       gcc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c &&
	       ./pan -m1000000; } >"$tmp/output" 2>&1; then
		not_ok "$name" "spin: $(tail -1 "$tmp/output")"
		return
	fi
	states=$(awk '/states, stored/ { printf "%d", $1 }' "$tmp/output")
	minutes=$(awk '/elapsed time/ { printf "%.1f", $4 / 60 }' "$tmp/output")
	if [[ $error ]] && grep -q "^pan:1: $error" "$tmp/output"; then
		ok "$name: found it after $states states"
	elif [[ ! $error ]] && grep -q 'errors: 0$' "$tmp/output" &&
	     ! grep -q 'not completed' "$tmp/output"; then
		ok "$name: $states states, all of them, in $minutes minutes"
	else
		grep -E '^pan:|errors:|^Warning' "$tmp/output"
		not_ok "$name" "not what was expected: see above"
	fi
}

search "reset and recovery, one process" '' ONE_PROCESS RESET RECOVERY
search "reset and recovery, two processes" '' RESET RECOVERY
search "pcie_flr() and recovery, one process" '' ONE_PROCESS FLR RECOVERY
search "reset and pcie_flr(), one process" '' ONE_PROCESS RESET FLR
search "errors that block, as in the first edition" 'invalid end state' \
	ONE_PROCESS RESET RECOVERY FIRST_EDITION
search "no zap where an error is announced" 'assertion violated' \
	ONE_PROCESS RESET RECOVERY NO_ZAP
verdict

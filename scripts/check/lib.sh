# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How a part of 'make check' counts: say ok, not_ok or skipped once for each
# test, and end with verdict. To be sourced.

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

n_passed=0 n_failed=0 n_skipped=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

ok() { n_passed=$((n_passed + 1)); echo "ok $1"; }
not_ok() { n_failed=$((n_failed + 1)); echo "not ok $1: $2"; }
skipped() { n_skipped=$((n_skipped + 1)); echo "skipped $1: $2"; }

verdict() {
	echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
	((!n_failed))
}

# silent NAME COMMAND...: the command succeeds and says nothing. What a perl newer than the
# kernel says of the kernel's own scripts is not about our files.
silent() {
	local name=$1 output status=0
	shift

	output=$("$@" 2>&1) || status=$?
	output=$(grep -vE ' at .*scripts/[a-z.-]+ line [0-9]+\.$' <<<"$output" || :)
	if [[ $output || $status != 0 ]]; then
		printf '%s\n' "$output"
		not_ok "$name" "status $status, $(grep -c . <<<"$output") lines, above"
	else
		ok "$name"
	fi
}

# checkpatch TREE [-f] FILE...: the tree has no history, so no commit that a Fixes: could name
checkpatch() {
	local tree=$1 options=(--strict --quiet --no-summary --ignore UNKNOWN_COMMIT_ID)
	shift

	[[ $1 != -f ]] || { options+=(-f); shift; }
	(cd "$tree" && printf '%s\0' "$@" | PATH=/usr/bin:$PATH xargs -0 -n 4 -P "$(nproc)" \
		perl scripts/checkpatch.pl "${options[@]}")
}

# refuses NAME PATTERN COMMAND...: the command fails and says why in one line
refuses() {
	local name=$1 pattern=$2 status=0 said
	shift 2

	"$@" >"$tmp/output" 2>&1 </dev/null || status=$?
	said=$(grep '^error: ' "$tmp/output" || :)
	if ((!status)); then
		not_ok "$name" "the command succeeded"
	elif [[ $(grep -c . <<<"$said") != 1 || ! $said =~ $pattern ]]; then
		cat "$tmp/output"
		not_ok "$name" "no single line with '$pattern'"
	else
		ok "$name: $said"
	fi
}

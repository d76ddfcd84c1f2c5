# SPDX-License-Identifier: GPL-2.0-only
#
# How a part of 'make check' counts: say ok, not_ok or skipped once for each
# test, and end with verdict. To be sourced.

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

n_passed=0 n_failed=0 n_skipped=0

ok() { n_passed=$((n_passed + 1)); echo "ok $1"; }
not_ok() { n_failed=$((n_failed + 1)); echo "not ok $1: $2"; }
skipped() { n_skipped=$((n_skipped + 1)); echo "skipped $1: $2"; }

verdict() {
	echo "$n_passed passed, $n_failed failed, $n_skipped skipped"
	((!n_failed))
}

# silent NAME COMMAND...: the command succeeds and says nothing
silent() {
	local name=$1 output status=0
	shift

	output=$("$@" 2>&1) || status=$?
	if [[ $output || $status != 0 ]]; then
		printf '%s\n' "$output"
		not_ok "$name" "status $status, $(grep -c . <<<"$output") lines, above"
	else
		ok "$name"
	fi
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh BASE: all tests. Each part ends with its own count. At the end is what was
# skipped, then each count with what failed, and the sum.
#
# The kernel with KCSAN is of the other base, so that a run covers both. With KSRC= there
# is but one tree, and so one base.

. "$(dirname "$0")/lib.sh"

base=$1
check_base "$base"
need "${to_build[@]}" "${to_boot[@]}" "${to_check[@]}"
mkdir -p "$build/$base"
log=$build/$base/check.log
other=$base
[[ ${KSRC-} ]] || other=$(xargs -n 1 <<<"$bases" | grep -vxF "$base")
: >"$log"
passed=0 failed=0 skipped=0

part() { # NAME COMMAND...
	local name=$1 began=$SECONDS count
	shift

	echo "#### $name"
	"$@" 2>&1 </dev/null | tee "$build/$base/part.log" || :
	count=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' \
		"$build/$base/part.log" | tail -1 || :)
	[[ $count ]] || count="0 passed, 1 failed, 0 skipped"
	echo "#### $name: $count, $((SECONDS - began)) s" | tee -a "$log"
	grep -E '^(not ok [^0-9]|failed|skipped) ' "$build/$base/part.log" |
		sed "s/^/$name: /" >>"$log" || :
	read -r p _ f _ s _ <<<"$count"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

part "static checks" "$top/scripts/check/static.sh" "$base"
part "patches" "$top/scripts/check/series.sh" "$base"
part "model" "$top/scripts/check/model.sh"
part "bad input" "$top/scripts/check/errors.sh" "$base"
[[ $other == "$base" ]] || {
	part "patches of $other" "$top/scripts/check/series.sh" "$other" kcsan
	part "bad input for $other" "$top/scripts/check/errors.sh" "$other"
}
part "self-tests in a tree" "$top/scripts/check/kselftest.sh" "$base"
part "self-tests on series" "$top/scripts/test.sh" "$base" series
part "self-tests on upstream" "$top/scripts/test.sh" "$base" upstream
part "self-tests on eager" "$top/scripts/test.sh" "$base" eager
part "leaks" "$top/scripts/leaks.sh" "$base" short
part "guest" "$top/scripts/check/guest.sh" "$base"
part "self-tests with debugging" "$top/scripts/test.sh" "$base" series 1
part "coverage" "$top/scripts/coverage.sh" "$base"
part "self-tests with KCSAN on $other" "$top/scripts/test.sh" "$other" series kcsan
part "bench" "$top/scripts/check/bench.sh" "$base"

echo
grep ': skipped ' "$log" || :
grep -v ': skipped ' "$log"
echo "$passed passed, $failed failed, $skipped skipped"
((!failed))

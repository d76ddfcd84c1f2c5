#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh BASE: all tests. Each part ends with its own count. At the end is what was
# skipped, then each count with what failed, and the sum.
#
# A VM seldom keeps all CPUs busy. What needs none, other kernels first, goes on beside the
# VMs, on what they leave; what it says follows when they are done.
#
# The kernel with KCSAN is of the other base, so that a run covers both. With KSRC= there
# is but one tree, and so one base.

. "$(dirname "$0")/lib.sh"

base=$1
check_base "$base"
need "${to_build[@]}" "${to_boot[@]}" "${to_check[@]}" "${to_guest[@]}" xz
mkdir -p "$build/$base"
log=$build/$base/check
other=$base
[[ ${KSRC-} ]] || other=$(xargs -n 1 <<<"$bases" | grep -vxF "$base")

# part NAME COMMAND...: run one, and leave its count and what failed or was skipped in
# $log.log
part() {
	local name=$1 began=$SECONDS count
	shift

	echo "#### $name"
	"$@" 2>&1 </dev/null | tee "$log.part" || :
	count=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' \
		"$log.part" | tail -1 || :)
	[[ $count ]] || count="0 passed, 1 failed, 0 skipped"
	echo "#### $name: $count, $((SECONDS - began)) s" | tee -a "$log.log"
	grep -E '^(not ok [^0-9]|failed|skipped) ' "$log.part" |
		sed "s/^/$name: /" >>"$log.log" || :
}

# A VM whose kernel cannot be built says so
beside() {
	log=$log-beside
	chrt --idle --pid 0 "$BASHPID" || :
	"$top/scripts/kernel.sh" "$base" upstream || :
	"$top/scripts/kernel.sh" "$base" eager || :
	"$top/scripts/kernel.sh" "$base" series 1 || :
	"$top/scripts/kernel.sh" "$other" series kcsan || :
	part "static checks" "$top/scripts/check/static.sh" "$base"
	part "patches" "$top/scripts/check/series.sh" "$base"
	part "model" "$top/scripts/check/model.sh"
	part "bad input" "$top/scripts/check/errors.sh" "$base"
	[[ $other == "$base" ]] || {
		part "patches of $other" "$top/scripts/check/series.sh" "$other" kcsan
		part "bad input for $other" "$top/scripts/check/errors.sh" "$other"
	}
	part "self-tests in a tree" "$top/scripts/check/kselftest.sh" "$base"
}

# What comes from the network comes first
"$top/scripts/source.sh" "$other"
guest_kernel "$base"
"$top/scripts/kernel.sh" "$base" series
rm -f "$log"*.log
say "what needs no VM goes on beside the VMs: see ${log#"$top"/}-beside.out"
set -m
beside >"$log-beside.out" 2>&1 </dev/null &
set +m
trap 'kill -- -$! 2>/dev/null || :' EXIT

part "self-tests on series" "$top/scripts/test.sh" "$base" series
part "self-tests on upstream" "$top/scripts/test.sh" "$base" upstream
part "self-tests on eager" "$top/scripts/test.sh" "$base" eager
part "leaks" "$top/scripts/leaks.sh" "$base" short
part "guest" "$top/scripts/check/guest.sh" "$base"
part "self-tests with debugging" "$top/scripts/test.sh" "$base" series 1
part "coverage" "$top/scripts/coverage.sh" "$base"
part "self-tests with KCSAN on $other" "$top/scripts/test.sh" "$other" series kcsan
part "bench" "$top/scripts/check/bench.sh" "$base"
tail -n +1 -f --pid=$! "$log-beside.out"
wait $! || part "what needs no VM" false

echo
grep -h ': skipped ' "$log-beside.log" "$log.log" || :
grep -hv ': skipped ' "$log-beside.log" "$log.log"
awk '/^#### / { passed += $(NF - 7); failed += $(NF - 5); skipped += $(NF - 3) }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
	   exit failed > 0 }' "$log-beside.log" "$log.log"

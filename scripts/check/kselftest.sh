#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kselftest.sh BASE: what README has a kernel developer do with the self-tests, word for
# word, in a tree that has the series, and with O= outside of it. Without a device each
# program has to skip. The modules are built for the kernel that the tests here run on.

. "$(dirname "$0")/lib.sh"

base=$1
src=$build/$base/src
"$top/scripts/kernel.sh" "$base" series ''
in_turn "$src"
tip=$("$top/scripts/compose.sh" "$src" base "$top/series/$base"/0*.patch)

git clone -q --shared --no-checkout "$src" "$tmp/linux"
cd "$tmp/linux"
# What 'make headers' and the self-tests take of it
git sparse-checkout set --no-cone /Makefile /Kbuild /scripts /include /arch/x86 /tools /usr \
	2>/dev/null
git checkout -q --detach "$tip"
unset VFIO_SELFTESTS_BDF
export KDIR=$build/$base/obj

mapfile -t lines < <(sed -n '/^Self-tests on hardware$/,/^Layout$/s/^\t\(make .*\)/\1/p' \
	"$top/README")
((${#lines[@]} == 2)) || die "README, 'Self-tests on hardware': not two lines with make"
headers=${lines[0]} run_tests=${lines[1]}

# does NAME COMMAND...: it succeeds
does() {
	local name=$1
	shift

	if "$@" >"$tmp/output" 2>&1 </dev/null; then
		ok "$name"
	else
		tail -20 "$tmp/output"
		not_ok "$name" "see above"
	fi
}

# go_through WHERE OPTION...: from a tree without headers to a tarball
go_through() {
	local where=$1 missing programs goal
	shift

	git clean -fdxq
	bash -c "$run_tests $*" >"$tmp/output" 2>&1 </dev/null || :
	missing=$(grep -c "the headers of this tree are not there: run 'make headers'" \
		"$tmp/output" || :)
	if [[ $missing == 1 ]]; then
		ok "$where, no headers: said in one line"
	else
		tail -20 "$tmp/output"
		not_ok "$where, no headers" "said in $missing lines"
	fi

	does "$where: $headers" bash -c "$headers $*"
	does "$where: $run_tests" bash -c "$run_tests $*"
	programs=$(sed -n 's/^TEST_GEN_PROGS += //p' "$selftest/Makefile" | wc -l)
	if [[ $(grep -c '^ok .* # SKIP$' "$tmp/output") == "$programs" ]]; then
		ok "$where: the $programs programs say that they need a device"
	else
		not_ok "$where: the $programs programs say that they need a device" \
			"$(grep -c '^ok .* # SKIP$' "$tmp/output") do"
	fi

	for goal in "install INSTALL_PATH=$tmp/install" gen_tar clean; do
		does "$where: ${goal%% *}" bash -c "${run_tests/run_tests/$goal} $*"
	done
}

go_through "in the tree"
go_through "with O=" "O=$tmp/out"
verdict

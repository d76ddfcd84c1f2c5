#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test.sh BASE VARIANT [DEBUG]: build the kernel and the self-tests, and run
# them in it. Prints their TAP, then 'N passed, N failed, N skipped'. A kernel
# with DEBUG also has the model-based test for longer, and scripts/jobs/leaks.
#
# On the eager variant the tests named zap_* or more_* have to fail: one that does
# not is a failure, and one that does counts as passed.

. "$(dirname "$0")/lib.sh"

base=$1 variant=$2 debug=${3-}
suffix=$(debug_suffix "$debug")
out=$build/$base/$variant$suffix

[[ $variant == series ]] || "$top/scripts/kernel.sh" "$base" series "$debug"
"$top/scripts/kernel.sh" "$base" "$variant" "$debug"

say "running the self-tests on $variant$suffix"
status=0 seconds=400
if [[ $debug ]]; then
	seconds=1500
	export APPEND="long leaks=short"
fi
"$top/scripts/vm.sh" "$out" $seconds "$top/scripts/jobs/selftests" \
	"$top/scripts/jobs/leaks=/leaks" \
	"$build/$base/selftests$suffix/vfio/pci_mmap=/selftests" |
	tee "$out/tap" || status=$?

awk -v must_fail="$([[ $variant == eager ]] && echo '[.](zap|more)_')" \
	-v status=$status '
	function count(verdict, name, why) {
		n[verdict]++
		if (verdict != "passed" || why)
			list = list sprintf("%s %s%s\n", verdict, name, why)
	}
	function close_program() {
		if (program && (!planned || seen != planned))
			count("failed", program, ": " seen + 0 " of " \
			      planned + 0 " tests ended")
		seen = planned = 0
	}
	# The VM starts again: so does the count
	/^# again: / {
		delete n
		list = program = said = ""
		seen = planned = n_said = 0
	}
	/^# program / { close_program(); program = $3; said = n_said = "" }
	/^1\.\.[0-9]+/ { planned = substr($1, 4) + 0 }
	# What a test says of its failure comes before its verdict
	/^# [a-z_]+_test\.c:[0-9]+:/ && n_said++ < 2 {
		sub(/^# [^:]*:[0-9]*:[^:]*:/, "")
		said = said (said ? "; " : "") $0
	}
	/^(not )?ok [0-9]+ / {
		seen++
		full = program ":" ($1 == "not" ? $4 : $3)
		if (/# SKIP/)
			count("skipped", full, substr($0, index($0, "# SKIP") + 6))
		else if (must_fail && full ~ must_fail)
			count($1 == "not" ? "passed" : "failed", full,
			      $1 == "not" ? " fails as it must: " said : \
			      " passes, but must fail here")
		else
			count($1 == "not" ? "failed" : "passed", full)
		said = n_said = ""
	}
	/^leaks [a-z0-9_]+ events/ {
		count($8 ? "failed" : "passed", "leaks:" $2,
		      $8 ? ": " $8 " of " $6 " accesses" : "")
	}
	/^leaks: / { count("failed", "leaks", substr($0, 6)) }
	END {
		close_program()
		if (status)
			count("failed", "the VM", ": status " status)
		if (!n["passed"])
			count("failed", "the run", ": no test ran")
		printf "%s%d passed, %d failed, %d skipped\n", list,
		       n["passed"], n["failed"], n["skipped"]
		exit n["failed"] > 0
	}' "$out/tap"

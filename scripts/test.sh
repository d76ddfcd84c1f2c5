#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# test.sh BASE VARIANT [KIND [ONLY]]: build the kernel, see kernel.sh, and the self-tests,
# and run them in it. Prints their TAP, then 'N passed, N failed, N skipped'. A kernel for
# debugging also has the model-based test for longer, and scripts/jobs/leaks. ONLY is a
# program, or PROGRAM:TEST, to run nothing else.
#
# Programs for which the CPU makes a difference are run on other machines as well, see
# MACHINE in scripts/vm.sh: no1g:unmapped_area_test is that program on that machine.
#
# What scripts/must_fail has for the variant has to fail: a test that does not is a
# failure, and one that does counts as passed. Each test of which the kernel dies is
# run in a VM of its own.

. "$(dirname "$0")/lib.sh"

base=$1 variant=$2 kind=${3-} only=${4-}
check_base "$base"
check_variant "$variant" "$base"
suffix=$(kind_suffix "$kind")
out=$build/$base/$variant$suffix
tests=$build/$base/selftests$suffix/vfio/pci_mmap
list=$top/scripts/must_fail
# What the kernel makes of another CPU
case $variant,$kind in
*,arm64* | eager,*) machines=() ;;
series,*) machines=(la57 no1g) ;;
*) machines=(no1g) ;;
esac
for_machines=unmapped_area_test,populate_test
[[ $only =~ ^([a-z0-9_]+_test(:[a-z0-9_.]+)?)?$ ]] ||
	die "ONLY is '$only': use a program of the self-tests, or program:test"

[[ $variant == series ]] || "$top/scripts/kernel.sh" "$base" series "$kind"
"$top/scripts/kernel.sh" "$base" "$variant" "$kind"
[[ ! $only || -x $tests/${only%%:*} ]] ||
	die "no self-test '${only%%:*}': see $selftest"

seconds=600 append="variant=$variant"
if [[ $kind == 1 || $kind == kcsan ]]; then
	seconds=2400 for_machines=unmapped_area_test
	append+=" long leaks=short"
fi

# vm MACHINE APPEND: run the self-tests that APPEND leaves
vm() {
	MACHINE=$1 APPEND="$append ${1:+machine=$1} $2 ${APPEND-}" \
		"$top/scripts/vm.sh" "$out" $seconds \
		"$top/scripts/jobs/selftests" "$top/scripts/jobs/leaks=/leaks" \
		"$list=/must_fail" "$tests=/selftests"
}

# run MACHINE APPEND: the same, and keep what it prints for the awk below, but for the
# program that ran when a VM had to start again, which runs once more
run() {
	local folder=$out${1:+/$1} status=0

	mkdir -p "$folder"
	LOG=$folder/console.log vm "$1" "$2" 2>"$folder/error" |
		tee "$folder/tap.vm" || status=$?
	cat "$folder/error" >&2
	awk '/^# program / { printf "%s", text; text = "" }
	     /^# again: / { print; text = ""; next }
	     { text = text $0 "\n" }
	     END { printf "%s", text }' "$folder/tap.vm" >>"$out/tap"
	((!status)) || echo "ended the VM${1:+ $1}: status $status," \
		"$(tail -n 1 "$folder/error")" >>"$out/tap"
}

# die_of NAME PATTERN: the kernel has to die of a test; print what came of it for the
# awk below
die_of() {
	local name=$1 pattern=$2 machine='' program=$1 log found

	[[ $name != *:*:* ]] || machine=${name%%:*} program=${name#*:}
	program=${program%%:*}
	log=$out/dies/${name//[^a-z0-9_.]/-}.log
	: >"$log"
	LOG=$log vm "$machine" "only=$program:${name##*.} oops=panic" \
		>"$log.job" 2>&1 || :
	found=$(tr -d '\r' <"$log" | grep -m 1 -E -e "$pattern" || :)
	if [[ $found ]]; then
		echo "died $name $found"
	else
		echo "lived $name: no '$pattern' in $log; see $log.job"
	fi
}

# Of those that ONLY leaves, the tests of which the kernel dies, and its last words
mapfile -t deaths < <(awk -v variant="$variant(-$base)?" -v only="$only" '
	"," $1 "," ~ "," variant "," && $3 == "dies" {
		name = program = $2
		sub(/:[^:]*$/, "", program)
		sub(/.*:/, "", program)
		test = $2
		sub(/.*[.:]/, "", test)
		sub(/:.*[.]/, ":", only)
		sub(/^[^ \t]+[ \t]+[^ \t]+[ \t]+dies[ \t]*/, "")
		if (!only || only == program || only == program ":" test)
			print name "\t" $0
	}' "$list")

# would_die MACHINE: ONLY is one test, which its kernel would die of
would_die() {
	local death

	for death in "${deaths[@]%%$'\t'*}"; do
		[[ $only != *:* || $death == *:*:* && $death != "$1":* ]] || return 0
	done
	return 1
}

: >"$out/tap"
if ! would_die ''; then
	say "running ${only:-the self-tests} on $variant$suffix"
	run '' "${only:+only=$only}"
fi
for machine in "${machines[@]}"; do
	[[ ,$for_machines, == *,"${only%%:*}",* || ! $only ]] || continue
	! would_die "$machine" || continue
	say "running ${only:-$for_machines} on $variant$suffix, $machine"
	run "$machine" "only=${only:-$for_machines}"
done

rm -rf "$out/dies"
mkdir "$out/dies"
for death in "${deaths[@]}"; do
	say "running ${death%%$'\t'*} on $variant$suffix, which has to die of it"
	die_of "${death%%$'\t'*}" "${death#*$'\t'}" >>"$out/tap"
done

awk -v variant="$variant(-$base)?" -v only="$only" -v kind="$kind" '
	function count(verdict, name, why) {
		n[verdict]++
		if (verdict != "passed" || why)
			list = list sprintf("%s %s%s\n", verdict, name, why)
	}
	# A shell glob as a regular expression
	function regex(glob) {
		gsub(/[.]/, "[.]", glob)
		gsub(/[*]/, ".*", glob)
		gsub(/[?]/, ".", glob)
		return "^" glob "$"
	}
	function without_machine(name) {
		if (name ~ /:.*:/)
			sub(/^[^:]*:/, "", name)
		return name
	}
	# What is listed without a machine has to fail on each
	function has_to_fail(name,   glob, found) {
		for (glob in must_fail)
			if (name ~ must_fail[glob] ||
			    without_machine(name) ~ must_fail[glob])
				found = ran[glob] = takes_luck[glob] ? "by luck" : "surely"
		return found
	}
	function close_program() {
		if (program && (planned == "" || seen + 0 != planned))
			count("failed", program, ": " seen + 0 " of " \
			      planned + 0 " tests ended")
		seen = planned = ""
	}
	FNR == NR {
		if ("," $1 "," ~ "," variant "," && $3 ~ /^(fails|races)$/) {
			must_fail[$2] = regex($2)
			takes_luck[$2] = $3 == "races"
		}
		next
	}
	/^# again: / && kind == 1 {
		count("skipped", "kmemleak", " not looked at before a VM was started again")
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
		passed = $1 == "ok"
		full = program ":" (passed ? $3 : $4)
		skipped = /# SKIP/ ? substr($0, index($0, "# SKIP") + 6) : ""
		must = has_to_fail(full)
		if (!must)
			count(/# SKIP/ ? "skipped" : passed ? "passed" : "failed",
			      full, skipped)
		else if (/# SKIP/)
			skips[without_machine(full)] = skipped
		else if (passed && must == "by luck")
			count("skipped", full, " fails here if it loses a race, and has not")
		else if (passed)
			count("failed", full, " passes, but must fail here")
		else {
			count("passed", full, " fails as it must: " said)
			fails[without_machine(full)]
		}
		said = n_said = ""
	}
	/^died / {
		full = $2
		sub(/^died [^ ]+ /, "")
		count("passed", full, " dies as it must: " $0)
	}
	/^lived / { count("failed", $2, substr($0, 7 + length($2))) }
	/^stray_access [a-z0-9_]+ events/ {
		count($8 ? "failed" : "passed", "stray_access:" $2,
		      $8 ? ": " $8 " of " $6 " accesses" : "")
	}
	/^stray_access: / { count("failed", "stray_access", substr($0, 13)) }
	/^ended the VM/ { count("failed", substr($0, 7), "") }
	END {
		close_program()
		# On one device or machine it may: on another it has to fail
		for (full in skips)
			count(full in fails ? "skipped" : "failed", full,
			      (full in fails ? "" : " skips, but must fail here:") \
			      skips[full])
		for (glob in must_fail)
			if (!only && !(glob in ran))
				count("failed", glob, ": must fail here, but is not there")
		if (!n["passed"])
			count("failed", "the run", ": no test ran")
		printf "%s%d passed, %d failed, %d skipped\n", list,
		       n["passed"], n["failed"], n["skipped"]
		exit n["failed"] > 0
	}' "$list" "$out/tap"

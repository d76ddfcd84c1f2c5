#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh BASE: the bench notices whatever goes wrong in the VM, ends it, and
# shows the log.

. "$(dirname "$0")/lib.sh"

base=$1
"$top/scripts/kernel.sh" "$base" series ''
"$top/scripts/kernel.sh" "$base" series 1
cd "$top"
export LOG=$tmp/console

vm() { # KERNEL SECONDS JOB
	scripts/vm.sh "$build/$base/$1" "$2" "scripts/jobs/$3"
}

# shows NAME PATTERN: what the last VM printed has PATTERN
shows() {
	if grep -qE "$2" "$tmp/output"; then
		ok "$1"
	else
		cat "$tmp/output"
		not_ok "$1" "no '$2' in what the bench printed"
	fi
}

refuses "unknown ACCEL" "ACCEL is 'hope'" env ACCEL=hope \
	scripts/vm.sh "$build/$base/series" 60 scripts/jobs/failure
refuses "no kernel" "no .*/bzImage" scripts/vm.sh "$tmp" 60 scripts/jobs/failure

refuses "panic" "the kernel in the VM panicked" vm series 60 panic
shows "panic: the log is shown" 'sysrq triggered crash'
refuses "hang" "the VM hung: the job said nothing for 15 s" vm series 15 hang
shows "hang: the log is shown" 'Run /init as init process'
refuses "warning" "the kernel in the VM complained" vm series 60 splat
shows "warning: the log is shown" 'WARNING: .*lkdtm_WARNING'
refuses "use after free, with debugging" "the kernel in the VM complained" \
	vm series-debug 300 splat
shows "use after free: the log is shown" 'KASAN: slab-use-after-free in lkdtm'

status=0
vm series 60 failure >/dev/null 2>&1 || status=$?
if [[ $status == 1 ]]; then
	ok "failure of a job is that of the VM"
else
	not_ok "failure of a job is that of the VM" "status $status, not 1"
fi

# A device that is missing, not bound, or not named
said=$(scripts/vm.sh "$build/$base/series" 60 scripts/jobs/devices \
	"$build/$base/selftests/vfio/pci_mmap=/selftests" 2>&1) || :
expected='no device 0000:00:1e.7: the VM lacks it
1 device(s) needed, 0 given: name them last on the command line, or one in VFIO_SELFTESTS_BDF
status 4
no device 0000:00:1e.7: see lspci -D
status 1
device 0000:00:04.0 is not bound to vfio-pci: bind it first
status 1
VFIO_SELFTESTS_BDF is '\''nonsense'\'': set it to domain:bus:slot.function
status 1'
if [[ $said == "$expected" ]]; then
	ok "devices: missing, not bound, not named"
else
	diff <(echo "$expected") <(echo "$said") || :
	not_ok "devices: missing, not bound, not named" "other words, above"
fi
verdict

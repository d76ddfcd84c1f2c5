#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh BASE: a stock QEMU passes devices to a KVM guest, which uses them, and
# turns them off while it does.

. "$(dirname "$0")/lib.sh"

if "$top/scripts/run.sh" "$1"; then
	ok "make run"
else
	not_ok "make run" "see above"
fi
status=0
MACHINE=guest "$top/scripts/vm.sh" "$build/$1/series" 300 "$top/scripts/jobs/selftests-guest" \
	"$build/$1/selftests/vfio/pci_mmap=/selftests" | tee "$tmp/tap" || status=$?
# What was printed before a VM had to start again does not count
while read -r line; do
	name=${line#*ok * }
	case $line in
	'not ok '*) not_ok "$name" "see above" ;;
	*' # SKIP '*) skipped "${name%% *}" "${name#* # SKIP }" ;;
	*) ok "$name" ;;
	esac
done < <(tac "$tmp/tap" | sed '/^# again: /q' | tac | grep -E '^(not )?ok [0-9]+ ')
((!status)) || not_ok "self-tests on MACHINE=guest" "the VM ended with status $status"
"$top/scripts/guest.sh" "$1" toggle | tee "$tmp/guest" || :
read -r passed _ failed _ skips _ < <(grep -E '^[0-9]+ passed, ' "$tmp/guest" ||
	echo "0 passed, 1 failed, 0 skipped")
n_passed=$((n_passed + passed)) n_failed=$((n_failed + failed)) n_skipped=$((n_skipped + skips))
verdict

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
if MACHINE=guest "$top/scripts/vm.sh" "$build/$1/series" 200 "$top/scripts/jobs/rounds" \
	"$build/$1/selftests/vfio/pci_mmap=/selftests"
then
	ok "10,000 rounds with a page of ones"
else
	not_ok "10,000 rounds with a page of ones" "see above"
fi
"$top/scripts/guest.sh" "$1" toggle | tee "$tmp/guest" || :
read -r passed _ failed _ < <(grep -E '^[0-9]+ passed, ' "$tmp/guest" || echo "0 passed, 1")
n_passed=$((n_passed + passed)) n_failed=$((n_failed + failed))
verdict

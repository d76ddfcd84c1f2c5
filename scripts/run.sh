#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh BASE: build the series kernel, boot it, and show what happens to a BAR;
# then have a stock QEMU in there pass devices to a KVM guest that uses them.

. "$(dirname "$0")/lib.sh"

base=$1
check_base "$base"
need "${to_build[@]}" "${to_boot[@]}"
"$top/scripts/kernel.sh" "$base" series ''

kernel=$build/$base/series
tests=$build/$base/selftests/vfio/pci_mmap
guest=$build/$base/guest.initramfs
"$top/scripts/initramfs.sh" "$base" "$guest" "$top/$selftest/qemu/guest-init.sh" \
	"$tests/guest_bar=/bin/guest_bar"

mapfile -t inside < <(qemu_inside)

say "booting it"
if MACHINE=guest "$top/scripts/vm.sh" "$kernel" 300 "$top/scripts/jobs/run" \
	"$tests/bar_demo=/bin/bar_demo" "$kernel/bzImage=/guest/bzImage" \
	"$guest=/guest/initramfs" "${inside[@]}"
then
	echo "It works: the BAR was out of reach while decode was off, and came back."
else
	die "it does not work: see the lines marked 'wrong' above, and $kernel/console.log"
fi

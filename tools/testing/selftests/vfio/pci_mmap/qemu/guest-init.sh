#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# First process of a guest that has two devices passed through: an ivshmem with
# its BAR filled by the host, and an nvme. Its only console is the serial port.

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev

say() { echo "  guest          $*"; }
check() { # WHAT SEEN WANTED
	[ "$2" = "$3" ] && say "$1: $2" && return
	say "$1: '$2', not '$3'   <-- wrong"
	verdict=failed
}

exec >/dev/ttyS0 2>&1 </dev/null
verdict=passed
say "$(uname -sr), $(grep -c ^processor /proc/cpuinfo) CPUs"
say "$(dmesg | grep -o "Hypervisor detected: .*")"
for device in /sys/bus/pci/devices/*; do
	[ "$(cat $device/device)" != 0x1110 ] || ivshmem=$device
done
say "ivshmem at ${ivshmem##*/}, BAR 2: $(sed -n 3p $ivshmem/resource)"
echo 1 >$ivshmem/enable
check "what the host wrote" $(guest_bar $ivshmem/resource2 read 0x1000) 0xba500001
check "what the guest writes" $(guest_bar $ivshmem/resource2 write 0x2000 0x90e57000) 0x90e57000
serial=$(tr -d ' ' </sys/class/nvme/nvme0/serial)
check "serial number that the guest's nvme driver got" "$serial" plain
echo "guest $verdict"
poweroff -f

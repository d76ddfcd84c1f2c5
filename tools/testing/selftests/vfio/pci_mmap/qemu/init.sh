#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# First process of a kernel under test: mounts what a test needs, runs /job with its
# output on the second serial port, or a virtual console, reports its exit status there and
# turns the machine off. The kernel log has the first port to itself.

/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin HOME=/ LC_ALL=C

mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mount -t debugfs none /sys/kernel/debug
mount -t tracefs none /sys/kernel/tracing
mkdir -p /dev/shm /sys/fs/cgroup
mount -t tmpfs none /dev/shm
mount -t cgroup2 none /sys/fs/cgroup

# bind DEVICE DRIVER: take a device from its driver and give it to another. Nothing comes of
# it while a driver is asked that may not have it.
bind() {
	local sys=/sys/bus/pci/devices/$1 again

	[ -e $sys ] || { echo "no device $1: the VM lacks it"; return 1; }
	[ ! -e $sys/driver ] || echo $1 >$sys/driver/unbind
	echo $2 >$sys/driver_override
	for again in 1 2 3 4 5; do
		echo $1 >/sys/bus/pci/drivers_probe
		[ ! -e /sys/bus/pci/drivers/$2/$1 ] || return 0
		sleep 1
	done
	echo "device $1 does not take driver $2"
	return 1
}

# no_registers DEVICE: leave it without its first BAR, which nobody needs, if QEMU is one
# of those in vm.sh that do not bear it that such a BAR goes off and on a lot
no_registers() {
	grep -q registers=left_out /proc/cmdline || return 0
	printf '\0\0\0\0' |
		dd of=/sys/bus/pci/devices/$1/config bs=4 seek=4 conv=notrunc 2>/dev/null
}

# virtual_function DEVICE: have it have one, and set $vf to its address
virtual_function() {
	local sys=/sys/bus/pci/devices/$1

	echo 0 >$sys/sriov_drivers_autoprobe
	[ -e $sys/virtfn0 ] || echo 1 >$sys/sriov_numvfs || return 1
	vf=$(basename $(readlink $sys/virtfn0))
}

# print_counts: how often each line was run, where the kernel counts
print_counts() {
	local file

	[ -e /sys/kernel/debug/gcov ] || return 0
	for file in $(find /sys/kernel/debug/gcov -name '*.gcda'); do
		echo "gcda $(basename $file) $(base64 <$file | tr -d '\n') end"
	done
}

port=/dev/ttyS1
[ -c $port ] || port=/dev/hvc0
exec >$port 2>&1 </dev/null
stty -F $port raw
. /devices
. /job
status=$?

# Objects that nobody points to any more, where the kernel can tell
if [ -e /sys/kernel/debug/kmemleak ]; then
	echo scan >/sys/kernel/debug/kmemleak
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >/dev/kmsg
fi
print_counts
echo "end of job: status $status"
poweroff -f

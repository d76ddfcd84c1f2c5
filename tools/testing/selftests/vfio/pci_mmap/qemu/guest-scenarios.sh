#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# First process of a guest that has three devices passed through: an ivshmem, another
# whose BAR is larger than 4 GiB, and an nvme in a slot for hot-plug. Does to them
# what 'scenario=' on the kernel's command line names, and says whether they came
# through it. Its only console is the serial port. What it needs of its host it says
# there: a line 'host: ...'.

/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/sbin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
exec >/dev/ttyS0 2>&1 </dev/null
stty -F /dev/ttyS0 raw

say() { echo "  $*"; }
wrong() { say "$*   <-- wrong"; verdict=failed; }

# try WHAT COMMAND...: it has to succeed
try() {
	local what="$1" said status=0

	shift
	said=$("$@" 2>&1) || status=$?
	[ $status = 0 ] && say "$what: $said" && return
	wrong "$what: $said (status $status)"
	return 1
}

# wait_for SECONDS COMMAND...
wait_for() {
	local tenths=${1}0

	shift
	until "$@" 2>/dev/null; do
		tenths=$((tenths - 1))
		[ $tenths -gt 0 ] || return 1
		usleep 100000
	done
}

find_devices() {
	local device size

	for device in /sys/bus/pci/devices/*; do
		size=$(stat -c %s $device/resource2 2>/dev/null)
		case $(cat $device/device),$(cat $device/class) in
		0x1110,*) [ ${#size} -gt 9 ] && vast=$device || ram=$device ;;
		*,0x010802) nvme=$device ;;
		esac
	done
}

disk_there() { [ -b /dev/nvme0n1 ] && dd if=/dev/nvme0n1 of=/dev/null bs=4096 count=1; }
# The BAR is for us, or for the driver, and the disk with it
unbind() { echo ${nvme##*/} >/sys/bus/pci/drivers/nvme/unbind; echo 1 >$nvme/enable; }
bind() {
	echo 0 >$nvme/enable
	echo ${nvme##*/} >/sys/bus/pci/drivers/nvme/bind
	wait_for 60 disk_there || wrong "no disk after the driver has its device again"
}

# watch NAME FILE [VERB]: read on CPU 1 from now on
watch() {
	guest_bar $2 ${3:-watch} >/tmp/$1 2>&1 &
	echo $! >/tmp/$1.pid
	wait_for 20 grep -q watching /tmp/$1 || wrong "reader of $1: $(cat /tmp/$1)"
}

# end_watch NAME: what has the reader seen?
end_watch() {
	local status=0 pid

	pid=$(cat /tmp/$1.pid)
	kill $pid 2>/dev/null
	wait $pid || status=$?
	[ $status = 0 ] && say "reader of $1: $(tail -1 /tmp/$1)" && return
	wrong "reader of $1: $(tail -1 /tmp/$1) (status $status)"
}

fill() {
	echo 1 >$ram/enable
	echo 1 >$vast/enable
	try "BAR of $(stat -c %s $ram/resource2) bytes, filled" guest_bar $ram/resource2 fill
	try "BAR of $(stat -c %s $vast/resource2) bytes, filled" guest_bar $vast/resource2 fill
}

check() {
	try "the one BAR" guest_bar $ram/resource2 check
	try "the other BAR" guest_bar $vast/resource2 check
}

# toggle WHAT BAR ROUNDS: ten times. A VMM has much to do: each is a sign of life.
toggle() {
	local n

	for n in $(seq 10); do
		try "decode, $1, $n of 10" guest_bar $2 toggle $3
	done
}

scenario_toggle() {
	fill
	toggle "one BAR" $ram/resource2 100
	toggle "the other BAR" $vast/resource2 2
	unbind
	toggle nvme $nvme/resource0 100
	bind
	check
}

scenario_vast() {
	fill
	toggle "the other BAR" $vast/resource2 100
	check
}

# The BAR of memory tells how often that has been
scenario_reboot() {
	local boots

	echo 1 >$ram/enable
	boots=$(guest_bar $ram/resource2 read 0x100)
	case $boots in
	0xb0070003) say "3 reboots"; check; return ;;
	0xb007000?) check ;;
	*) boots=0xb0070000; fill ;;
	esac
	unbind
	guest_bar $ram/resource2 write 0x100 $((boots + 1)) >/dev/null
	watch ram $ram/resource2
	watch vast $vast/resource2
	watch nvme $nvme/resource0
	usleep 300000
	[ $verdict = passed ] && reboot -f
	sleep 60
	wrong "no reboot"
}

scenario_sleep() {
	unbind
	try "D3hot, nvme" guest_bar $nvme/resource0 sleep 200
	bind
}

# While the guest's driver is busy, and while a program reads the BAR
scenario_plug() {
	local round

	for round in driver program driver program; do
		if [ $round = driver ]; then
			dd if=/dev/nvme0n1 of=/dev/null bs=64k count=100000 2>/dev/null &
		else
			unbind
			watch nvme $nvme/resource0 last
		fi
		usleep 300000
		echo "host: device_del nvme"
		wait_for 60 [ ! -e $nvme ] || { wrong "the device stays"; return; }
		[ $round = driver ] || end_watch nvme
		echo "host: device_add nvme"
		wait_for 60 disk_there || { wrong "the device does not come back"; return; }
		say "out and in again, in use by a $round"
	done
}

scenario_reset() {
	local n

	unbind
	watch nvme $nvme/resource0
	for n in $(seq 10); do
		echo "host: reset nvme"
		usleep 300000
	done
	end_watch nvme
	bind
}

# The BAR of memory tells that it happened: the host starts the guest again then
scenario_lost() {
	echo 1 >$ram/enable
	case $(guest_bar $ram/resource2 read 0x104) in
	0x105ed) say "the disk is back after a fatal error"; return ;;
	esac
	guest_bar $ram/resource2 write 0x104 0x105ed >/dev/null
	unbind
	watch nvme $nvme/resource0
	echo "host: fatal error of nvme"
	sleep 60
	wrong "no reset by the host"
}

# Whatever becomes of the device that is gone, it is not to take the others along
scenario_pulled() {
	fill
	unbind
	watch nvme $nvme/resource0 last
	echo "host: pull nvme"
	wait_for 60 [ ! -e $nvme ] || { wrong "the device stays"; return; }
	end_watch nvme
	check
}

scenario_pause() {
	local n

	fill
	watch vast $vast/resource2
	for n in $(seq 10); do
		guest_bar $ram/resource2 toggle 300 >/tmp/toggle 2>&1 &
		usleep 200000
		echo "host: pause"
		wait $! && say "decode: $(cat /tmp/toggle)" ||
			wrong "decode: $(cat /tmp/toggle)"
	done
	end_watch vast
	check
}

scenario_disk() {
	local round

	try "mke2fs" /sbin/mke2fs -q -t ext4 /dev/nvme0n1 || return
	mkdir -p /mnt
	for round in $(seq 20); do
		mount -t ext4 /dev/nvme0n1 /mnt || { wrong "mount, round $round"; return; }
		dd if=/dev/urandom of=/mnt/$round bs=64k count=8 2>/dev/null
		(cd /mnt && md5sum $round >>sums && md5sum -cs sums) ||
			wrong "files changed, round $round"
		umount /mnt || wrong "umount, round $round"
		unbind
		guest_bar $nvme/resource0 sleep 5 >/tmp/sleep ||
			wrong "D3hot, round $round: $(cat /tmp/sleep)"
		echo 1 >$nvme/reset || wrong "reset, round $round"
		bind
		[ $verdict = passed ] || return
	done
	mount -t ext4 -o ro /dev/nvme0n1 /mnt
	(cd /mnt && md5sum -cs sums) && say "20 rounds: all files are right" ||
		wrong "20 rounds: files changed"
	umount /mnt
	try "e2fsck" /sbin/e2fsck -fn /dev/nvme0n1
}

scenario=$(sed -n 's/.*scenario=\([a-z]*\).*/\1/p' /proc/cmdline)
verdict=passed
echo "guest started: Linux $(uname -r), $(nproc) CPUs"
find_devices
# The nvme that can be pulled out has none
[ $scenario = pulled ] || wait_for 60 disk_there || wrong "no disk"
scenario_$scenario
echo "guest $verdict"
sleep 1000

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vm.sh KERNEL SECONDS JOB [SOURCE=TARGET]...: boot KERNEL (the folder of a bzImage; one
# with -arm64 in its name is for that) with the devices below, run the shell script JOB in
# it, print what it prints, and exit with its status. Each SOURCE is to be found at TARGET
# in there.
#
# The kernel's log goes to KERNEL/console.log, or to what LOG names. A panic, a splat in
# the log, or a job that says nothing for SECONDS is a failure, and the log is shown. How
# long a job takes in all tells of the machine, not of the kernel, and may be four times that.
# APPEND adds to the kernel's command line. MACHINE is another machine:
#	bench	as machine-bench.sh says
#	guest	runs guests, which QEMU does not with protection keys
#	la57	has a CPU with page tables of five levels
#	no1g	has a CPU without pages of 1 GiB
#
# QEMU before 11, without KVM, numbers what is in its memory map, in the order of addresses.
# While one CPU turns a BAR off, an access of another may still go by the old number, and
# miss what lies above that BAR: the local APIC, say, and then the end of an interrupt,
# the start of a timer or the call of another CPU is lost; or the IOMMU, which then does
# not do what it was told. So the local APIC is one without an address where QEMU has that,
# from 9 on (eim=on, for x2APIC); BARs below 4 GiB that nobody needs are left out where
# decode is toggled a lot (no_registers), guests, who turn off everything, are run with
# one CPU, and a VM that it happens to is started again: the third time with all CPUs in one
# thread, where it cannot happen, and with twice the time. A job that says '# program NAME'
# of each thing it does finds on the command line, in done=N, how many it has done before,
# and has the three for each.
#
# QEMU without KVM may deliver an interrupt twice that a KVM in there injects into its guest:
# see jobs/guest. What it takes, a kick of the CPU, QEMU from 10.2 on does whenever its memory
# map has changed a lot (interrupts=twice): guests hang.
#
# A line 'monitor: COMMAND' of what the job prints is a command for QEMU's monitor.
# What a kernel counts of how often its lines are run goes to gcda/ next to its log, into a
# folder for each start.

. "$(dirname "$0")/lib.sh"

kernel=$1 seconds=$2 job=$3
shift 3
[[ -f $kernel/bzImage ]] || die "no $kernel/bzImage: run 'make kernel' first"
base=$(basename "$(dirname "$kernel")")
if [[ $kernel != *-arm64* ]]; then
	qemu='qemu-system-x86_64'
	need "${to_boot[@]}"
else
	qemu='qemu-system-aarch64'
	need "${arm64_to_boot[@]}"
	arm64_busybox "$base"
	export BUSYBOX=$build/$base/busybox-arm64
fi
log=${LOG:-$kernel/console.log}

case ${ACCEL:-tcg} in
tcg) ;;
kvm) [[ -w /dev/kvm ]] || die "ACCEL=kvm needs /dev/kvm: leave ACCEL out to emulate" ;;
*) die "ACCEL is '$ACCEL': use kvm or leave it out" ;;
esac

version=$($qemu --version |
	awk 'NR == 1 { split($4, v, "."); print v[1] * 100 + v[2] }')
attempts=1 bugs='' iommu=intel-iommu,intremap=on,aw-bits=48
if [[ ${ACCEL-} != kvm && $qemu == *x86_64 ]]; then
	((version >= 1100)) || attempts=3 bugs=registers=left_out
	((version < 900 || version >= 1100)) || iommu+=,eim=on
	((version < 1002)) || bugs+=" interrupts=twice"
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"$top/scripts/initramfs.sh" "$base" "$tmp/initramfs" \
	"$top/$selftest/qemu/init.sh" "$job=/job" "$top/scripts/devices.sh=/devices" "$@"

# Where they are is what the jobs count on: see scripts/devices.sh. The ports with
# hotplug=off are those that errors are injected into. With a slot there, lockdep
# reports the PCI core: recovery takes pci_slot_mutex before the lock of the slot,
# hot-plug and SR-IOV in the other order.
devices=(
	-object memory-backend-ram,id=ram0,size=64M,share=on
	-object memory-backend-ram,id=ram1,size=4M,share=on
	-object memory-backend-ram,id=ram2,size=4M,share=on
	-object memory-backend-ram,id=ram3,size=4M,share=on
	-device ivshmem-plain,memdev=ram0,bus=pcie.0,addr=4
	-device ivshmem-plain,memdev=ram1,bus=pcie.0,addr=5
	-device pcie-root-port,id=port1,chassis=1,bus=pcie.0,addr=6,hotplug=off
	-drive if=none,id=disk,format=raw,file="$tmp/disk"
	-device nvme,serial=plain,drive=disk,bus=port1
	-device pcie-root-port,id=port2,chassis=2,bus=pcie.0,addr=7,hotplug=off
	-device ivshmem-plain,memdev=ram2,bus=port2,multifunction=on,addr=0.0
	-device ivshmem-plain,memdev=ram3,bus=port2,addr=0.1
	-device pcie-root-port,id=port3,chassis=3,bus=pcie.0,addr=8
	-device nvme-subsys,id=shared
	-device nvme,serial=sriov,bus=port3,subsys=shared,sriov_max_vfs=1,max_ioqpairs=4,msix_qsize=5,sriov_vq_flexible=2,sriov_vi_flexible=1
	-device pcie-root-port,id=port4,chassis=4,bus=pcie.0,addr=9
	-device edu,id=plugged,bus=port4
	-device pci-testdev,membar=2G,bus=pcie.0,addr=a
	-object memory-backend-ram,id=ram4,size=8G,share=on,reserve=off
	-device ivshmem-plain,memdev=ram4,bus=pcie.0,addr=b
	-device pcie-root-port,id=port5,chassis=5,bus=pcie.0,addr=c,hotplug=off
	-device nvme,serial=lossy,bus=port5,multifunction=on,addr=0.0,romfile="$tmp/rom"
	-device edu,id=lossy2,bus=port5,addr=0.1
	-device pcie-pci-bridge,id=bridge,bus=pcie.0,addr=d
	-object memory-backend-ram,id=ram5,size=4M,share=on
	-device ivshmem-plain,memdev=ram5,bus=bridge,addr=1
	-device pcie-root-port,id=port6,chassis=6,bus=pcie.0,addr=e,hotplug=off
	-netdev user,id=net,restrict=on
	-device e1000e,netdev=net,bus=port6,romfile="$tmp/rom"
	-device VGA,bus=pcie.0,addr=f
	-device cirrus-vga,bus=pcie.0,addr=10
	-device pcie-root-port,id=port7,chassis=7,bus=pcie.0,addr=11,hotplug=off
	-device x3130-upstream,id=switch,bus=port7
	-device xio3130-downstream,id=below,bus=switch,chassis=8
	-device nvme,serial=deep,bus=below
)
truncate -s 64M "$tmp/disk"
# The header of an image that the BIOS of a PC does not run, and its data structure
{
	printf '\x55\xaa\x04'
	head -c 21 /dev/zero
	printf '\x1c\0\0\0PCIR\x86\x80\xd3\x10\0\0\x1c\0\0\0\0\x02\x04\0\0\0\x03\x80\0\0'
} >"$tmp/rom"
truncate -s 2K "$tmp/rom"
cpus=2 cpu=max,la57=off machine=()
case ${MACHINE-} in
'') ;;
bench) . "$top/scripts/machine-bench.sh" ;;
guest)
	cpu+=,pku=off
	((attempts == 1)) || cpus=1
	;;
la57) cpu=max ;;
no1g) cpu+=,pdpe1gb=off ;;
*) die "MACHINE is '$MACHINE': use bench, guest, la57 or no1g, or leave it out" ;;
esac

# QEMU's monitor reads what the job says to it
mkfifo "$tmp/monitor.in" "$tmp/silence"
exec 3<>"$tmp/monitor.in" 4<>"$tmp/silence"

# no_timer_check: on a busy machine the timer may not tick while the kernel looks at it
if [[ $qemu == *x86_64 ]]; then
	board=(-machine "q35,kernel-irqchip=split" -cpu "$cpu"
		-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off
		-device "$iommu")
	job_port=(-serial stdio)
	append="console=ttyS0 no_timer_check intel_iommu=on"
else
	board=(-machine "virt,iommu=smmuv3,gic-version=3" -cpu "max,pauth-impdef=on")
	job_port=(-chardev "stdio,id=job" -device virtio-serial-device
		-device "virtconsole,chardev=job")
	# A port of QEMU that sleeps does not say that something was plugged in
	append="console=ttyAMA0 pcie_port_pm=off"
fi

boot() {
	timeout --foreground -k 5 $((4 * patience)) $qemu "${board[@]}" \
		-accel "${ACCEL:-tcg}$threads" -smp $cpus -m 3G "${machine[@]}" \
		-nodefaults -no-user-config -display none -no-reboot "${devices[@]}" \
		-kernel "$kernel/bzImage" -initrd "$tmp/initramfs" \
		-append "$append panic=-1 $bugs ${APPEND-} done=$done" \
		-serial file:"$log" "${job_port[@]}" \
		-monitor pipe:"$tmp/monitor" </dev/null |
		sed -u 's/\r//g' | tee "$tmp/output" |
		sed -u -e '/^end of job: status /d' -e '/^gcda /d' \
			-e "/^monitor: /{s///;w $tmp/monitor.in" -e 'd}'
	return "${PIPESTATUS[0]}"
}

# Print a CPU that QEMU no longer interrupts, which no kernel can bring about:
#  - One that runs a program, or sleeps, has an interrupt in service. Linux ends it before
#    it does either: its end was lost.
#  - Or its timer is on, and neither runs nor asks for an interrupt. Linux sets it again,
#    or masks it: that was lost.
#  - One that lets interrupts in has one pending, and does not take it.
# It has to be so in two looks, with the timer as it was: interrupts come at any time.
lost_interrupt() {
	tr -d '\r' <"$tmp/monitor.out" | awk '
		/^CPU#0/ { delete at_rest; delete lets_in }
		/^CPU#/ { cpu = substr($1, 5) }
		/CPL=3|HLT=1/ { at_rest[cpu] = 1 }
		/RFL=[0-9a-f]*[2367abef][0-9a-f][0-9a-f] / { lets_in[cpu] = 1 }
		/local APIC state for CPU/ { cpu = $7 }
		/^LVTT[ \t]/ { on = /one-shot/ && !/masked/ }
		/^Timer/ {
			match($0, /initial_count = [0-9]+/)
			timer = substr($0, RSTART + 16, RLENGTH - 16) + 0
			expired = on && timer && / current_count = 0/
		}
		/^ISR/ { in_service = !/none/ }
		/^IRR/ {
			pending = !/none/
			if (!(at_rest[cpu] && (in_service || expired && !pending)) &&
			    !(lets_in[cpu] && timer && pending && !in_service))
				next
			if ((cpu, timer) in seen)
				lost = cpu
			seen[cpu, timer]
		}
		END { if (lost != "") print "an interrupt of CPU " lost }'
}

# Say so if a CPU waits for good for the IOMMU to do what it was told
lost_write() {
	grep -q 'RIP: 0010:qi_submit_sync' "$log" && echo "a write to the IOMMU"
}

# End a VM whose job has said nothing for too long. Before that, have the monitor tell what
# each CPU is at, and end a VM that has lost an interrupt or a write.
watch() {
	local cpu quiet

	while :; do
		read -rt 10 <&4 || :
		quiet=$(($(date +%s) - $(stat -c %Y "$tmp/output")))
		if ((quiet >= patience)); then
			echo "the job said nothing for $patience s" >"$tmp/hung"
			echo quit
			return
		fi
		((attempts > 1 && quiet >= 30)) || continue
		echo stop
		echo 'info registers -a'
		for ((cpu = 0; cpu < cpus; cpu++)); do
			echo "info lapic $cpu"
		done
		echo cont
		read -rt 2 <&4 || :
		{ lost_interrupt; lost_write; } >"$tmp/lost" || :
		[[ ! -s $tmp/lost ]] || echo quit
	done
}

# show WHAT PATTERN: complain of WHAT and the first line of the log with PATTERN, and show
# the log around it, or its end
show() {
	local line

	line=$(tr -d '\r' <"$log" | grep -m 1 -E "$2" || :)
	{
		echo "---- $log"
		grep -m 1 -A 40 -E "$2" "$log" || tail -40 "$log"
		echo "----"
	} | tr -d '\r' >&2
	die "$1${line:+: $line}; see the log above"
}

splats='BUG:|WARNING:|Oops|general protection fault|UBSAN:|KASAN:|KCSAN:'
splats+='|INFO: (task|rcu|possible|suspicious|trying)|possible recursive locking'
splats+='|bad unlock balance|unreferenced object|soft lockup|stalls on CPU'
# Of them, what comes of a lost interrupt as well
stalls='(soft|workqueue) lockup|stalls on CPU|INFO: (task|rcu)'

counts=$(dirname "$log")/gcda
rm -rf "$counts"

# It does not always survive it either that a BAR goes away while another CPU uses it.
# No kernel can make it die of a signal, nor lose an interrupt: start again.
done=0 starts=0 attempt=0
while ((attempt++ < attempts)); do
	status=0 patience=$seconds
	: >"$tmp/monitor.out"
	: >"$tmp/output"
	: >"$tmp/lost"
	: >"$tmp/hung"
	threads=
	if ((attempt > 1 && attempt == attempts)); then
		threads=,thread=single patience=$((2 * seconds))
	fi
	watch >"$tmp/monitor.in" &
	boot || status=$?
	kill $! 2>/dev/null || :
	wait $! || :
	starts=$((starts + 1))
	while read -r _ name data _; do
		mkdir -p "$counts/$starts"
		base64 -d <<<"$data" >"$counts/$starts/$name"
	done < <(grep '^gcda .* end$' "$tmp/output" || :)
	if [[ -s $tmp/hung ]]; then
		status=124
	fi
	if ((attempts == 1)); then
		break
	elif ((status == 139 || status == 134)); then
		echo "# again: QEMU died of signal $((status - 128)), attempt $attempt of $attempts"
	elif [[ -s $tmp/lost ]]; then
		echo "# again: QEMU lost $(head -1 "$tmp/lost"), attempt $attempt of $attempts"
	else
		break
	fi
	! grep -E "$splats" "$log" | grep -qvE "$stalls" ||
		show "the kernel in the VM complained before that" "$splats"
	begun=$(grep -c '^# program ' "$tmp/output" || :)
	((begun < 2)) || done=$((done + begun - 1)) attempt=0
done

if ((status == 124 || status == 137)); then
	[[ -s $tmp/hung ]] || echo "no end of the job within $((4 * patience)) s" >"$tmp/hung"
	show "the VM hung: $(<"$tmp/hung")" "$splats|Kernel panic"
fi
job_status=$(sed -n 's/^end of job: status //p' "$tmp/output")
if [[ ! $job_status ]]; then
	grep -q 'Kernel panic' "$log" &&
		show "the kernel in the VM panicked" 'Kernel panic'
	show "the VM ended before the job did (QEMU: $status)" \
		"$splats"
fi
grep -qE "$splats" "$log" &&
	show "the kernel in the VM complained" "$splats"
exit "$job_status"

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# MACHINE=bench for vm.sh: BARs of each size that cost QEMU no memory, and a clock
# that counts instructions. Every figure is the same on every machine that way, and
# whatever else that machine does. One CPU, as the instructions of a second one
# would be time to the first.

[[ ${ACCEL:-tcg} == tcg ]] ||
	die "MACHINE=bench counts instructions, which takes emulation: leave ACCEL out"

cpus=1 cpu+=,pku=off
machine=(
	-icount shift=0,sleep=off -rtc clock=vm,base=2026-01-01 -seed 1
	-global q35-pcihost.pci-hole64-size=512G
)
# A BAR of registers is 4 KiB and there without asking
devices=(-device pci-testdev,bus=pcie.0,addr=8)
slot=8
for size in 64K 2M 16M 256M 2G 16G 64G 32G; do
	slot=$((slot + 1))
	devices+=(-device "pci-testdev,membar=$size,bus=pcie.0,addr=$(printf %x $slot)")
done

# SPDX-License-Identifier: GPL-2.0-only
#
# The devices of the VM that scripts/vm.sh starts, for the jobs in it.
# shellcheck shell=sh disable=SC2034

ram=0000:00:04.0	# a BAR of memory
ram2=0000:00:05.0	# another
nvme=0000:01:00.0	# FLR and power management
twin=0000:02:00.0	# two functions behind one port
twin2=0000:02:00.1
pf=0000:03:00.0		# a physical function that can have virtual ones
plugged=0000:04:00.0	# registers, in a slot for hot-plug
huge=0000:00:0a.0	# a BAR of 2 GiB, of nothing
vast=0000:00:0b.0	# a BAR of 8 GiB of memory, for who touches little of it
lossy=0000:05:00.0	# FLR, and no other reset: there is another function
lossy2=0000:05:00.1
bridge=0000:00:0d.0	# a bridge that can be reset
behind=0000:06:01.0	# a BAR of memory behind it
card=0000:07:00.0	# an I/O BAR, and a ROM
deep=0000:0a:00.0	# FLR, behind a switch, in a slot for hot-plug
vga=0000:00:0f.0	# two that decode the addresses of VGA
vga2=0000:00:10.0

# With MACHINE=bench instead:
bars="0000:00:08.0 0000:00:09.0 0000:00:0a.0 0000:00:0b.0 0000:00:0c.0
	0000:00:0d.0 0000:00:0e.0 0000:00:0f.0"	# from 4 KiB to 64 GiB
many_vmas=0000:00:0c.0	# 256 MiB
guest_bars="4096=0000:00:08.0 2147483648=0000:00:0d.0 34359738368=0000:00:10.0
	68719476736=0000:00:0f.0"	# for a guest

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# leaks.sh BASE [short]: in every way in which a device stops answering, count the
# stray accesses, those to its BAR that completed although it did not answer: on each
# variant, in scripts/jobs/leaks. Prints a table and what is wrong with it, then 'N
# passed, N failed, N skipped', one for each way. Without 'short', one more is for
# enough events and accesses.

. "$(dirname "$0")/lib.sh"

base=$1 form=${2:-full}
check_base "$base"
[[ $form == full || $form == short ]] || die "form is '$form': use short or leave it out"
out=$build/$base/leaks
job=$top/scripts/jobs/leaks

mkdir -p "$build/$base"
: >"$out"
"$top/scripts/kernel.sh" "$base" series ''
for variant in eager upstream series; do
	"$top/scripts/kernel.sh" "$base" "$variant" ''
	say "counting stray accesses on $variant"
	status=0
	APPEND=leaks=$form "$top/scripts/vm.sh" "$build/$base/$variant" 300 "$job" \
		"$build/$base/selftests/vfio/pci_mmap=/selftests" |
		sed -u "s/^/$variant: /" | tee -a "$out" >&2 || status=$?
	echo "$variant: status $status" >>"$out"
done

# The ways, in order, are those of the job
sed -n 's/^\(.* || \)\?way [0-9]* [0-9]* \([a-z0-9_]*\) .*/\2/p' "$job" |
awk -v form="$form" -v base="$base" '
	function failed(name, why) {
		n["failed"]++
		list = list sprintf("failed %s: %s\n", name, why)
	}
	function check(way,   why) {
		if (!((way, "series") in stray) || !((way, "eager") in stray) ||
		    !((way, "upstream") in stray))
			why = "no figure from one of the kernels: see above"
		else if (stray[way, "series"] && !(way in unknown))
			why = stray[way, "series"] " stray accesses on series"
		else if (!stray[way, "eager"] && !(way in answers) &&
			 ((way in refuses) || !failed_on[way, "eager"]))
			why = "no stray access on eager, so none could be seen"
		else if (!(way in refuses) && failed_on[way, "series"])
			why = failed_on[way, "series"] " accesses failed on series"
		else if (!(way in loses) && ones[way])
			why = ones[way] " accesses got ones on series, as from a lost device"
		else if (loses[way] && !ones[way])
			why = "no access got ones on series, so the device was not lost"
		else if (by_hand[way])
			why = "the driver did not restore the device " by_hand[way] " times"
		if (why)
			failed(way, why)
		else
			n["passed"]++
	}
	function figure(way, variant) {
		return (way, variant) in stray ? stray[way, variant] : "none"
	}
	BEGIN {
		# Nobody tells the driver, as the documentation says
		unknown["setpci"] = unknown["vga_arbiter"]
		# The device answers until user space has closed it, or always
		answers["aer_nonfatal"]
		answers["unplug"] = answers["sriov_disable"]
		# User space has turned it off: accesses fail. Otherwise they wait.
		refuses["command8"] = refuses["command16"] = refuses["command32"]
		refuses["d3hot"] = refuses["low_power"]
		# The device is lost for a while: accesses get ones. If 0, they need not.
		loses["aer_fatal"] = loses["aer_failed"] = 1
		loses["surprise"] = loses["flr_no_return"] = 1
		loses["driver_flr_pf"] = 0
		# Linux 6.12 resets nothing for an error that is not fatal
		if (base == "6.12")
			answers["aer_sibling"]
		else
			loses["aer_sibling"] = 0
	}
	FNR == NR { ways[++n_ways] = $1; next }
	$2 == "stray_access" {
		variant = substr($1, 1, length($1) - 1)
		stray[$3, variant] = $9
		failed_on[$3, variant] = $11 + $13
		if (variant == "series") {
			events[$3] = $5
			accesses[$3] = $7
			before += $15
			ones[$3] = $17 + $19
			by_hand[$3] = $21
			all_events += $5
			all_accesses += $7
		} else if (variant == "upstream" && $9)
			upstream = upstream " " $3
	}
	$2 == "status" && $3 { failed("the VM", $1 " status " $3) }
	END {
		printf "%-17s %7s %11s %10s %10s %7s %9s\n", "stray", "events",
		       "accesses", "eager", "upstream", "series", "ones"
		for (i = 1; i <= n_ways; i++) {
			way = ways[i]
			printf "%-17s %7d %11d %10s %10s %7s %9d\n", way,
			       events[way], accesses[way], figure(way, "eager"),
			       figure(way, "upstream"), figure(way, "series"),
			       ones[way]
			check(way)
		}
		printf "%-17s %7d %11d\n", "all", all_events, all_accesses
		print "af_flr: no device of QEMU has the capability; pci_gaps.ko shows one"
		print "pf_reset, driver_flr_pf: VF Enable is cleared by pci_gaps.ko, as " \
		      "QEMU does not"
		print "flr_no_return: pci_gaps.ko has configuration space read as ones"
		print "ones: what a page of ones answered for a lost device on series"
		print "sysfs_reset_rom: what goes astray is how the PCI core looks for the " \
		      "size of the ROM; " failed_on["sysfs_reset_rom", "upstream"] + 0 \
		      " accesses failed of that on upstream"
		print "setpci, vga_arbiter: nobody tells the driver"
		print "surprise: counts from when the driver has told user space; " \
		      before + 0 " accesses before that on series"
		print "rows where upstream lets accesses through:" (upstream ? upstream : " none")

		if (form == "full" && all_events >= 200 && all_accesses >= 10000000)
			n["passed"]++
		else if (form == "full")
			failed("all", all_events " events and " all_accesses \
			       " accesses, not 200 and 10000000")
		printf "%s%d passed, %d failed, 0 skipped\n", list,
		       n["passed"], n["failed"]
		exit n["failed"] > 0
	}' - "$out"

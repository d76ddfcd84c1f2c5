#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh BASE: what it costs to map a BAR, on each variant, in
# scripts/jobs/bench. Leaves in build/BASE/bench all figures as bench.csv, the cost
# against the size of the BAR as bench.svg, and what a text has room for as
# bench.txt. Prints all figures, then whether they keep to their bounds.
#
# Time is counted in instructions, 1 ns each: see scripts/machine-bench.sh.

. "$(dirname "$0")/lib.sh"

base=$1
check_base "$base"
need gnuplot "${to_boot[@]}"
out=$build/$base/bench
mkdir -p "$out"
rm -f "$out"/*

# What is measured, as the rows of the table say it
declare -A titles=(
	[first_use]="mmap() and touch all"
	[faults]="page faults"
	[touch]="touching"
	[warm]="touching again"
	[touch_ratio]="every page, first / again"
	[page_tables]="page tables"
	[zap]="decode off"
	[refault_faults]="page faults, on again"
	[refault_touch]="touching, on again"
	[refault_step]="all processes, on again"
	[dma_map]="DMA map, touched"
	[dma_unmap]="DMA unmap"
	[shifted_dma_map]="DMA map, off by a page"
	[shifted_dma_unmap]="DMA unmap, off by a page"
	[untouched_dma_map]="DMA map, untouched"
	[untouched_dma_unmap]="DMA unmap, untouched"
	[dma_mapped_faults]="page faults after that"
	[dma_mapped_touch]="touching after that"
	[map_populate_use]="MAP_POPULATE and touch all"
	[map_populate]="mmap(MAP_POPULATE)"
	[map_populate_faults]="page faults after that"
	[map_populate_touch]="touching after that"
	[sparse_faults]="page faults, 16 pages"
	[sparse_touch]="touching 16 pages"
	[sparse_page_tables]="page tables, 16 pages"
	[sparse_zap]="decode off, 16 pages"
	[toggle]="decode off and on, untouched"
	[mmap_bar]="mmap() and munmap()"
	[mmap_window]="the same of 64 KiB"
	[worst_zap]="worst decode off"
	[life]="QEMU's start to power-off"
)

# table [WHAT,HOW,SIZE...]: print figures of bench.csv, all or just these
table() {
	local what

	{
		for what in "${!titles[@]}"; do
			echo "title,$what,${titles[$what]}"
		done
		cat "$out/bench.csv"
	} |
	awk -F, -v wanted="$(IFS=';'; echo "$*")" '
		function scaled(value, units,   unit, n, i) {
			n = split(units, unit, " ")
			for (i = 1; i < n && value >= step[units]; i++)
				value /= step[units]
			return sprintf(value == int(value) || value >= 100 ? \
				       "%.0f %s" : value >= 10 ? "%.1f %s" : \
				       "%.2f %s", value, unit[i])
		}
		function shown(value, unit) {
			if (value == "")
				return "-"
			if (unit == "ns")
				return scaled(value, times)
			if (unit == "bytes")
				return scaled(value, sizes)
			return value
		}
		function ratio(value, other) {
			return value == "" || other == "" || !other ? "-" : \
			       sprintf("%.3g", value / other)
		}
		BEGIN {
			step[times = "ns us ms s"] = 1000
			format = "%-30s %9s %9s %9s %9s %9s\n"
			step[sizes = "B KiB MiB GiB"] = 1024
			n = split(wanted, rows, ";")
		}
		$1 == "title" { title[$2] = $3 ($4 ? "," $4 : "") }
		$2 ~ /^[0-9]+$/ && $4 != "stride" {
			row = $4 "," $3 "," $2
			if (!wanted && !(row in unit))
				rows[++n] = row
			unit[row] = $6
			value[$1, row] = $5
		}
		END {
			for (i = 1; i <= n; i++) {
				split(row = rows[i], key, ",")
				head = (key[3] ? scaled(key[3], sizes) : "no BAR") ", " key[2]
				if (head != last)
					printf format, head, "eager", "upstream",
					       "series", "/upstream", "/eager"
				last = head
				e = value["eager", row]
				u = value["upstream", row]
				s = value["series", row]
				printf format, "  " title[key[1]],
				       shown(e, unit[row]), shown(u, unit[row]),
				       shown(s, unit[row]), ratio(s, u), ratio(s, e)
			}
		}'
}

# Addresses that are drawn at random would make figures differ from run to run
measure() { # VARIANT
	local status=0

	MACHINE=bench APPEND=norandmaps "$top/scripts/vm.sh" "$build/$base/$1" 2400 \
		"$top/scripts/jobs/bench" \
		"$build/$base/selftests/vfio/pci_mmap=/selftests" \
		"$guest/vmlinuz=/guest/vmlinuz" "$out/initramfs=/guest/initramfs" \
		"${inside[@]}" \
		>"$out/$1.log" || status=$?
	((!status)) || echo "failed measuring on $1: status $status" | tee -a "$out/$1.log"
}

for variant in $variants; do
	"$top/scripts/kernel.sh" "$base" "$variant" ''
done

mapfile -t inside < <(qemu_inside)
guest=$build/$base/guest
guest_kernel "$base"
"$top/scripts/initramfs.sh" "$base" "$out/initramfs" "$top/$selftest/qemu/life-init.sh"

# Together: instructions are not counted faster on an idle machine
say "measuring on each of $variants: takes some minutes"
for variant in $variants; do
	measure "$variant" &
done
wait
grep -hvE '^(csv|failed) ' "$out"/*.log || :

{
	echo "# SPDX-License-Identifier: GPL-2.0-only"
	echo "variant,size,placement,what,value,unit"
	for variant in $variants; do
		sed -n "s/^csv /$variant,/p" "$out/$variant.log"
	done
} >"$out/bench.csv"

G=$((1 << 30))
{
	echo "SPDX-License-Identifier: GPL-2.0-only"
	echo
	table {first_use,faults,page_tables,map_populate_use,map_populate_faults,dma_map,dma_unmap,shifted_dma_unmap,zap,toggle,mmap_bar,mmap_window},plain,$((2 * G)) \
		{first_use,faults,page_tables,map_populate_use,map_populate_faults,dma_map,untouched_dma_map,dma_mapped_faults,zap,sparse_zap,sparse_page_tables},misaligned,$((2 * G)) \
		{first_use,faults,touch_ratio,page_tables,map_populate_use,map_populate_faults,dma_map,dma_unmap,zap,mmap_bar},plain,$((64 * G)) \
		{zap,worst_zap,refault_touch},"1000 VMAs",65536 \
		life,guest,{0,4096,$((2 * G)),$((32 * G)),$((64 * G))}
	if gnuplot -e "dir='$out'" "$top/scripts/bench.gp"; then
		cat "$out/chart.txt"
		sed -i '1a <!-- SPDX-License-Identifier: GPL-2.0-only -->' "$out/bench.svg"
	fi
} >"$out/bench.txt"

table

awk -F, '
	BEGIN { CONVFMT = "%.0f" } # so that sizes match those in the file
	function bound(name, figure, limit) {
		good = figure != "" && figure <= limit
		n[good]++
		printf "%s %s: %s%s\n", good ? "passed" : "failed", name,
		       figure == "" ? "no figure" : sprintf("%.6g", figure),
		       good ? "" : sprintf(", wanted at most %.6g", limit)
	}
	function ratio(figure, other) {
		return figure == "" || !other ? "" : figure / other
	}
	function series(what, how, size) {
		return value["series", what, how, size]
	}
	# Cost on series, upstream being 1
	function relative(what, how, size) {
		return ratio(series(what, how, size),
			     value["upstream", what, how, size])
	}
	# Growth from 100 to 1,000 VMAs
	function growth(what) {
		return ratio(series(what, "1000 VMAs", window),
			     series(what, "100 VMAs", window))
	}
	/^failed / {
		print
		n[0]++
	}
	{ value[$1, $4, $3, $2] = $5 }
	END {
		window = 65536
		gib = 1024 * 1024 * 1024
		split("2 16 64", sizes, " ")
		for (i = 1; i <= 3; i++) {
			size = sizes[i] * gib
			name = sizes[i] " GiB, plain: "
			bound(name "page faults",
			      series("faults", "plain", size), sizes[i])
			bound(name "page faults, on again",
			      series("refault_faults", "plain", size), sizes[i])
			bound(name "touching every page, again being 1",
			      series("touch_ratio", "plain", size), 1.02)
			bound(name "page faults after mmap(MAP_POPULATE)",
			      series("map_populate_faults", "plain", size), 0)
		}

		size = 2 * gib
		name = "2 GiB, misaligned: "
		# Off by one page, it lies in one page table more than 1,024
		bound(name "page faults",
		      series("faults", "misaligned", size), 1025)
		bound(name "page faults, on again",
		      series("refault_faults", "misaligned", size), 1025)
		bound(name "page faults after mmap(MAP_POPULATE)",
		      series("map_populate_faults", "misaligned", size), 0)
		bound(name "page faults after a DMA map",
		      series("dma_mapped_faults", "misaligned", size), 0)
		bound(name "touching, upstream being 1",
		      relative("touch", "misaligned", size), 1 / 20)
		bound(name "DMA map, upstream being 1",
		      relative("dma_map", "misaligned", size), 1 / 5)
		bound(name "DMA map, untouched, upstream being 1",
		      relative("untouched_dma_map", "misaligned", size), 1 / 5)
		# A fault fills a page table, and the zap has to empty it
		bound(name "16 pages: decode off, upstream being 1",
		      relative("sparse_zap", "misaligned", size), 2)
		bound(name "16 pages: page tables, upstream being 1",
		      relative("sparse_page_tables", "misaligned", size), 1)

		name = "2 GiB, plain: "
		bound(name "page faults after a DMA map",
		      series("dma_mapped_faults", "plain", size), 0)
		bound(name "DMA map, upstream being 1",
		      relative("dma_map", "plain", size), 1 / 500)
		bound(name "DMA unmap, upstream being 1",
		      relative("dma_unmap", "plain", size), 1 / 500)
		bound(name "DMA unmap, IOVA off by a page, upstream being 1",
		      relative("shifted_dma_unmap", "plain", size), 1 / 10)
		bound("64 GiB, plain: DMA map, 2 GiB being 1",
		      ratio(series("dma_map", "plain", 64 * gib),
			    series("dma_map", "plain", size)), 40)
		bound("64 GiB, plain: DMA unmap, 2 GiB being 1",
		      ratio(series("dma_unmap", "plain", 64 * gib),
			    series("dma_unmap", "plain", size)), 40)
		bound("256 MiB, plain: DMA map, upstream being 1",
		      relative("dma_map", "plain", gib / 4), 1 / 100)

		# What a BAR costs its guest, beside another device of the same kind
		split("2 32 64", guest_sizes, " ")
		for (i = 1; i <= 3; i++) {
			bound(guest_sizes[i] " GiB, in a guest: its life, 4 KiB being 1",
			      ratio(series("life", "guest", guest_sizes[i] * gib),
				    series("life", "guest", 4096)), 1.15)
		}

		bound(name "mmap() and munmap(), upstream being 1",
		      relative("mmap_bar", "plain", size), 1.3)
		bound(name "mmap() and munmap() of 64 KiB, upstream being 1",
		      relative("mmap_window", "plain", size), 1.3)
		bound(name "decode off and on unused, upstream being 1",
		      relative("toggle", "plain", size), 1)
		# Both zap two leaves. The series keeps a bit for each BAR as well, and
		# what is written to COMMAND, for a recovery: some 100 of 4,000
		# instructions. No user notices.
		bound(name "decode off, upstream aligned being 1",
		      ratio(series("zap", "plain", size),
			    value["upstream", "zap", "aligned", size]), 1.05)

		# Linear, with some room for caches that 1,000 do not fit
		name = "1,000 VMAs: "
		bound(name "decode off, 100 VMAs being 1", growth("zap"), 12)
		bound(name "refault, 100 VMAs being 1", growth("refault_touch"), 12)

		printf "%d passed, %d failed, 0 skipped\n", n[1], n[0]
		exit n[0] > 0
	}' "$out"/*.log "$out/bench.csv"

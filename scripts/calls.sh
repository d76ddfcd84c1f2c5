#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# calls.sh BASE: from the objects of the last build of the series, print which of its
# files in drivers/vfio/pci/ calls which, callers first. Fails if that is a ring.

. "$(dirname "$0")/lib.sh"

base=$1
check_base "$base"
cd "$build/$base/obj/drivers/vfio/pci" 2>/dev/null ||
	die "no objects of the series: run 'make kernel' first"

calls=$(nm -A vfio_pci_{mmap*,quiesce,disabled_bar}.o | awk '
	{ sub(/\.o:.*/, "", $1) }
	$(NF - 1) ~ /^[TDBR]$/ { owner[$NF] = $1 }
	$(NF - 1) == "U" { uses[$1, $NF] }
	END {
		for (key in uses) {
			split(key, use, SUBSEP)
			if (use[2] in owner)
				print use[1], owner[use[2]]
		}
	}' | sort -u)
order=$(tsort <<<"$calls" 2>&1) ||
	die "a ring of calls: $(sed -n 's/^tsort: \(vfio\)/\1/p' <<<"$order" | tr '\n' ' ')"
while read -r file; do
	echo "$file.c:$(awk -v file="$file" '$1 == file { printf " %s", $2 }' <<<"$calls")"
done <<<"$order"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.sh BASE: after a run of the debug kernel, print how many lines and
# branches of each file of the series it came by, and each line that it did not,
# with the reason that the file 'coverage_exempt' of the self-tests gives for it. Fails
# below 95 % of lines, and where there is no reason, or one for a line that is not
# there. Ends with 'N passed, N failed, N skipped'.

. "$(dirname "$0")/lib.sh"

base=$1
out=$build/$base/series-debug
obj=$build/$base/obj-debug/drivers/vfio/pci
reasons=$top/$selftest/coverage_exempt
compgen -G "$out/gcda/*/*.gcda" >/dev/null ||
	die "no counts in $out/gcda: run 'make test DEBUG=1' first"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
for data in "$out"/gcda/*/*.gcda; do
	name=$(basename "$data" .gcda)
	start=$tmp/$(basename "$(dirname "$data")")
	mkdir -p "$start"
	cp "$data" "$obj/$name.gcno" "$start"
	(cd "$start" && gcov -b "$name.gcda") >>"$tmp/log" 2>&1 ||
		die "gcov cannot read $data: was the kernel rebuilt since? See 'make test DEBUG=1'"
done

# Lines of a header are those of every file that includes it, and any start of the VM counts
awk -v reasons="$reasons" '
	BEGIN {
		while ((getline line < reasons) > 0) {
			if (line ~ /^#/ || !line)
				continue
			split(line, part, "\t")
			why[part[1] "\t" part[2]] = part[3]
		}
	}
	FNR == 1 { skip = FILENAME !~ /vfio_pci_(mmap[a-z_]*|quiesce|disabled_bar)\.[ch]\.gcov$/
		   file = FILENAME
		   sub(/.*\//, "", file)
		   sub(/\.gcov$/, "", file)
		   file = substr(file, match(file, /vfio_pci_(mmap[a-z_]*|quiesce|disabled_bar)\.[ch]$/)) }
	skip { next }
	/^branch/ {
		ways[key ":" $2]
		gone[key ":" $2] += $0 !~ /never executed| taken 0%/
		next
	}
	!/^ *(-|#####|=====|[0-9]+\*?):/ { next }
	{
		match($0, /^[^:]*:[^:]*:/)
		number = substr($0, 1, RLENGTH)
		text = substr($0, RLENGTH + 1)
		gsub(/^[\t ]+|[\t ]+$/, "", text)
		there[file "\t" text]
		if (number ~ /^ *-/)
			next
		run = number !~ /#####|=====/
		sub(/^[^:]*: */, "", number)
		sub(/:$/, "", number)
		key = file ":" number
		texts[key] = text
		files[file]
		seen[key] += run
	}
	END {
		for (key in ways) {
			split(key, part, ":")
			branches[part[1]]++
			taken[part[1]] += gone[key] > 0
		}
		for (key in seen) {
			split(key, part, ":")
			lines[part[1]]++
			hit[part[1]] += seen[key] > 0
			id = part[1] "\t" texts[key]
			if (seen[key])
				continue
			if (id in why)
				missed[n_missed++] = key ": " texts[key] \
					"  <-- " why[id]
			else
				without[n_without++] = key ": " texts[key]
		}
		printf "%-28s %12s %14s\n", "file", "lines", "branches"
		for (file in files) {
			printf "%-28s %5d of %3d %6d of %4d\n", file, hit[file], \
				lines[file], taken[file], branches[file] | "sort"
			all += lines[file]
			run_all += hit[file]
			all_branches += branches[file]
			taken_all += taken[file]
		}
		close("sort")
		printf "%-28s %5d of %3d %6d of %4d\n", "all", run_all, all, \
			taken_all, all_branches
		for (i = 0; i < n_missed; i++)
			print missed[i] | "sort -t: -k1,1 -k2,2n"
		close("sort -t: -k1,1 -k2,2n")
		for (id in why)
			if (!(id in there)) {
				split(id, part, "\t")
				printf "failed a reason for a line that is not there: %s: %s\n", \
					part[1], part[2]
				stale++
			}
		for (i = 0; i < n_without; i++)
			print "failed no test comes by, and no reason: " without[i]
		percent = all ? 100 * run_all / all : 0
		printf "%.1f %% of lines, %.1f %% of branches\n", percent, \
			all_branches ? 100 * taken_all / all_branches : 0
		if (percent < 95)
			print "failed less than 95 % of lines"
		bad = (percent < 95) + (n_without > 0) + (stale > 0)
		printf "%d passed, %d failed, 0 skipped\n", 3 - bad, bad
		exit bad > 0
	}' "$tmp"/*/*.gcov

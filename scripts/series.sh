#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# series.sh BASE: write the series to build/BASE/patches, numbered and with a cover
# letter, as git am takes it. What it has in series/BASE/parts are series to be sent one
# by one, each for its own maintainers: they go to build/BASE/parts/NAME.

. "$(dirname "$0")/lib.sh"

base=$1
check_base "$base"
need git perl
"$top/scripts/source.sh" "$base"
src=$build/$base/src

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# mails OUT COVER FROM TO [OPTION...]: write the commits FROM..TO to OUT, with a cover
# letter: the first line of COVER is its subject, its text follows the first empty line
mails() {
	local out=$1 cover=$2 from=$3 to=$4
	shift 4

	rm -rf "$tmp/mails" "$out"
	# The cover letter is by the author of the patches
	GIT_COMMITTER_NAME=$(git -C "$src" log -1 --format=%an "$to") \
	GIT_COMMITTER_EMAIL=$(git -C "$src" log -1 --format=%ae "$to") \
		git -C "$src" format-patch -q --cover-letter --no-signature --base=base \
		"$@" -o "$tmp/mails" "$from..$to"
	awk -v cover="$cover" '
		BEGIN {
			getline subject <cover
			while ((getline line <cover) > 0 && line != "") ;
			while ((getline line <cover) > 0)
				text = text line "\n"
		}
		{ sub(/\*\*\* SUBJECT HERE \*\*\*/, subject) }
		/\*\*\* BLURB HERE \*\*\*/ { printf "%s", text; next }
		{ print }' "$tmp/mails/0000-cover-letter.patch" >"$tmp/cover"
	mv "$tmp/cover" "$tmp/mails/0000-cover-letter.patch"
	mkdir -p "${out%/*}"
	mv "$tmp/mails" "$out"
	say "$(find "$out" -name '*.patch' | wc -l) mails in ${out#"$top"/}"
}

mapfile -t patches < <(patches_of "$base" series)
mails "$build/$base/patches" "$top/series/$base/cover-letter" base \
	"$("$top/scripts/compose.sh" "$src" base "${patches[@]}")"

rm -rf "$build/$base/parts"
for part in $(parts_of "$base"); do
	mapfile -t before < <(patches_before "$base" "$part")
	mapfile -t patches < <(patches_of_part "$base" "$part")
	from=$("$top/scripts/compose.sh" "$src" base "${before[@]}")
	to=$("$top/scripts/compose.sh" "$src" "$from" "${patches[@]}")
	mapfile -t recipients < <(cd "$src" && perl scripts/get_maintainer.pl --no-git \
		--no-git-fallback --no-fixes --no-rolestats "${patches[@]}" | sed 's/^/--cc=/')
	mails "$build/$base/parts/$part" "$top/series/$base/parts/$part" \
		"$from" "$to" "${recipients[@]}"
done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# series.sh BASE: write the series to build/BASE/patches, numbered and with a
# cover letter, as git am takes it.

. "$(dirname "$0")/lib.sh"

base=$1
check_base "$base"
"$top/scripts/source.sh" "$base"
src=$build/$base/src
out=$build/$base/patches
cover=$top/series/$base/cover-letter

tip=$("$top/scripts/compose.sh" "$src" base "$top/series/$base"/0*.patch)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# The cover letter is by the author of the patches
GIT_COMMITTER_NAME=$(git -C "$src" log -1 --format=%an "$tip") \
GIT_COMMITTER_EMAIL=$(git -C "$src" log -1 --format=%ae "$tip") \
	git -C "$src" format-patch -q --cover-letter --no-signature --base=base \
	-o "$tmp" "base..$tip"
awk -v cover="$cover" '
	BEGIN {
		getline subject <cover
		getline line <cover
		while ((getline line <cover) > 0)
			text = text line "\n"
	}
	{ sub(/\*\*\* SUBJECT HERE \*\*\*/, subject) }
	/\*\*\* BLURB HERE \*\*\*/ { printf "%s", text; next }
	{ print }' "$tmp/0000-cover-letter.patch" >"$tmp/cover"
mv "$tmp/cover" "$tmp/0000-cover-letter.patch"

rm -rf "$out"
mkdir -p "$out"
mv "$tmp"/*.patch "$out"
say "$(find "$out" -name '*.patch' | wc -l) mails in ${out#"$top"/}"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# apply.sh TREE: put the series for TREE's version on it. A git tree gets
# commits, any other tree gets files. What does not fit is refused before TREE
# is touched.

. "$(dirname "$0")/lib.sh"

tree=${1-}
[[ $tree ]] || die "which tree? Use: make apply TREE=/path/to/linux"
check_tree "$tree"
tree=$(cd "$tree" && pwd)
[[ -w $tree ]] || die "$tree is not writable: use a tree of your own"
need git
patches=("$top/series/$(tree_version "$tree")"/0*.patch)

if is_git "$tree"; then
	tip=$("$top/scripts/compose.sh" "$tree" HEAD "${patches[@]}")
	git -C "$tree" merge -q --ff-only "$tip"
	say "$(git -C "$tree" rev-parse --abbrev-ref HEAD) of $tree has ${#patches[@]} new commits"
	exit
fi

# A repository of just the files that the series edits
tmp=$(mktemp -d)
trap 'rm -rf "$tmp" "$tree/.vfio-pci-mmap"' EXIT
git -C "$tmp" init -q
{ echo MAINTAINERS; sed -n 's|^--- a/||p' "${patches[@]}"; } | sort -u |
	while read -r file; do
		[[ -f $tree/$file ]] || die "$tree has no $file; nothing was changed"
		mkdir -p "$tmp/$(dirname "$file")"
		cp "$tree/$file" "$tmp/$file"
	done
git -C "$tmp" add -A -f
git -C "$tmp" -c user.name=base -c user.email= commit -q -m base
tip=$("$top/scripts/compose.sh" "$tmp" HEAD "${patches[@]}")

mkdir "$tree/.vfio-pci-mmap"
git -C "$tmp" archive "$tip" | tar -C "$tree/.vfio-pci-mmap" -x
count=0
while read -r file; do
	mkdir -p "$tree/$(dirname "$file")"
	mv "$tree/.vfio-pci-mmap/$file" "$tree/$file"
	count=$((count + 1))
done < <(git -C "$tmp" diff --name-only HEAD "$tip")
say "$count files of $tree are new or changed"

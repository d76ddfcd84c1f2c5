#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# series.sh BASE [DEBUG]: checkpatch.pl has nothing to say of the patches, they go onto
# the pristine base with git am, and drivers/vfio/ and each file of theirs compile after
# each of them without a warning that the base does not give, as the kernel for DEBUG has it.

. "$(dirname "$0")/lib.sh"

base=$1 debug=${2-}
src=$build/$base/src
obj=$build/$base/obj$(kind_suffix "$debug")
export GIT_COMMITTER_NAME=check GIT_COMMITTER_EMAIL=check@localhost

"$top/scripts/kernel.sh" "$base" series "$debug"
in_turn "$src"
"$top/scripts/series.sh" "$base" 2>/dev/null

# A copy with the whole tree in its index and nothing but our files on disk
git clone -q --shared --no-checkout "$src" "$tmp/linux"
cd "$tmp/linux"
git sparse-checkout set --no-cone 2>/dev/null
git checkout -q --detach base

mails=("$build/$base/patches"/*.patch)
mails=("${mails[@]:1}")
silent "checkpatch --strict on ${#mails[@]} patches" checkpatch "$src" "${mails[@]}"
if git am -q "${mails[@]}" >"$tmp/am" 2>&1; then
	ok "git am takes ${#mails[@]} patches"
else
	cat "$tmp/am"
	not_ok "git am takes ${#mails[@]} patches" "see above"
	verdict
fi

tip=$("$top/scripts/compose.sh" "$src" base "$top/series/$base"/0*.patch)
if [[ $(git rev-parse 'HEAD^{tree}') == $(git -C "$src" rev-parse "$tip^{tree}") ]]; then
	ok "git am gives the tree that the tests run on"
else
	not_ok "git am gives the tree that the tests run on" "the trees differ"
fi

# Of what any of the patches touches, what this kernel has
mapfile -t objects < <(cd "$obj" && git -C "$src" diff --name-only "base..$tip" |
	sed -n 's/\.c$/.o/p' | xargs ls -d 2>/dev/null)

builds() { # COMMIT
	local there

	git -C "$src" checkout -q --force --detach "$1"
	mapfile -t there < <(cd "$src" && ls -d "${objects[@]/%.o/.c}" 2>/dev/null)
	make -s -C "$src" O="$obj" -j"$(($(nproc) + 1))" W=1 CC="ccache gcc" \
		drivers/vfio/ "${there[@]/%.c/.o}" 2>&1 |
		sed 's/:[0-9]*:/:/' | awk -v known="$tmp/known" '
			BEGIN { while ((getline line < known) > 0) is_known[line] }
			!($0 in is_known)'
}

: >"$tmp/known"
builds base >"$tmp/base"
mv "$tmp/base" "$tmp/known"

for commit in $(git -C "$src" rev-list --reverse "base..$tip"); do
	silent "what it touches compiles with W=1 after: $(git -C "$src" \
		log -1 --format=%s "$commit")" builds "$commit"
done

# With every driver that builds on the core, as modules
all_modules() {
	make -s -C "$src" O="$tmp/all" allmodconfig
	make -s -C "$src" O="$tmp/all" -j"$(($(nproc) + 1))" W=1 CC="ccache gcc" drivers/vfio/
}
silent "drivers/vfio/ compiles with W=1 in allmodconfig" all_modules
verdict

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# errors.sh BASE: whatever can be wrong is said in one line, and nothing is
# half-done.

. "$(dirname "$0")/lib.sh"

base=$1
src=$build/$base/src
"$top/scripts/source.sh" "$base"
chmod 755 "$tmp"
cd "$top"

make_() { make -s --no-print-directory BASE="$base" "$@"; }

# Something is missing, and we may not install it
needs="$(declare -f die has is_debian need); $(declare -p package_of)"
as_nobody=()
((EUID)) || as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
refuses "missing program and header, not root" \
	'missing no_such_program \[no_such_program\], no/such.h \[no/such.h\]: ' \
	"${as_nobody[@]}" bash -c "$needs; need gcc no_such_program no/such.h libelf.h"
refuses "missing programs, no Debian" \
	'missing qemu-system-x86_64 \[qemu-system-x86\], flex \[flex\]: ' \
	env "PATH=$tmp" "$BASH" -c "$needs; need qemu-system-x86_64 flex"

refuses "base that Debian has no more" 'linux-source-9\.9.* KSRC=' \
	bash -c ". scripts/lib.sh; fetch trixie linux-source-9.9 '$tmp/unpacked'"
refuses "unknown BASE" "unknown BASE '5.10'" make_ kernel BASE=5.10
refuses "unknown BASE of the series" "unknown BASE '5.10'" make_ series BASE=5.10
refuses "unknown VARIANT" "unknown VARIANT 'lazy'" make_ kernel VARIANT=lazy
refuses "unknown DEBUG" "DEBUG or ARCH is 'maybe'" make_ kernel DEBUG=maybe
refuses "ONLY that is no test" "ONLY is 'show;ls'" make_ test ONLY='show;ls'
refuses "no TREE" "which tree" make_ apply
refuses "TREE that is not there" "no such folder" make_ apply TREE="$tmp/none"
refuses "TREE that is no kernel" "not a Linux kernel tree" make_ apply TREE="$tmp"
refuses "KSRC that is no kernel" "not a Linux kernel tree" make_ kernel KSRC="$tmp"

# Small trees: just the files that matter to the series
mkdir "$tmp/plain"
mapfile -t touched < <(sed -n 's|^--- a/||p' "$top/series/$base"/0*.patch |
	sort -u)
git -C "$src" archive base Makefile MAINTAINERS "${touched[@]}" |
	tar -C "$tmp/plain" -x
cp -a "$tmp/plain" "$tmp/git"
git=(git -C "$tmp/git" -c user.name=check -c user.email=check@localhost)
"${git[@]}" init -q
"${git[@]}" add -A
"${git[@]}" commit -q -m pristine

digest() { (cd "$1" && find . -path ./.git -prune -o -type f -print0 | sort -z |
	xargs -0 sha256sum; git rev-parse HEAD 2>/dev/null || :); }

# refuses_tree NAME PATTERN TREE: make apply fails and leaves the tree alone
refuses_tree() {
	local before

	before=$(digest "$3")
	refuses "$1" "$2" make_ apply TREE="$3"
	if [[ $(digest "$3") == "$before" && ! -e $3/.vfio-pci-mmap ]]; then
		ok "$1: the tree is as it was"
	else
		not_ok "$1" "the tree was changed"
	fi
}

sed -i 's/^VERSION = .*/VERSION = 6/; s/^PATCHLEVEL = .*/PATCHLEVEL = 1/' "$tmp/plain/Makefile"
refuses_tree "TREE of another version" "which has no series" "$tmp/plain"
refuses "KSRC of another version" "is Linux 6.1, BASE is $base" \
	make_ kernel KSRC="$tmp/plain"
cp "$tmp/git/Makefile" "$tmp/plain/Makefile"

arm64=arch/arm64/kvm/mmu.c
echo 'pa = (vma->vm_pgoff << PAGE_SHIFT) + (hva - vma->vm_start);' >"$tmp/plain/$arm64"
refuses_tree "TREE whose KVM for arm64 maps around a page of ones" "use a newer" \
	"$tmp/plain"
cp "$tmp/git/$arm64" "$tmp/plain/$arm64"

echo >>"$tmp/git/MAINTAINERS"
refuses_tree "TREE with local changes" "has local changes" "$tmp/git"
refuses "KSRC with local changes" "has local changes" make_ kernel KSRC="$tmp/git"
"${git[@]}" checkout -q MAINTAINERS

# The last patch does not fit: the ones before it must not be there either
for tree in plain git; do
	sed -i 's/^TARGETS += vDSO/TARGETS += renamed/' \
		"$tmp/$tree/tools/testing/selftests/Makefile"
done
"${git[@]}" commit -q -a -m changed
refuses_tree "patch that does not fit a plain tree" "does not fit" "$tmp/plain"
refuses_tree "patch that does not fit a git tree" "does not fit" "$tmp/git"
"${git[@]}" reset -q --hard HEAD^
cp "$tmp/git/tools/testing/selftests/Makefile" "$tmp/plain/tools/testing/selftests/Makefile"

patches=("$top/series/$base"/0*.patch)
for tree in plain git; do
	if make_ apply TREE="$tmp/$tree" >"$tmp/output" 2>&1; then
		ok "make apply on a $tree tree"
	else
		cat "$tmp/output"
		not_ok "make apply on a $tree tree" "see above"
	fi
done
if diff -r -x .git "$tmp/plain" "$tmp/git" &&
   [[ $("${git[@]}" rev-list --count HEAD) == $((${#patches[@]} + 1)) ]]; then
	ok "both get the same files, the git tree a commit each"
else
	not_ok "both get the same files, the git tree a commit each" \
		"$("${git[@]}" rev-list --count HEAD) commits"
fi
refuses_tree "plain TREE that has the series" "has the series already" "$tmp/plain"
refuses_tree "git TREE that has the series" "has the series already" "$tmp/git"
refuses "KSRC that has the series" "has the series already" \
	make_ kernel KSRC="$tmp/git"

verdict

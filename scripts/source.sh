#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# source.sh BASE: make build/BASE/src, a git tree whose tag 'base' is the kernel
# as it came: Debian's package, or the tree that KSRC names.

. "$(dirname "$0")/lib.sh"

base=$1
src=$build/$base/src
check_base "$base"

if [[ ${KSRC-} ]]; then
	check_tree "$KSRC" "$base"
	if is_git "$KSRC"; then
		id="$KSRC at $(git -C "$KSRC" rev-parse HEAD)"
	else
		id="$KSRC $(cd "$KSRC" && find . -type f -printf '%P %s %T@\n' |
			sort | sha256sum)"
	fi
elif [[ $(cat "$src.id" 2>/dev/null) == "linux-source-$base "* ]]; then
	exit 0
else
	need xz
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	id="linux-source-$base $(fetch "${suite_of[$base]}" "linux-source-$base" "$tmp")"
fi
[[ -f $src.id && $(<"$src.id") == "$id" ]] && exit 0

say "unpacking ${KSRC:-$id}"
rm -rf "$src" "$src.id"
mkdir -p "$src"
if [[ ! ${KSRC-} ]]; then
	tar -C "$src" --strip-components=1 -xf "$tmp/usr/src/linux-source-$base.tar.xz"
	check_tree "$src" "$base"
elif is_git "$KSRC"; then
	git -C "$KSRC" archive HEAD | tar -C "$src" -x
else
	cp -a "$KSRC/." "$src"
fi

git -C "$src" init -q
git -C "$src" config gc.auto 0
git -C "$src" add -A -f
GIT_AUTHOR_NAME=base GIT_AUTHOR_EMAIL='<>' GIT_COMMITTER_NAME=base \
	GIT_COMMITTER_EMAIL='<>' GIT_AUTHOR_DATE='@0 +0000' \
	GIT_COMMITTER_DATE='@0 +0000' git -C "$src" commit -q -m "$base"
git -C "$src" tag base
printf '%s' "$id" >"$src.id"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# static.sh BASE: what can be said of our files without running them. Each line
# says how many files were looked at.

. "$(dirname "$0")/lib.sh"

base=$1
src=$build/$base/src
obj=$build/$base/obj
need "${to_check[@]}"
"$top/scripts/kernel.sh" "$base" series ''
in_turn "$src"
git -C "$src" checkout -q --force --detach \
	"$("$top/scripts/compose.sh" "$src" base "$top/series/$base"/0*.patch)"
cd "$src"

mapfile -t files < <(git diff --name-only --diff-filter=A base)
mapfile -t code < <(printf '%s\n' "${files[@]}" | grep -E '\.[ch]$')
mapfile -t kernel < <(printf '%s\n' "${code[@]}" | grep -v '^tools/')
mapfile -t units < <(printf '%s\n' "${kernel[@]}" | grep '\.c$')
mapfile -t scripts < <(cd "$top" && git ls-files -co --exclude-standard \
	scripts .ci | grep -vE '/jobs/|/model/|/must_fail$' | sed "s|^|$top/|")

no_sparse() {
	local unit

	for unit in "$@"; do
		rm -f "$obj/${unit%.c}.o"
	done
	# Only what the checker says of our files: headers of the kernel's own
	# are not ours to mend
	make -s O="$obj" W=1 C=2 "${@/%.c/.o}" 2>&1 |
		grep -F "$(printf '%s\n' "${kernel[@]##*/}")" || :
}

no_spdx() {
	local file

	cd "$top"
	git ls-files -co --exclude-standard |
		grep -vE '^(COPYING|MAINTAINERS|series/.*/(.*\.patch|cover-letter|parts/.*))$' |
		while read -r file; do
			head -2 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-only' ||
				echo "$file"
		done
}

silent "checkpatch --strict on ${#files[@]} files" checkpatch . -f "${files[@]}"
silent "sparse and W=1 on ${#units[@]} files" no_sparse "${units[@]}"
if "$top/scripts/calls.sh" "$base"; then
	ok "no ring of calls between files"
else
	not_ok "no ring of calls between files" "see above"
fi
silent "kernel-doc on ${#kernel[@]} files" scripts/kernel-doc -none -Wall "${kernel[@]}"
silent "shellcheck on ${#scripts[@]} scripts" shellcheck -e SC1091,SC2034,SC2054,SC2154,SC2164 "${scripts[@]}"
silent "SPDX line in every file" no_spdx
verdict

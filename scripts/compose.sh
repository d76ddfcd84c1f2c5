#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compose.sh REPO COMMIT PATCH...: put patches on top of a commit and print the
# last new commit. A patch of ours is a mail with the hunks for files that the
# kernel has; its 'New-file:' lines name the files and folders of this
# repository that belong to the same commit. The section in MAINTAINERS goes
# along, with the files that exist at each commit.
#
# Works on objects and a throw-away index only: no work tree is touched, no name is left,
# and REPO has no trace of a patch that does not fit.

. "$(dirname "$0")/lib.sh"

repo=$1 commit=$2
shift 2

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# An index of nothing but what is ours or the patches touch: that of a whole kernel takes
# git a tenth of a second to read or write
git=(env "GIT_INDEX_FILE=$tmp/index" git -C "$repo")
mapfile -t ours < <(sed -n 's/^F:	//p' "$top/MAINTAINERS")

stage() { # FOLDER, with the paths in there, a line each
	local path mode

	while read -r path; do
		mode=100644
		[[ -x $1/$path ]] && mode=100755
		printf '%s %s\t%s\n' $mode "$("${git[@]}" hash-object -w "$1/$path")" "$path"
	done | "${git[@]}" update-index --index-info
}

add_new_files() { # PATH...
	local path

	for path in "$@"; do
		[[ $(git -C "$top" ls-files -co --exclude-standard -- "$path") ]] ||
			die "${patch##*/} names $path, which this repository does not have"
	done
	git -C "$top" ls-files -co --exclude-standard -- "$@" | stage "$top"
}

# The section with those files that exist in the index, in its place by name
update_maintainers() {
	local line file there

	mapfile -t there < <("${git[@]}" ls-files -- "${ours[@]}")
	while IFS= read -r line; do
		file=${line#F:	}
		[[ $line != F:* || " ${there[*]} " == *" ${file%/}"[\ /]* ]] &&
			printf '%s\n' "$line"
	done <"$top/MAINTAINERS" >"$tmp/section"
	grep -q '^F:' "$tmp/section" || return 0

	"${git[@]}" show "$base:MAINTAINERS" |
	awk -v file="$tmp/section" '
		NR == FNR { section = section $0 "\n"; if (FNR == 1) title = $0; next }
		# That of a series before this one
		$0 == title { before = 1 }
		before { before = $0 != ""; next }
		!done && /^VFIO / && $0 > title { printf "%s\n", section; done = 1 }
		{ print }
		END { exit !done }' "$tmp/section" - >"$tmp/MAINTAINERS" ||
		die "no place for our section in MAINTAINERS of $repo"
	stage "$tmp" <<<MAINTAINERS
}

(($#)) || { echo "$commit"; exit; }
base=$(git -C "$repo" rev-parse "$commit") mark=0
mapfile -t touched < <(cat "$@" | git apply --numstat | cut -f 3 | sort -u)
"${git[@]}" ls-tree -r "$base" -- MAINTAINERS "${ours[@]}" "${touched[@]}" |
	"${git[@]}" update-index --index-info
for patch in "$@"; do
	git mailinfo "$tmp/message" "$tmp/diff" <"$patch" >"$tmp/info"
	"${git[@]}" apply --cached "$tmp/diff" 2>"$tmp/error" ||
		die "${patch##*/} does not fit: $(head -1 "$tmp/error"); nothing was changed"
	mapfile -t new < <(sed -n 's/^New-file: //p' "$patch" | sort -u)
	((!${#new[@]})) || add_new_files "${new[@]}"
	! grep -qE '^(New-file: |new file mode )' "$patch" || update_maintainers

	field() { sed -n "s/^$1: //p" "$tmp/info"; }
	{ field Subject; echo; cat "$tmp/message"; } >"$tmp/text"
	who="$(field Author) <$(field Email)> $(field Date)"
	printf '%s\n' "commit refs/composed/$$" "mark :$((++mark))" "author $who" \
		"committer $who" "data $(wc -c <"$tmp/text")"
	cat "$tmp/text"
	printf '%s\n' "" "from $commit"
	commit=:$mark
	printf 'D %s\n' "${touched[@]}"
	"${git[@]}" ls-files --stage | sed -E 's/^([^ ]+ [^ ]+) 0\t/M \1 /'
done >"$tmp/stream"

# The last line takes the name away again
printf '%s\n' "get-mark $commit" "reset refs/composed/$$" "from ${base//?/0}" >>"$tmp/stream"
"${git[@]}" fast-import --quiet --date-format=rfc2822 <"$tmp/stream"

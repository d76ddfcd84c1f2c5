#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# compose.sh REPO COMMIT PATCH...: put patches on top of a commit and print the
# last new commit. A patch of ours is a mail with the hunks for files that the
# kernel has; its 'New-file:' lines name the files and folders of this
# repository that belong to the same commit. The section in MAINTAINERS goes
# along, with the files that exist at each commit.
#
# Works on objects and a throw-away index only: no work tree is touched, and
# REPO has no trace of a patch that does not fit.

. "$(dirname "$0")/lib.sh"

repo=$1 commit=$2
shift 2

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export GIT_INDEX_FILE=$tmp/index
git=(git -C "$repo")

stage() { # MODE FILE PATH
	"${git[@]}" update-index --add --cacheinfo \
		"$1,$("${git[@]}" hash-object -w "$2"),$3"
}

add_new_file() {
	local file mode

	[[ $(git -C "$top" ls-files -co --exclude-standard -- "$1") ]] ||
		die "${patch##*/} names $1, which this repository does not have"
	while read -r file; do
		mode=100644
		[[ -x $top/$file ]] && mode=100755
		stage $mode "$top/$file" "$file"
	done < <(git -C "$top" ls-files -co --exclude-standard -- "$1")
}

# The section with those files that exist in the index, in its place by name
update_maintainers() {
	local line

	while IFS= read -r line; do
		[[ $line != F:* ||
		   $("${git[@]}" ls-files --cached -- "${line#F:	}") ]] &&
			printf '%s\n' "$line"
	done <"$top/MAINTAINERS" >"$tmp/section"
	grep -q '^F:' "$tmp/section" || return 0

	"${git[@]}" show "$base:MAINTAINERS" |
	awk -v file="$tmp/section" '
		NR == FNR { section = section $0 "\n"; if (FNR == 1) title = $0; next }
		!done && /^VFIO / && $0 > title { printf "%s\n", section; done = 1 }
		{ print }
		END { exit !done }' "$tmp/section" - >"$tmp/MAINTAINERS" ||
		die "no place for our section in MAINTAINERS of $repo"
	stage 100644 "$tmp/MAINTAINERS" MAINTAINERS
}

base=$commit
"${git[@]}" read-tree "$base"
for patch in "$@"; do
	git mailinfo "$tmp/message" "$tmp/diff" <"$patch" >"$tmp/info"
	"${git[@]}" apply --cached "$tmp/diff" 2>"$tmp/error" ||
		die "${patch##*/} does not fit: $(head -1 "$tmp/error"); nothing was changed"
	while read -r path; do
		add_new_file "$path"
	done < <(sed -n 's/^New-file: //p' "$tmp/diff" "$tmp/message" "$patch" | sort -u)
	! grep -qE '^(New-file: |new file mode )' "$tmp/diff" "$tmp/message" "$patch" ||
		update_maintainers

	field() { sed -n "s/^$1: //p" "$tmp/info"; }
	commit=$({ field Subject; echo; cat "$tmp/message"; } |
		GIT_AUTHOR_NAME=$(field Author) GIT_AUTHOR_EMAIL=$(field Email) \
		GIT_AUTHOR_DATE=$(field Date) \
		GIT_COMMITTER_NAME=$(field Author) GIT_COMMITTER_EMAIL=$(field Email) \
		GIT_COMMITTER_DATE=$(field Date) \
		"${git[@]}" commit-tree -p "$commit" "$("${git[@]}" write-tree)")
done
echo "$commit"

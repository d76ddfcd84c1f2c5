#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# initramfs.sh BASE OUT INIT [SOURCE=TARGET]...: make an initramfs with busybox,
# INIT, and each SOURCE, a file or a folder, at TARGET. What a program needs of
# shared libraries comes along. BUSYBOX names that of another machine.

. "$(dirname "$0")/lib.sh"

base=$1 out=$2 init=$3
shift 3

spec=$(mktemp)
trap 'rm -f "$spec"' EXIT
declare -A have=()

add_dir() {
	[[ $1 == / || ${have[$1]-} ]] && return
	have[$1]=1
	add_dir "$(dirname "$1")"
	echo "dir $1 755 0 0" >>"$spec"
}

add_file() { # SOURCE TARGET
	local lib

	[[ ${have[$2]-} ]] && return
	have[$2]=1
	add_dir "$(dirname "$2")"
	echo "file $2 $(readlink -f "$1") $([[ -x $1 ]] && echo 755 || echo 644) 0 0" >>"$spec"
	[[ -x $1 ]] || return 0
	while read -r lib; do
		add_file "$lib" "$lib"
	done < <(ldd "$1" 2>/dev/null | grep -o '/[^ ]*')
}

for dir in /dev /proc /sys /tmp /bin /root /run; do
	add_dir $dir
done
echo 'nod /dev/console 600 0 0 c 5 1' >>"$spec"
add_file "${BUSYBOX:-$(command -v busybox)}" /bin/busybox
echo 'slink /bin/sh busybox 777 0 0' >>"$spec"
add_file "$init" /init

for pair in "$@"; do
	source=${pair%%=*} target=${pair#*=}
	[[ -e $source ]] || die "no $source to put into the VM: build it first"
	if [[ -d $source ]]; then
		while read -r file; do
			add_file "$source/$file" "$target/$file"
		done < <(cd "$source" && find -L . -type f -printf '%P\n')
	else
		add_file "$source" "$target"
	fi
done

# Whatever kernel was built first has made it
gen_init_cpio=("$build/$base"/obj*/usr/gen_init_cpio)
"${gen_init_cpio[0]}" "$spec" | gzip -1 >"$out"

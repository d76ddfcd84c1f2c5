# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every script here starts with: where things are, how to complain, what
# a kernel tree must be. To be sourced.

set -euo pipefail
export LC_ALL=C HOME=${HOME:-/}
# The variables of our Makefile mean other things in those of the kernel
unset DEBUG BASE VARIANT TREE MAKEFLAGS MFLAGS MAKELEVEL

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
selftest=tools/testing/selftests/vfio/pci_mmap
bases=$(cd "$top/series" && echo *)
variants="series upstream eager"

# Packages, by what they are for
to_build=(git gcc ccache make flex bison bc cpio libelf-dev libssl-dev libc6-dev rsync kmod)
to_boot=(qemu-system-x86 seabios busybox-static libc-bin)
to_check=(perl python3-ply python3-git sparse shellcheck spin)

# What a QEMU in the VM needs, for vm.sh
qemu_inside=(
	/usr/bin/qemu-system-x86_64=/usr/bin/qemu-system-x86_64
	/usr/share/qemu=/usr/share/qemu /usr/share/seabios=/usr/share/seabios
)

say() { printf '%s\n' "==> $*" >&2; }
die() { printf '%s\n' "error: $*" >&2; exit 1; }

check_base() {
	[[ " $bases " == *" $1 "* ]] ||
		die "unknown BASE '$1': use one of: $bases"
}

check_variant() {
	[[ " $variants fixes " == *" $1 "* ]] ||
		die "unknown VARIANT '$1': use one of: $variants fixes"
}

# debug_suffix DEBUG: print what it adds to the name of a kernel
debug_suffix() {
	case $1 in
	'') ;;
	1) echo -debug ;;
	kcsan) echo -kcsan ;;
	*) die "DEBUG is '$1': use 1, kcsan or leave it out" ;;
	esac
}

# need PACKAGE...: install what is missing, or say what to install
need() {
	local missing=() package

	for package in "$@"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null) == installed ]] || missing+=("$package")
	done
	((${#missing[@]})) || return 0

	((EUID == 0)) ||
		die "missing packages: run 'apt-get install ${missing[*]}' as root"

	say "installing ${missing[*]}"
	mkdir -p "$build"
	{
		apt-get update &&
		DEBIAN_FRONTEND=noninteractive apt-get install -y \
			--no-install-recommends "${missing[@]}"
	} >"$build/apt.log" 2>&1 </dev/null ||
		die "cannot install ${missing[*]}: is there a network? See $build/apt.log"
}

# to_unpack BASE: print the packages that the kernel comes from
to_unpack() { [[ ${KSRC-} ]] || echo "linux-source-$1 xz-utils"; }

# tree_version TREE: print VERSION.PATCHLEVEL of a kernel tree
tree_version() {
	[[ -f $1/Makefile && -f $1/drivers/vfio/pci/vfio_pci_core.c ]] ||
		die "$1 is not a Linux kernel tree: name the top folder of one"
	awk '$1 == "VERSION" { v = $3 } $1 == "PATCHLEVEL" { p = $3 }
	     END { print v "." p }' "$1/Makefile"
}

# is_git TREE: is TREE the top of a git work tree?
is_git() { [[ $(git -C "$1" rev-parse --show-prefix 2>/dev/null) == '' && -e $1/.git ]]; }

# check_tree TREE [BASE]: refuse a tree that the series cannot go onto
check_tree() {
	local version

	[[ -d $1 ]] || die "no such folder: $1"
	version=$(tree_version "$1")
	if [[ ${2-} ]]; then
		[[ $version == "$2" ]] ||
			die "$1 is Linux $version, BASE is $2: use a tree of Linux $2"
	else
		[[ " $bases " == *" $version "* ]] ||
			die "$1 is Linux $version, which has no series: supported are $bases"
	fi
	[[ ! -e $1/drivers/vfio/pci/vfio_pci_mmap.c ]] ||
		die "$1 has the series already: start from a tree without it"
	! grep -qs 'pa = (vma->vm_pgoff << PAGE_SHIFT) + (hva - vma->vm_start)' \
		"$1/arch/arm64/kvm/mmu.c" ||
		die "$1: its KVM for arm64 takes what surrounds a page of ones for the BAR: use a newer Linux $version"
	if is_git "$1" && [[ $(git -C "$1" status --porcelain -uno | head -1) ]]; then
		die "$1 has local changes: commit or stash them first"
	fi
}

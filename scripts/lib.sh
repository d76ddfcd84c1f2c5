# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every script here starts with: where things are, how to complain, what
# a kernel tree must be. To be sourced.

set -euo pipefail
export LC_ALL=C HOME=${HOME:-/}
# What ccache has not seen is not preprocessed only to look for it
export CCACHE_DEPEND=1
# The variables of our Makefile mean other things in those of the kernel
unset ARCH DEBUG BASE VARIANT TREE MAKEFLAGS MFLAGS MAKELEVEL

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
selftest=tools/testing/selftests/vfio/pci_mmap
bases=$(cd "$top/series" && echo *)
variants="series upstream eager"
# Debian's suite that has the base, for a machine of another
declare -A suite_of=([6.12]=trixie [7.3]=trixie-backports)

# What is needed, by what it is for: programs, headers, libraries of gcc, modules of
# Python, firmware of QEMU. See has().
to_build=(git gcc ccache make flex bison bc cpio libelf.h openssl/ssl.h libc.a rsync depmod)
to_boot=(qemu-system-x86_64 bios-256k.bin busybox ldd)
# And for arm64, on another machine
arm64_to_build=(aarch64-linux-gnu-gcc aarch64-linux-gnu-gcc:libc.a)
arm64_to_boot=(qemu-system-aarch64 ldd)
to_guest=(mke2fs e2fsck)
to_check=(perl python3:ply python3:git sparse shellcheck spin)

# Debian's package of each, where its name is another
declare -A package_of=(
	[libelf.h]=libelf-dev [openssl/ssl.h]=libssl-dev [libc.a]=libc6-dev
	[depmod]=kmod [qemu-system-x86_64]=qemu-system-x86 [bios-256k.bin]=seabios
	[aarch64-linux-gnu-gcc]=gcc-aarch64-linux-gnu
	[aarch64-linux-gnu-gcc:libc.a]=libc6-dev-arm64-cross
	[qemu-system-aarch64]=qemu-system-arm
	[busybox]=busybox-static [ldd]=libc-bin [python3:ply]=python3-ply
	[python3:git]=python3-git [mke2fs]=e2fsprogs [e2fsck]=e2fsprogs
	[gnuplot]=gnuplot-nox [xz]=xz-utils
)
# Some of them are where not everybody looks
PATH=$PATH:/usr/sbin:/sbin

say() { printf '%s\n' "==> $*" >&2; }
die() { printf '%s\n' "error: $*" >&2; exit 1; }

# parts_of BASE: print the names of the series to be sent one by one
parts_of() { find "$top/series/$1" -path '*/parts/*' -printf '%f\n' | sort; }

# part_field BASE PART FIELD: print what follows FIELD at the head of a part
part_field() { sed -n "/^\$/q; s/^$3: //p" "$top/series/$1/parts/$2"; }

# patches_of_part BASE PART: print the patches of one, in order
patches_of_part() {
	local number

	for number in $(part_field "$1" "$2" patches); do
		printf '%s\n' "$top/series/$1/$number"-*.patch
	done
}

# patches_before BASE PART: print the patches that have to be there first, in order
patches_before() {
	local part

	for part in $(part_field "$1" "$2" after); do
		patches_before "$1" "$part"
		patches_of_part "$1" "$part"
	done | awk '!seen[$0]++'
}

# patches_of BASE VARIANT: print the patches that make a variant of the base
patches_of() {
	case $2 in
	series) printf '%s\n' "$top/series/$1"/0*.patch ;;
	fixes) printf '%s\n' "$top/series/$1"/00*.patch ;;
	eager) printf '%s\n' "$top/series/$1/eager.patch" ;;
	upstream) ;;
	*) patches_before "$1" "$2"; patches_of_part "$1" "$2" ;;
	esac
}

check_base() {
	[[ " $bases " == *" $1 "* ]] ||
		die "unknown BASE '$1': use one of: $bases"
}

# check_variant VARIANT BASE
check_variant() {
	local known

	known="$variants fixes $(parts_of "$2" | tr '\n' ' ')"
	[[ " $known " == *" $1 "* ]] ||
		die "unknown VARIANT '$1': use one of: $known"
}

# kind_suffix KIND: print what it adds to the name of a kernel. KIND is what DEBUG or ARCH is.
kind_suffix() {
	case $1 in
	'') ;;
	1) echo -debug ;;
	kcsan | arm64 | arm64-64k) echo "-$1" ;;
	*) die "DEBUG or ARCH is '$1': use DEBUG=1, DEBUG=kcsan, ARCH=arm64, ARCH=arm64-64k or leave it out" ;;
	esac
}

# firmware PATTERN: print the paths of QEMU's firmware whose names match
firmware() {
	local folders

	mapfile -t folders < <(qemu-system-x86_64 -L help)
	find -L "${folders[@]}" -maxdepth 1 -name "$1" 2>/dev/null
}

# qemu_inside: print what vm.sh is to take along for a QEMU in the VM
qemu_inside() { { command -v qemu-system-x86_64; firmware '*.bin'; } | sed 's/.*/&=&/'; }

# has WHAT: is it there?
has() {
	case $1 in
	*.h) gcc -E -include "$1" -x c /dev/null ;;
	*:*.a) [[ $("${1%:*}" -print-file-name="${1#*:}") == /* ]] ;;
	*.a) [[ $(gcc -print-file-name="$1") == /* ]] ;;
	*.bin) [[ $(firmware "$1") ]] ;;
	python3:*) PATH=/usr/bin:$PATH python3 -c "import ${1#*:}" ;;
	*) command -v "$1" ;;
	esac >/dev/null 2>&1
}

# Can packages be had from Debian's mirror?
is_debian() { has apt-get && [[ -s /var/lib/dpkg/status ]]; }

# need WHAT...: install what is missing, or say what to install
need() {
	local missing=() packages=() named='' what

	for what in "$@"; do
		has "$what" || missing+=("$what")
	done
	((${#missing[@]})) || return 0

	for what in "${missing[@]}"; do
		packages+=("${package_of[$what]-$what}")
		named+=", $what [${packages[-1]}]"
	done
	if ! is_debian || ((EUID)); then
		die "missing ${named#, }: install it, as root (in brackets: Debian's package)"
	fi

	say "installing ${packages[*]}"
	mkdir -p "$build"
	{
		apt-get update &&
		DEBIAN_FRONTEND=noninteractive apt-get install -y \
			--no-install-recommends "${packages[@]}"
	} >"$build/apt.log" 2>&1 </dev/null ||
		die "cannot install ${packages[*]}: is there a network? See $build/apt.log"
	for what in "${missing[@]}"; do
		has "$what" || die "Debian's ${package_of[$what]-$what} has no $what: install it by hand"
	done
}

# fetch SUITE PACKAGE DIR [ARCHITECTURE]: unpack Debian's PACKAGE in DIR, and print its
# version. It comes with the sources and the keys that apt has on this machine, or, if they
# do not have it, from SUITE on their mirror; apt's own lists and sources stay as they are.
fetch() {
	local suite=$1 package=$2 dir=$3 own=$build/apt${4:+-$4} mirror real
	local apt=(-q -o "Dir::State::Lists=$own/lists" -o "Dir::Cache=$own/cache"
		-o "APT::Sandbox::User=" ${4:+-o "APT::Architecture=$4"})

	is_debian ||
		die "$package comes from Debian, and this is another system: name a kernel tree with KSRC="
	say "fetching $package"
	mkdir -p "$own/lists/partial" "$own/cache/archives/partial" "$dir"
	apt-get "${apt[@]}" update >"$own/log" 2>&1 || :
	if ! apt-cache "${apt[@]}" show "$package" >/dev/null 2>&1; then
		# shellcheck disable=SC2016
		mirror=$(apt-get indextargets --format '$(REPO_URI)' \
			'Created-By: Packages' | grep -m 1 '/debian/$') ||
			die "apt has no mirror of Debian to fetch $package from"
		printf 'deb [signed-by=%s] %s %s main\n' \
			"$(printf '%s\n' /usr/share/keyrings/debian-archive-keyring.* |
			tail -1)" "$mirror" "$suite" >"$own/sources.list"
		apt+=(-o "Dir::Etc::SourceList=$own/sources.list" -o Dir::Etc::SourceParts=-)
		apt-get "${apt[@]}" update >>"$own/log" 2>&1 || :
	fi
	# What a package without files stands for, and that in turn
	while real=$(apt-cache "${apt[@]}" depends "$package" 2>>"$own/log" |
		sed -n 's/^ *Depends: \(linux-\(image\|binary\)-.*\)/\1/p' | head -1)
	      [[ $real ]]; do
		package=$real
	done
	(cd "$dir" && apt-get "${apt[@]}" download "$package") >>"$own/log" 2>&1 ||
		die "cannot download $package: has $suite lost it, or is there no network? See $own/log; a kernel tree of your own can be named with KSRC="
	dpkg-deb -x "$dir/$package"_*.deb "$dir"
	dpkg-deb -f "$dir/$package"_*.deb Version
}

# guest_kernel BASE: leave build/BASE/guest/vmlinuz, Debian's kernel for guests, or on
# another system the base itself
guest_kernel() {
	local guest=$build/$1/guest

	[[ ! -f $guest/vmlinuz ]] || return 0
	rm -rf "$guest/image"
	mkdir -p "$guest"
	if is_debian; then
		fetch "${suite_of[$1]}" linux-image-cloud-amd64 "$guest/image" >/dev/null
		find "$guest/image" -name 'vmlinuz*' -type f -exec mv {} "$guest/vmlinuz" \;
		rm -rf "$guest/image"
	else
		"$top/scripts/kernel.sh" "$1" upstream ''
		cp "$build/$1/upstream/bzImage" "$guest/vmlinuz"
	fi
}

# arm64_busybox BASE: leave build/BASE/busybox-arm64
arm64_busybox() {
	local busybox=$build/$1/busybox-arm64

	[[ ! -f $busybox ]] || return 0
	rm -rf "$busybox.deb"
	fetch "${suite_of[$1]}" busybox-static "$busybox.deb" arm64 >/dev/null
	find "$busybox.deb" -path '*/bin/busybox' -exec mv {} "$busybox" \;
	rm -rf "$busybox.deb"
}

# tree_version TREE: print VERSION.PATCHLEVEL of a kernel tree
tree_version() {
	[[ -f $1/Makefile && -f $1/drivers/vfio/pci/vfio_pci_core.c ]] ||
		die "$1 is not a Linux kernel tree: name the top folder of one"
	awk '$1 == "VERSION" { v = $3 } $1 == "PATCHLEVEL" { p = $3 }
	     END { print v "." p }' "$1/Makefile"
}

# in_turn TREE: wait until nobody else builds from it, and have others wait until we end
in_turn() {
	exec {turn}>>"$1.lock"
	flock --nonblock "$turn" || {
		say "waiting for another build from ${1#"$top"/}"
		flock "$turn"
	}
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

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kernel.sh BASE VARIANT [KIND]: leave build/BASE/VARIANT[-KIND]/bzImage and, for the
# series, its self-tests in build/BASE/selftests[-KIND]. KIND is 1 (-debug) or kcsan; or
# arm64 or arm64-64k (pages of 64 KiB), whose image has that name as well. The variants
# share a source tree and an object tree for each KIND: going from one to the other
# compiles only what differs.

. "$(dirname "$0")/lib.sh"

base=$1 variant=$2
check_base "$base"
check_variant "$variant" "$base"
suffix=$(kind_suffix "${3-}")
arch=x86 image=arch/x86/boot/bzImage cross=
if [[ $suffix == -arm64* ]]; then
	arch=arm64 image=arch/arm64/boot/Image cross=aarch64-linux-gnu-
	need "${arm64_to_build[@]}"
fi

need "${to_build[@]}"
"$top/scripts/source.sh" "$base"

src=$build/$base/src
obj=$build/$base/obj$suffix
out=$build/$base/$variant$suffix
log=$out/build.log
mkdir -p "$obj" "$out"

mapfile -t patches < <(patches_of "$base" "$variant")
tip=$("$top/scripts/compose.sh" "$src" base "${patches[@]}")

# Options of the fragments that a base does not have, or, the last four, that are for
# what it does not have
declare -A lacks=(
	[6.12]='KVM_IOAPIC|NUMA_MIGRATION|MEMORY_HOTREMOVE|ZONE_DEVICE|PCI_P2PDMA|SYNC_FILE'
	[7.3]='X86_5LEVEL')
fragments=(kernel "$arch")
[[ ! $suffix || $suffix == "-$arch" ]] || fragments+=("${suffix#-}")
fragment=$(cd "$top/$selftest/qemu" && cat "${fragments[@]/%/.config}" |
	grep -vE "^CONFIG_(${lacks[$base]-none})=")

# What only some files are compiled for, as variables of kbuild: the debug kernel
# counts the lines of the series, the KCSAN kernel watches vfio-pci
instrument=()
case $suffix in
-debug)
	for file in "$top"/drivers/vfio/pci/*.c; do
		instrument+=("GCOV_PROFILE_$(basename "$file" .c).o=y")
	done ;;
-kcsan)
	instrument+=(KCSAN_SANITIZE=n)
	for file in "$src"/drivers/vfio/pci/*.c "$top"/drivers/vfio/pci/*.c; do
		instrument+=("KCSAN_SANITIZE_$(basename "$file" .c).o=y")
	done ;;
esac
stamp=$(git -C "$src" rev-parse "$tip^{tree}"; sha256sum <<<"$fragment")
is_there() {
	[[ $variant != series || -d $build/$base/selftests$suffix ]] &&
		[[ -f $out/stamp && $(<"$out/stamp") == "$stamp" ]]
}
! is_there || exit 0
in_turn "$src"
! is_there || exit 0
rm -f "$out/stamp"

# What one variant has in common with another, or with what another clone has built,
# is not compiled again
export CCACHE_BASEDIR=$build/$base CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-5G}

kmake() {
	make -C "$src" O="$obj" -j"$(($(nproc) + 1))" ARCH=$arch \
		CROSS_COMPILE=$cross CC="ccache ${cross}gcc" \
		KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=vfio \
		KBUILD_BUILD_HOST=vfio "${instrument[@]}" "$@"
}

# Run a long build with its log in a file, and a sign of life every 20 seconds
watched() {
	local pid began=$SECONDS

	"$@" >>"$log" 2>&1 &
	pid=$!
	while kill -0 $pid 2>/dev/null; do
		sleep 1
		(((SECONDS - began) % 20)) ||
			printf '    %3d s, %d steps\n' $((SECONDS - began)) \
				"$(wc -l <"$log")" >&2
	done
	wait $pid || {
		grep -m 5 -B 2 -A 8 -E 'error:|Error [0-9]' "$log" >&2 ||
			tail -20 "$log" >&2
		die "building $base/$variant$suffix failed: see $log"
	}
}

: >"$log"
git -C "$src" checkout -q --force --detach "$tip"

if [[ ! -f $obj/.config || $(<"$obj/fragment") != "$fragment" ]]; then
	printf '%s' "$fragment" >"$obj/fragment"
	KCONFIG_ALLCONFIG=$obj/fragment kmake allnoconfig >>"$log" 2>&1 ||
		die "configuring $base$suffix failed: see $log"
	missing=$(grep '^CONFIG' <<<"$fragment" | grep -vxFf "$obj/.config" || :)
	[[ ! $missing ]] || {
		rm "$obj/.config"
		die "Linux $base does not take these options: ${missing//$'\n'/ }"
	}
fi

say "building the $variant kernel of $base${suffix:+ for ${suffix#-}}"
watched kmake "${image##*/}"
if [[ $variant == series ]]; then
	kmake headers modules >>"$log" 2>&1 || die "headers failed: see $log"
	# Kbuild does not see that a module is of another object tree
	git -C "$src" clean -fdxq -- "$selftest/test_modules"
	LDFLAGS=-static kmake -C "$src/tools/testing/selftests" \
		TARGETS=vfio/pci_mmap KDIR="$obj" \
		INSTALL_PATH="$build/$base/selftests$suffix" \
		install >>"$log" 2>&1 ||
		die "building the self-tests failed: see $log"
fi
cp "$obj/$image" "$out/bzImage"
cp "$obj/.config" "$out/config"
printf '%s' "$stamp" >"$out/stamp"

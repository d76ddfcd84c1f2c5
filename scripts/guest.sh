#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh BASE [SCENARIO...]: stock guests, under a stock QEMU in the VM, with
# devices whose BARs go off while they are read: see guest-scenarios.sh. All of them
# without SCENARIO. Each is gone through on upstream and on the series with
# disabled_bar=ones; toggle, lost and pulled also on the series as it comes. Prints a
# table, then 'N passed, N failed, N skipped'.
#
# The guest's kernel is Debian's.

. "$(dirname "$0")/check/lib.sh"

base=$1
shift
check_base "$base"
guest=$build/$base/guest
tests=$build/$base/selftests/vfio/pci_mmap
scenarios=${*:-toggle vast reboot sleep plug reset pause disk lost pulled}
known=$(sed -n 's/^scenario_\([a-z]*\)() .*/\1/p' \
	"$top/$selftest/qemu/guest-scenarios.sh" | xargs)
for scenario in $scenarios; do
	[[ " $known " == *" $scenario "* ]] ||
		die "unknown scenario '$scenario': use some of: $known"
done

need "${to_build[@]}" "${to_boot[@]}" e2fsprogs
mkdir -p "$guest"
if [[ ! -f $guest/vmlinuz ]]; then
	if ! apt-cache show linux-image-cloud-amd64 >/dev/null 2>&1; then
		((EUID)) || apt-get update >"$guest/apt.log" 2>&1 || :
	fi
	package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
		sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -1)
	[[ $package ]] ||
		die "apt knows no linux-image-cloud-amd64: run 'apt-get update' as root, with a network"
	say "fetching $package for the guest"
	(cd "$tmp" && apt-get download "$package") >"$guest/apt.log" 2>&1 ||
		die "cannot download $package: is there a network? See $guest/apt.log"
	dpkg-deb -x "$tmp/$package"_*.deb "$tmp/image"
	mv "$tmp"/image/boot/vmlinuz-* "$guest/vmlinuz"
fi

# go_through VARIANT POLICY SCENARIO...: verdict[POLICY on VARIANT, SCENARIO] of each
declare -A verdict_of=()
go_through() {
	local variant=$1 policy=$2 append scenario verdict status=0
	shift 2

	"$top/scripts/kernel.sh" "$base" "$variant" ''
	"$top/scripts/initramfs.sh" "$base" "$guest/initramfs" \
		"$top/$selftest/qemu/guest-scenarios.sh" \
		"$tests/guest_bar=/bin/guest_bar" /sbin/mke2fs=/sbin/mke2fs \
		/sbin/e2fsck=/sbin/e2fsck
	append="scenarios=$(tr ' ' , <<<"$*")"
	[[ $policy == sigbus ]] || append+=" vfio_pci_core.disabled_bar=$policy"
	say "guests on $variant, $policy"
	MACHINE=guest APPEND=$append "$top/scripts/vm.sh" "$build/$base/$variant" 2400 \
		"$top/scripts/jobs/guest" "$guest/vmlinuz=/guest/vmlinuz" \
		"$guest/initramfs=/guest/initramfs" \
		"$tests/pull_device=/selftests/pull_device" "${qemu_inside[@]}" |
		tee "$guest/$variant-$policy" || status=$?
	while read -r _ scenario verdict; do
		verdict_of[$variant-$policy,$scenario]=$verdict
	done < <(grep -E '^guest [a-z]+ [a-z]+$' "$guest/$variant-$policy")
	((!status)) || not_ok "guests on $variant, $policy" "the VM ended with status $status"
}

# expect SCENARIO VARIANT POLICY VERDICT
expect() {
	local verdict=${verdict_of[$2-$3,$1]-none}

	if [[ $verdict == "$4" ]]; then
		ok "$1 on $2 with $3: $verdict"
	else
		not_ok "$1 on $2 with $3" "$verdict, not $4: see $guest/$2-$3"
	fi
}

"$top/scripts/kernel.sh" "$base" series ''
read -ra list <<<"$scenarios"
go_through upstream sigbus "${list[@]}"
mapfile -t by_default < <(tr ' ' '\n' <<<"$scenarios" | grep -xE 'toggle|lost|pulled')
((!${#by_default[@]})) || go_through series sigbus "${by_default[@]}"
go_through series ones "${list[@]}"

printf '\n%-10s %-16s %-16s %s\n' scenario upstream 'series, sigbus' 'series, ones'
for scenario in $scenarios; do
	printf '%-10s %-16s %-16s %s\n' "$scenario" \
		"${verdict_of[upstream-sigbus,$scenario]-}" \
		"${verdict_of[series-sigbus,$scenario]-}" \
		"${verdict_of[series-ones,$scenario]-}"
done
for scenario in $scenarios; do
	expect "$scenario" series ones passed
	[[ $scenario != toggle ]] || {
		expect toggle upstream sigbus died
		expect toggle series sigbus died
	}
	[[ $scenario != lost && $scenario != pulled ]] || {
		expect "$scenario" upstream sigbus passed
		expect "$scenario" series sigbus passed
	}
done
verdict

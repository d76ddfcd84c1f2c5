#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh BASE [SCENARIO...]: stock guests, under a stock QEMU in the VM, with
# devices whose BARs go off while they are read: see guest-scenarios.sh. All of them
# without SCENARIO. Each is gone through on upstream and on the series with
# disabled_bar=ones, there also through iommufd if QEMU knows it; toggle, lost and pulled
# also on the series as it comes. Prints a table, then 'N passed, N failed, N skipped'.

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

need "${to_build[@]}" "${to_boot[@]}" "${to_guest[@]}"
mapfile -t inside < <(qemu_inside)
guest_kernel "$base"

# go_through VARIANT POLICY VIA SCENARIO...: verdict_of[VARIANT-POLICY-VIA,SCENARIO] of
# each, where VIA is how the inner QEMU has the devices: through their 'group', or 'iommufd'
declare -A verdict_of=()
go_through() {
	local variant=$1 policy=$2 via=$3 append scenario verdict status=0
	local column=$1-$2-$3
	shift 3

	"$top/scripts/kernel.sh" "$base" "$variant" ''
	"$top/scripts/initramfs.sh" "$base" "$guest/initramfs" \
		"$top/$selftest/qemu/guest-scenarios.sh" \
		"$tests/guest_bar=/bin/guest_bar" "$(command -v mke2fs)=/sbin/mke2fs" \
		"$(command -v e2fsck)=/sbin/e2fsck"
	append="via=$via scenarios=$(tr ' ' , <<<"$*")"
	[[ $policy == sigbus ]] || append+=" vfio_pci_core.disabled_bar=$policy"
	say "guests on $variant, $policy, through $via"
	MACHINE=guest APPEND=$append "$top/scripts/vm.sh" "$build/$base/$variant" 2400 \
		"$top/scripts/jobs/guest" "$guest/vmlinuz=/guest/vmlinuz" \
		"$guest/initramfs=/guest/initramfs" \
		"$tests/pull_device=/selftests/pull_device" "${inside[@]}" |
		tee "$guest/$column" || status=$?
	while read -r _ scenario verdict; do
		verdict_of[$column,$scenario]=$verdict
	done < <(grep -E '^guest [a-z]+ [a-z]+$' "$guest/$column")
	((!status)) || not_ok "guests on $variant, $policy, through $via" \
		"the VM ended with status $status"
}

# expect SCENARIO VARIANT POLICY VIA VERDICT
expect() {
	local column=$2-$3-$4
	local verdict=${verdict_of[$column,$1]-none}

	if [[ $verdict == "$5" ]]; then
		ok "$1 on $2 with $3, through $4: $verdict"
	elif [[ $verdict == twice ]]; then
		skipped "$1 on $2 with $3, through $4" \
			"QEMU delivers interrupts to its guest twice: see $guest/$column"
	else
		not_ok "$1 on $2 with $3, through $4" "$verdict, not $5: see $guest/$column"
	fi
}

"$top/scripts/kernel.sh" "$base" series ''
read -ra list <<<"$scenarios"
through=(group)
! qemu-system-x86_64 -object help | grep -q '^ *iommufd$' || through+=(iommufd)
go_through upstream sigbus group "${list[@]}"
mapfile -t by_default < <(tr ' ' '\n' <<<"$scenarios" | grep -xE 'toggle|lost|pulled')
((!${#by_default[@]})) || go_through series sigbus group "${by_default[@]}"
for via in "${through[@]}"; do
	go_through series ones "$via" "${list[@]}"
done

row='%-10s %-16s %-16s %-16s %s\n'
# shellcheck disable=SC2059
printf "\n$row" scenario upstream 'series, sigbus' 'series, ones' 'ones, iommufd'
for scenario in $scenarios; do
	# shellcheck disable=SC2059
	printf "$row" "$scenario" \
		"${verdict_of[upstream-sigbus-group,$scenario]-}" \
		"${verdict_of[series-sigbus-group,$scenario]-}" \
		"${verdict_of[series-ones-group,$scenario]-}" \
		"${verdict_of[series-ones-iommufd,$scenario]-}"
done
for scenario in $scenarios; do
	for via in "${through[@]}"; do
		expect "$scenario" series ones "$via" passed
	done
	[[ $scenario != toggle ]] || {
		expect toggle upstream sigbus group died
		expect toggle series sigbus group died
	}
	[[ $scenario != lost && $scenario != pulled ]] || {
		expect "$scenario" upstream sigbus group passed
		expect "$scenario" series sigbus group passed
	}
done
((${#through[@]} > 1)) ||
	skipped "iommufd" "this QEMU does not know it: $(qemu-system-x86_64 --version | head -1)"
verdict

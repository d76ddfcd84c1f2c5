#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh BASE: a stock QEMU passes devices to a KVM guest, which uses them.

. "$(dirname "$0")/lib.sh"

if "$top/scripts/run.sh" "$1"; then
	ok "make run"
else
	not_ok "make run" "see above"
fi
verdict

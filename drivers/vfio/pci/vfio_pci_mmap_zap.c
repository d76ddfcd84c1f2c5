// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zap: take the page-table entries for a device's BARs away
 *
 * The zap goes through the i_mmap of the device inode, which the mm maintains, in the
 * order that the mm relies on for truncation. So it finds the entries that fork()
 * copies and mremap() moves, and needs no list of VMAs. It never takes mmap_lock: a
 * task that holds its own cannot delay it. It allocates nothing and cannot fail.
 *
 * It leaves out BARs that had nothing inserted since the last zap. vdev->zap.inserted
 * has a bit for each BAR. vfio_pci_zap_mark() sets it before an entry is inserted, with
 * memory_lock and quiesce.lock held for read; the zap clears it after the unmap, with
 * either held for write. A driver that brings its own mmap() need not call
 * vfio_pci_zap_mark(): its BARs keep their bits.
 *
 * Locks that the zap takes, inside those: the i_mmap_rwsem of the device inode, then
 * page-table locks.
 */

#include <linux/bits.h>
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/timekeeping.h>

#include "vfio_pci_mmap_trace.h"
#include "vfio_pci_mmap_zap.h"
#include "vfio_pci_priv.h"

/* What VFIO_PCI_OFFSET_SHIFT is to an offset in pages */
#define VFIO_PCI_PGOFF_SHIFT	(VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT)

/**
 * vfio_pci_zap_init - Prepare a new device for zaps
 * @vdev: the device
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_zap_init(struct vfio_pci_core_device *vdev)
{
	vdev->zap.always = vdev->vdev.ops->mmap == vfio_pci_core_mmap ? 0 :
			   GENMASK(PCI_STD_NUM_BARS - 1, 0);
	vdev->zap.inserted = vdev->zap.always;
}

/* Returns what was zapped: a bit for each BAR */
static __always_inline unsigned long
vfio_pci_zap_inserted(struct vfio_pci_core_device *vdev)
{
	/* Pairs with the release below: a concurrent zap has done its unmap */
	unsigned long bars = smp_load_acquire(&vdev->zap.inserted), left = bars;

	if (!bars)
		return 0;

	do {
		unmap_mapping_pages(vdev->vdev.inode->i_mapping,
				    __ffs(left) << VFIO_PCI_PGOFF_SHIFT,
				    1UL << VFIO_PCI_PGOFF_SHIFT, true);
		left &= left - 1;
	} while (left);

	/* Not before the unmap: a concurrent zap would skip what is still there */
	smp_store_release(&vdev->zap.inserted, vdev->zap.always);
	return bars;
}

static noinline void vfio_pci_zap_traced(struct vfio_pci_core_device *vdev)
{
	u64 began = ktime_get_ns();
	unsigned long bars = vfio_pci_zap_inserted(vdev);

	trace_vfio_pci_mmap_zap(vdev->pdev, ktime_get_ns() - began, bars);
}

/**
 * vfio_pci_zap_bars - Take every mapping of the device's BARs away
 * @vdev: the device
 *
 * On return no page table holds an entry for a BAR of @vdev, and none appears
 * while the caller keeps its lock.
 *
 * Context: &vfio_pci_core_device.memory_lock or &vfio_pci_quiesce.lock held for
 * write. May sleep.
 */
void vfio_pci_zap_bars(struct vfio_pci_core_device *vdev)
{
	if (trace_vfio_pci_mmap_zap_enabled())
		vfio_pci_zap_traced(vdev);
	else
		vfio_pci_zap_inserted(vdev);
}

/**
 * vfio_pci_zap_page - Take every mapping of one page away
 * @vdev: the device
 * @pgoff: offset of the page in the device file
 *
 * Context: Locks held that exclude who maps that page. May sleep.
 */
void vfio_pci_zap_page(struct vfio_pci_core_device *vdev, pgoff_t pgoff)
{
	unmap_mapping_pages(vdev->vdev.inode->i_mapping, pgoff, 1, true);
}

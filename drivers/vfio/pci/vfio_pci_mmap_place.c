// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where mmap() puts a BAR that user space has no wish for
 *
 * A leaf of a page table maps memory that is aligned to its size at an address that
 * is, too. So a mapping of a BAR is best placed where addresses are congruent to
 * those of the BAR, modulo the size of the largest leaf that it has room for.
 * Where there is no such place, any other does.
 */

#include <linux/mman.h>
#include <linux/pci.h>
#include <linux/sched/mm.h>

#include "vfio_pci_priv.h"

/* An address congruent to @phys modulo @size, or 0 */
static unsigned long vfio_pci_place(struct file *file, unsigned long len,
				    unsigned long pgoff, unsigned long flags,
				    phys_addr_t phys, unsigned long size)
{
	unsigned long addr;

	if (len < size || len + size < len)
		return 0;

	/* Wherever this is, it has room for such an address */
	addr = mm_get_unmapped_area(file, 0, len + size, pgoff, flags);
	if (IS_ERR_VALUE(addr))
		return 0;
	return addr + ((phys - addr) & (size - 1));
}

/**
 * vfio_pci_core_get_unmapped_area - Place a mapping of a device
 * @core_vdev: the device
 * @file: the device file
 * @addr: where user space would like it, or 0
 * @len: bytes to map
 * @pgoff: offset in @file, in pages
 * @flags: MAP_*
 *
 * For &vfio_device_ops.get_unmapped_area of drivers that use vfio_pci_core_mmap().
 * Whether @pgoff and @len make sense is for that to check.
 *
 * Context: In mmap(), mmap_lock held for write.
 * Return: an address, or what mm_get_unmapped_area() returns where there is none:
 * -ENOMEM, or -EINVAL.
 */
unsigned long
vfio_pci_core_get_unmapped_area(struct vfio_device *core_vdev,
				struct file *file, unsigned long addr,
				unsigned long len, unsigned long pgoff,
				unsigned long flags)
{
	struct vfio_pci_core_device *vdev =
		container_of(core_vdev, struct vfio_pci_core_device, vdev);
	u64 pos = (u64)pgoff << PAGE_SHIFT;
	unsigned int bar = VFIO_PCI_OFFSET_TO_INDEX(pos);
	unsigned long wish = 0, place = 0;
	phys_addr_t phys;

	if (addr || flags & MAP_FIXED) {
		wish = mm_get_unmapped_area(file, addr, len, pgoff, flags);
		if (wish == addr || flags & MAP_FIXED)
			return wish;
	}

	if (bar < PCI_STD_NUM_BARS) {
		phys = pci_resource_start(vdev->pdev, bar) +
		       (pos & VFIO_PCI_OFFSET_MASK);
		if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PUD_PFNMAP))
			place = vfio_pci_place(file, len, pgoff, flags, phys,
					       PUD_SIZE);
		if (!place && IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))
			place = vfio_pci_place(file, len, pgoff, flags, phys,
					       PMD_SIZE);
	}
	if (place)
		return place;
	return mm_get_unmapped_area(file, 0, len, pgoff, flags);
}
EXPORT_SYMBOL_GPL(vfio_pci_core_get_unmapped_area);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where mmap() puts a BAR that user space gives no hint for
 *
 * A leaf of a page table maps memory that is aligned to its size at an address that
 * is, too. So a mapping of a BAR is best placed where addresses are congruent to
 * those of the BAR, modulo the size of the largest leaf that it has room for and that
 * the CPU has. An address space of 32 bits has no room to spare for that.
 */

#include <linux/compat.h>
#include <linux/mm.h>
#include <linux/pci.h>

#include "vfio_pci_mmap_compat.h"
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
	addr = vfio_pci_get_unmapped_area(file, len + size, pgoff, flags);
	if (IS_ERR_VALUE(addr))
		return 0;
	return addr + ((phys - addr) & (size - 1));
}

/**
 * vfio_pci_core_get_unmapped_area - Place a mapping of a device
 * @core_vdev: the device
 * @file: the device file
 * @len: bytes to map
 * @pgoff: offset in @file, in pages
 * @flags: MAP_*
 *
 * For &vfio_device_ops.get_unmapped_area of drivers that use vfio_pci_core_mmap().
 * Whether @pgoff and @len make sense is for that to check.
 *
 * Context: In mmap(), mmap_lock held for write.
 * Return: an address that is free, or 0 if any is as good.
 */
unsigned long
vfio_pci_core_get_unmapped_area(struct vfio_device *core_vdev,
				struct file *file, unsigned long len,
				unsigned long pgoff, unsigned long flags)
{
	struct vfio_pci_core_device *vdev =
		container_of(core_vdev, struct vfio_pci_core_device, vdev);
	u64 pos = (u64)pgoff << PAGE_SHIFT;
	unsigned int bar = VFIO_PCI_OFFSET_TO_INDEX(pos);
	unsigned long place = 0;
	phys_addr_t phys;

	if (!IS_ENABLED(CONFIG_64BIT) || in_compat_syscall() ||
	    bar >= PCI_STD_NUM_BARS)
		return 0;

	phys = pci_resource_start(vdev->pdev, bar) +
	       (pos & VFIO_PCI_OFFSET_MASK);
	if (arch_has_pud_pfnmap())
		place = vfio_pci_place(file, len, pgoff, flags, phys, PUD_SIZE);
	if (!place && IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP))
		place = vfio_pci_place(file, len, pgoff, flags, phys, PMD_SIZE);
	return place;
}
EXPORT_SYMBOL_GPL(vfio_pci_core_get_unmapped_area);

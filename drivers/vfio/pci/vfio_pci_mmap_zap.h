/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking the mappings of a device's BARs away
 */
#ifndef VFIO_PCI_MMAP_ZAP_H
#define VFIO_PCI_MMAP_ZAP_H

#include <linux/bitops.h>
#include <linux/vfio_pci_core.h>

void vfio_pci_zap_init(struct vfio_pci_core_device *vdev);
void vfio_pci_zap_bars(struct vfio_pci_core_device *vdev);
void vfio_pci_zap_page(struct vfio_pci_core_device *vdev, pgoff_t pgoff);

/**
 * vfio_pci_zap_mark - Have the next zap go through a BAR
 * @vdev: the device
 * @index: region that is about to get a page-table entry; one that is no BAR is
 *	   never zapped
 *
 * Context: Locks held that exclude a zap: see vfio_pci_mmap_zap.c. Does not sleep.
 */
static inline void vfio_pci_zap_mark(struct vfio_pci_core_device *vdev,
				     unsigned int index)
{
	if (index < PCI_STD_NUM_BARS)
		set_bit(index, &vdev->zap.inserted);
}

#endif /* VFIO_PCI_MMAP_ZAP_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answering for a BAR whose device does not, as hardware does
 */
#ifndef VFIO_PCI_MMAP_ONES_H
#define VFIO_PCI_MMAP_ONES_H

#include <linux/kconfig.h>
#include <linux/mm_types.h>
#include <linux/vfio_pci_core.h>

/* Elsewhere the task might read past the cache what memory held before */
#define VFIO_PCI_HAS_ONES	(IS_ENABLED(CONFIG_X86) || IS_ENABLED(CONFIG_ARM64_PMEM))

void vfio_pci_ones_init(struct vfio_pci_core_device *vdev);
int vfio_pci_ones_open(struct vfio_pci_core_device *vdev);
void vfio_pci_ones_close(struct vfio_pci_core_device *vdev);
void vfio_pci_ones_drop(struct vfio_pci_core_device *vdev);
vm_fault_t vfio_pci_ones_insert(struct vfio_pci_core_device *vdev,
				struct vm_fault *vmf, pgoff_t pgoff,
				unsigned int order);

#endif /* VFIO_PCI_MMAP_ONES_H */

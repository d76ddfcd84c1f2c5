/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Resets that VFIO does not start, and those that it does
 */
#ifndef VFIO_PCI_MMAP_RESET_H
#define VFIO_PCI_MMAP_RESET_H

#include <linux/vfio_pci_core.h>

struct vm_fault;

void vfio_pci_foreign_reset_init(struct vfio_pci_core_device *vdev);
void vfio_pci_own_reset_begin(struct vfio_pci_core_device *vdev);
void vfio_pci_own_reset_end(struct vfio_pci_core_device *vdev);
int vfio_pci_memory_down_read(struct vfio_pci_core_device *vdev);
vm_fault_t vfio_pci_memory_fault_down_read(struct vfio_pci_core_device *vdev,
					   struct vm_fault *vmf);

#endif /* VFIO_PCI_MMAP_RESET_H */

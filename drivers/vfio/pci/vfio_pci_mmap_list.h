/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of the VMAs that map the BARs of a device
 */
#ifndef VFIO_PCI_MMAP_LIST_H
#define VFIO_PCI_MMAP_LIST_H

#include <linux/vfio_pci_core.h>

void vfio_pci_mmap_list_init(struct vfio_pci_core_device *vdev);
void vfio_pci_mmap_list_destroy(struct vfio_pci_core_device *vdev);
int vfio_pci_mmap_list_add(struct vfio_pci_core_device *vdev,
			   struct vm_area_struct *vma);
void vfio_pci_mmap_list_open(struct vm_area_struct *vma);
void vfio_pci_mmap_list_close(struct vm_area_struct *vma);

#endif /* VFIO_PCI_MMAP_LIST_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Answering for a BAR that is off, as hardware does
 */
#ifndef VFIO_PCI_MMAP_ONES_H
#define VFIO_PCI_MMAP_ONES_H

#include <linux/mm_types.h>
#include <linux/vfio_pci_core.h>

struct vfio_device_feature_disabled_bar;

int vfio_pci_ones_open(struct vfio_pci_core_device *vdev);
void vfio_pci_ones_close(struct vfio_pci_core_device *vdev);
int vfio_pci_ones_feature(struct vfio_pci_core_device *vdev, u32 flags,
			  struct vfio_device_feature_disabled_bar __user *arg,
			  size_t argsz);
vm_fault_t vfio_pci_ones_insert(struct vfio_pci_core_device *vdev,
				struct vm_fault *vmf, unsigned int bar,
				unsigned int order);
void vfio_pci_drop_ones_and_up_write_memory_lock(struct vfio_pci_core_device *vdev);

#endif /* VFIO_PCI_MMAP_ONES_H */

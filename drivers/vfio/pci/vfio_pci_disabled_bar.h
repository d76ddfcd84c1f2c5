/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a BAR gives that user space keeps off
 */
#ifndef VFIO_PCI_DISABLED_BAR_H
#define VFIO_PCI_DISABLED_BAR_H

#include <linux/vfio_pci_core.h>

struct vfio_device_feature_disabled_bar;

void vfio_pci_disabled_bar_register(struct vfio_pci_core_device *vdev);
void vfio_pci_disabled_bar_open(struct vfio_pci_core_device *vdev);
int vfio_pci_disabled_bar_feature(struct vfio_pci_core_device *vdev, u32 flags,
				  struct vfio_device_feature_disabled_bar __user *arg,
				  size_t argsz);

#endif /* VFIO_PCI_DISABLED_BAR_H */

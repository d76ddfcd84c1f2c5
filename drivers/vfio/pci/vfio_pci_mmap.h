/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * BAR mappings: what the rest of vfio-pci calls
 */
#ifndef VFIO_PCI_MMAP_PRIV_H
#define VFIO_PCI_MMAP_PRIV_H

#include <linux/vfio_pci_core.h>

/* vfio_pci_mmap.c */
int vfio_pci_mmap_bar(struct vfio_pci_core_device *vdev,
		      struct vm_area_struct *vma);

/* vfio_pci_mmap_debugfs.c */
#ifdef CONFIG_VFIO_DEBUGFS
void vfio_pci_mmap_debugfs_init(struct vfio_pci_core_device *vdev);
#else
static inline void vfio_pci_mmap_debugfs_init(struct vfio_pci_core_device *vdev)
{}
#endif

#endif /* VFIO_PCI_MMAP_PRIV_H */

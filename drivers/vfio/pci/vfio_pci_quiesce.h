/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leaving a device alone that others reset, and answering for one that is lost
 */
#ifndef VFIO_PCI_QUIESCE_H
#define VFIO_PCI_QUIESCE_H

#include <linux/lockdep.h>
#include <linux/pci_quiesce.h>
#include <linux/vfio_pci_core.h>

void vfio_pci_quiesce_init(struct vfio_pci_core_device *vdev);
void vfio_pci_quiesce_open(struct vfio_pci_core_device *vdev);
void vfio_pci_quiesce_close(struct vfio_pci_core_device *vdev);
void vfio_pci_quiesce_begin_reset(struct vfio_pci_core_device *vdev);
void vfio_pci_quiesce_was_reset(struct vfio_pci_core_device *vdev);
bool vfio_pci_quiesce_trylock_memory(struct vfio_pci_core_device *vdev);
void vfio_pci_ask_and_up_write_memory_lock(struct vfio_pci_core_device *vdev);
u16 vfio_pci_quiesce_turn_on(struct vfio_pci_core_device *vdev);
void vfio_pci_quiesce_turn_back(struct vfio_pci_core_device *vdev, u16 was);
int vfio_pci_access_try(struct vfio_pci_core_device *vdev, bool test_mem);

/**
 * vfio_pci_lost - Does the device not answer, and not come back by itself?
 * @vdev: the device
 *
 * Context: &vfio_pci_quiesce.lock held.
 * Return: true if accesses get ones.
 */
static inline bool vfio_pci_lost(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->quiesce.lock);

	return vdev->quiesce.lost ||
	       (vdev->quiesce.absent && !vdev->quiesce.quiesced);
}

#endif /* VFIO_PCI_QUIESCE_H */

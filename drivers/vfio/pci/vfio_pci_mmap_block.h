/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeping everybody off a device while others have it in hand
 */
#ifndef VFIO_PCI_MMAP_BLOCK_H
#define VFIO_PCI_MMAP_BLOCK_H

#include <linux/lockdep.h>
#include <linux/vfio_pci_core.h>

struct notifier_block;
struct vm_fault;

/* vfio_pci_mmap_block.c */
void vfio_pci_block_init(struct vfio_pci_core_device *vdev);
void vfio_pci_block_register(struct vfio_pci_core_device *vdev);
void vfio_pci_block_unregister(struct vfio_pci_core_device *vdev);
void vfio_pci_block_walk(void (*fn)(struct vfio_pci_core_device *vdev, struct pci_dev *pdev),
			 struct pci_dev *pdev);
void vfio_pci_block(struct vfio_pci_core_device *vdev,
		    enum vfio_pci_block_reason reason);
void vfio_pci_unblock(struct vfio_pci_core_device *vdev,
		      enum vfio_pci_block_reason reason);
int vfio_pci_memory_down_read(struct vfio_pci_core_device *vdev);
bool vfio_pci_memory_down_read_trylock(struct vfio_pci_core_device *vdev);
void vfio_pci_memory_up_read(struct vfio_pci_core_device *vdev);
vm_fault_t vfio_pci_memory_fault_down_read(struct vfio_pci_core_device *vdev,
					   struct vm_fault *vmf);

/* vfio_pci_mmap_reset.c */
void vfio_pci_pf_reset_begin(struct pci_dev *pf);
void vfio_pci_pf_reset_end(struct pci_dev *pf);
extern struct notifier_block vfio_pci_pf_reset_nb;

/* vfio_pci_mmap_aer.c */
int vfio_pci_aer_init(struct vfio_pci_core_device *vdev);
void vfio_pci_aer_destroy(struct vfio_pci_core_device *vdev);
void vfio_pci_aer_open(struct vfio_pci_core_device *vdev);
pci_ers_result_t vfio_pci_aer_begin(struct vfio_pci_core_device *vdev,
				    pci_channel_state_t state);
void vfio_pci_aer_removed(struct vfio_pci_core_device *vdev);

/**
 * vfio_pci_blocked - Must accesses wait?
 * @vdev: the device
 *
 * Context: With &vfio_pci_block.lock held for read, no stays no.
 * Return: true if others have the device in hand.
 */
static inline bool vfio_pci_blocked(struct vfio_pci_core_device *vdev)
{
	return READ_ONCE(vdev->block.reasons);
}

/**
 * vfio_pci_disconnected - Has the PCI core lost the device for good?
 * @vdev: the device
 *
 * Context: Any.
 * Return: true if it has, by its being pulled out for instance.
 */
static inline bool vfio_pci_disconnected(struct vfio_pci_core_device *vdev)
{
	return READ_ONCE(vdev->pdev->error_state) == pci_channel_io_perm_failure;
}

/**
 * vfio_pci_gone - Is there no device any more that could answer?
 * @vdev: the device
 *
 * Context: &vfio_pci_block.lock held.
 * Return: true if it was pulled out, or did not recover from an error.
 */
static inline bool vfio_pci_gone(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->block.lock);

	return vdev->block.gone || vfio_pci_disconnected(vdev);
}

#endif /* VFIO_PCI_MMAP_BLOCK_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeping everybody off a device while others have it in hand
 *
 * A device that VFIO turns off is off until user space turns it on again, and
 * an access meanwhile is an error. One that somebody else has in hand, to reset
 * it or to recover it from an error, comes back by itself: it is blocked, and
 * whoever wants to reach its BARs waits. A process that faults sleeps until the
 * block is lifted, and then sees the device again.
 *
 * vdev->block.reasons is a set of bits, each owned by whoever sets and clears
 * it, see enum vfio_pci_block_reason. The device may be in several hands at a
 * time. A bit is set first; then memory_lock is taken for write and the BARs
 * are zapped. A fault that did not see the bit has its entry in place by then,
 * and it is zapped; one that comes later sees it. It is cleared with no lock
 * held, because those who end a reset hold locks that nest inside memory_lock.
 *
 * vdev->block.gone, which memory_lock covers, is for a device that does not come
 * back.
 *
 * Devices that are registered with VFIO are on a list, for events that come
 * without a driver's callback. vfio_pci_block_lock covers changes to it; who
 * walks it holds vfio_pci_block_srcu, which nests inside memory_lock as well as
 * outside.
 */

#include <linux/file.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/rculist.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>

#include "vfio_pci_mmap_block.h"
#include "vfio_pci_priv.h"

static LIST_HEAD(vfio_pci_block_list);
static DEFINE_SPINLOCK(vfio_pci_block_lock);
DEFINE_STATIC_SRCU(vfio_pci_block_srcu);

/**
 * vfio_pci_block_init - Make what a new device needs to be blocked
 * @vdev: the device, its memory_lock just made
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_block_init(struct vfio_pci_core_device *vdev)
{
	static struct lock_class_key vf_memory_lock;

	/* A VF is blocked with memory_lock of its PF held */
	if (vdev->pdev->is_virtfn)
		lockdep_set_class(&vdev->memory_lock, &vf_memory_lock);

	vdev->block.own = NULL;
	vdev->block.reasons = 0;
	vdev->block.gone = false;
	init_waitqueue_head(&vdev->block.wait);
}

/**
 * vfio_pci_block_register - List a device
 * @vdev: the device, about to be registered with VFIO
 *
 * Context: Any. Does not sleep.
 */
void vfio_pci_block_register(struct vfio_pci_core_device *vdev)
{
	spin_lock(&vfio_pci_block_lock);
	list_add_tail_rcu(&vdev->block.node, &vfio_pci_block_list);
	spin_unlock(&vfio_pci_block_lock);
}

/**
 * vfio_pci_block_unregister - Take a device off the list
 * @vdev: the device, no longer registered with VFIO
 *
 * On return no walk sees it.
 *
 * Context: No memory_lock held. May sleep.
 */
void vfio_pci_block_unregister(struct vfio_pci_core_device *vdev)
{
	spin_lock(&vfio_pci_block_lock);
	list_del_rcu(&vdev->block.node);
	spin_unlock(&vfio_pci_block_lock);

	synchronize_srcu(&vfio_pci_block_srcu);
}

/**
 * vfio_pci_block_walk - Call a function for every registered device
 * @fn: the function, which may sleep
 * @pdev: passed on to @fn
 *
 * Context: May sleep.
 */
void vfio_pci_block_walk(void (*fn)(struct vfio_pci_core_device *vdev, struct pci_dev *pdev),
			 struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev;
	int idx;

	idx = srcu_read_lock(&vfio_pci_block_srcu);
	list_for_each_entry_srcu(vdev, &vfio_pci_block_list, block.node,
				 srcu_read_lock_held(&vfio_pci_block_srcu))
		fn(vdev, pdev);
	srcu_read_unlock(&vfio_pci_block_srcu, idx);
}

/**
 * vfio_pci_block - Zap the BARs of a device and keep everybody off them
 * @vdev: the device
 * @reason: the caller's reason, which stays until vfio_pci_unblock()
 *
 * Context: memory_lock not held. May sleep.
 */
void vfio_pci_block(struct vfio_pci_core_device *vdev,
		    enum vfio_pci_block_reason reason)
{
	set_bit(reason, &vdev->block.reasons);
	vfio_pci_zap_and_down_write_memory_lock(vdev);
	up_write(&vdev->memory_lock);
}

/**
 * vfio_pci_unblock - Let go of a device
 * @vdev: the device
 * @reason: as in vfio_pci_block(); nothing happens if that was not called
 *
 * Whoever waits goes on, unless there is another reason to wait.
 *
 * Context: Any. Does not sleep.
 */
void vfio_pci_unblock(struct vfio_pci_core_device *vdev,
		      enum vfio_pci_block_reason reason)
{
	clear_bit(reason, &vdev->block.reasons);
	wake_up_all(&vdev->block.wait);
}

static int vfio_pci_block_wait(struct vfio_pci_core_device *vdev)
{
	return wait_event_killable(vdev->block.wait, !vfio_pci_blocked(vdev));
}

/**
 * vfio_pci_memory_down_read - Take memory_lock for read, with nobody else at work
 * @vdev: the device
 *
 * Whether the device answers is for the caller to check.
 *
 * Context: memory_lock not held; held for read on success. May sleep for as long
 * as others have the device in hand.
 * Return: 0, or -ERESTARTSYS if the task was killed while it waited.
 */
int vfio_pci_memory_down_read(struct vfio_pci_core_device *vdev)
{
	int ret;

	for (;;) {
		down_read(&vdev->memory_lock);
		if (!vfio_pci_blocked(vdev))
			return 0;
		up_read(&vdev->memory_lock);

		ret = vfio_pci_block_wait(vdev);
		if (ret)
			return ret;
	}
}

/**
 * vfio_pci_memory_fault_down_read - Take memory_lock for read in a fault
 * @vdev: the device
 * @vmf: the fault
 *
 * If it has to wait for others, lets go of the locks of the mm before, where the
 * fault allows that.
 *
 * Context: In a fault, memory_lock not held. May sleep for as long as others have
 * the device in hand.
 * Return: 0 with memory_lock held for read. Otherwise what the fault must
 * return, with memory_lock not held: VM_FAULT_RETRY, or VM_FAULT_NOPAGE if the
 * task was killed.
 */
vm_fault_t vfio_pci_memory_fault_down_read(struct vfio_pci_core_device *vdev,
					   struct vm_fault *vmf)
{
	struct file *file;

	down_read(&vdev->memory_lock);
	if (likely(!vfio_pci_blocked(vdev)))
		return 0;
	up_read(&vdev->memory_lock);

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return vfio_pci_memory_down_read(vdev) ? VM_FAULT_NOPAGE : 0;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	/* The VMA, which holds the device, may go as soon as the lock does */
	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	vfio_pci_block_wait(vdev);
	fput(file);
	return VM_FAULT_RETRY;
}

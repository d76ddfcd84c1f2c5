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
 * memory_lock is of no use here. Whoever holds it may wait for configuration
 * space or for pci_bus_sem, and the PCI core holds these, and the device lock,
 * when it calls. vdev->block.lock nests inside all of them. Whoever reaches for
 * a BAR, by an entry in a page table or by an access of the kernel's own, holds
 * memory_lock and block.lock for read from the check until it is done. Whoever
 * blocks the device holds block.lock for write while it says so and zaps. What
 * was under way is over by then, and nothing begins later.
 *
 * vdev->block.reasons is a set of bits, each owned by whoever sets and clears
 * it, see enum vfio_pci_block_reason: the device may be in several hands at a
 * time. A bit is set with block.lock held for write and cleared without.
 * block.lock also covers block.gone and block.resumed, see vfio_pci_mmap_aer.c.
 *
 * Devices that are registered with VFIO are on a list, for events that come
 * without a driver's callback. vfio_pci_block_mutex covers it. It nests inside
 * memory_lock and outside block.lock.
 */

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>

#include "vfio_pci_mmap_block.h"
#include "vfio_pci_mmap_zap.h"
#include "vfio_pci_priv.h"

static LIST_HEAD(vfio_pci_block_list);
static DEFINE_MUTEX(vfio_pci_block_mutex);

/**
 * vfio_pci_block_init - Make what a new device needs to be blocked
 * @vdev: the device
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_block_init(struct vfio_pci_core_device *vdev)
{
	init_rwsem(&vdev->block.lock);
	vdev->block.reasons = 0;
	vdev->block.gone = false;
	init_waitqueue_head(&vdev->block.wait);
}

/**
 * vfio_pci_block_register - List a device
 * @vdev: the device, about to be registered with VFIO
 *
 * Context: May sleep.
 */
void vfio_pci_block_register(struct vfio_pci_core_device *vdev)
{
	mutex_lock(&vfio_pci_block_mutex);
	list_add_tail(&vdev->block.node, &vfio_pci_block_list);
	mutex_unlock(&vfio_pci_block_mutex);
}

/**
 * vfio_pci_block_unregister - Take a device off the list
 * @vdev: the device, no longer registered with VFIO
 *
 * Context: May sleep.
 */
void vfio_pci_block_unregister(struct vfio_pci_core_device *vdev)
{
	mutex_lock(&vfio_pci_block_mutex);
	list_del(&vdev->block.node);
	mutex_unlock(&vfio_pci_block_mutex);
}

/**
 * vfio_pci_block_walk - Call a function for every registered device
 * @fn: the function, which may block the device, and may not take memory_lock
 * @pdev: passed on to @fn
 *
 * Context: May sleep.
 */
void vfio_pci_block_walk(void (*fn)(struct vfio_pci_core_device *vdev, struct pci_dev *pdev),
			 struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev;

	mutex_lock(&vfio_pci_block_mutex);
	list_for_each_entry(vdev, &vfio_pci_block_list, block.node)
		fn(vdev, pdev);
	mutex_unlock(&vfio_pci_block_mutex);
}

/**
 * vfio_pci_block - Zap the BARs of a device and keep everybody off them
 * @vdev: the device
 * @reason: the caller's reason, which stays until vfio_pci_unblock()
 *
 * Context: &vfio_pci_block.lock not held; memory_lock may be. May sleep.
 */
void vfio_pci_block(struct vfio_pci_core_device *vdev,
		    enum vfio_pci_block_reason reason)
{
	down_write(&vdev->block.lock);
	set_bit(reason, &vdev->block.reasons);
	vfio_pci_zap_bars(vdev);
	up_write(&vdev->block.lock);
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

static int vfio_pci_block_wait(struct vfio_pci_core_device *vdev,
			       unsigned int state)
{
	return wait_event_state(vdev->block.wait, !vfio_pci_blocked(vdev),
				state);
}

/**
 * vfio_pci_memory_down_read - Get ready to access a BAR
 * @vdev: the device
 *
 * Whether the device answers is for the caller to check.
 *
 * Context: On success memory_lock and &vfio_pci_block.lock are held for read,
 * and the device is not blocked. May sleep for as long as it is.
 * Return: 0, or -ERESTARTSYS if the task was killed while it waited.
 */
int vfio_pci_memory_down_read(struct vfio_pci_core_device *vdev)
{
	int ret;

	for (;;) {
		down_read(&vdev->memory_lock);
		down_read(&vdev->block.lock);
		if (!vfio_pci_blocked(vdev))
			return 0;
		vfio_pci_memory_up_read(vdev);

		ret = vfio_pci_block_wait(vdev, TASK_KILLABLE);
		if (ret)
			return ret;
	}
}

/**
 * vfio_pci_memory_down_read_trylock - Get ready to access a BAR, or do not wait
 * @vdev: the device
 *
 * Context: As vfio_pci_memory_down_read(), but does not sleep.
 * Return: true on success, false if the caller would have to wait.
 */
bool vfio_pci_memory_down_read_trylock(struct vfio_pci_core_device *vdev)
{
	if (!down_read_trylock(&vdev->memory_lock))
		return false;
	if (!down_read_trylock(&vdev->block.lock)) {
		up_read(&vdev->memory_lock);
		return false;
	}
	if (!vfio_pci_blocked(vdev))
		return true;

	vfio_pci_memory_up_read(vdev);
	return false;
}

/**
 * vfio_pci_memory_up_read - Be done with an access to a BAR
 * @vdev: the device
 *
 * Context: After vfio_pci_memory_down_read(). Does not sleep.
 */
void vfio_pci_memory_up_read(struct vfio_pci_core_device *vdev)
{
	up_read(&vdev->block.lock);
	up_read(&vdev->memory_lock);
}

/*
 * Wait until memory_lock is free and the device is not blocked, or for a signal that
 * the fault can be left for. One from the kernel is tried again at once where the
 * signal is not fatal: only that ends its wait.
 */
static int vfio_pci_memory_fault_wait(struct vfio_pci_core_device *vdev,
				      unsigned int flags)
{
	unsigned int state = TASK_UNINTERRUPTIBLE;
	int ret = 0;

	if (flags & FAULT_FLAG_INTERRUPTIBLE && flags & FAULT_FLAG_USER)
		state = TASK_INTERRUPTIBLE;
	else if (flags & (FAULT_FLAG_INTERRUPTIBLE | FAULT_FLAG_KILLABLE))
		state = TASK_KILLABLE;

	if (state == TASK_INTERRUPTIBLE)
		ret = down_read_interruptible(&vdev->memory_lock);
	else if (state == TASK_KILLABLE)
		ret = down_read_killable(&vdev->memory_lock);
	else
		down_read(&vdev->memory_lock);
	if (ret)
		return ret;
	up_read(&vdev->memory_lock);

	return vfio_pci_block_wait(vdev, state);
}

/**
 * vfio_pci_memory_fault_down_read - Take memory_lock for read in a fault
 * @vdev: the device
 * @vmf: the fault
 *
 * If memory_lock is taken, or the device is blocked, waits, and lets go of the locks
 * of the mm before, where the fault allows that: a reset takes its time, and other
 * threads may want mmap_lock. The device may be blocked again on return:
 * vfio_pci_vmf_insert_pfn() has the last look.
 *
 * Context: In a fault, memory_lock not held. May sleep for as long as others have
 * the device in hand.
 * Return: 0 with memory_lock held for read. Otherwise what the fault must
 * return, with memory_lock not held: VM_FAULT_RETRY; VM_FAULT_NOPAGE if the fault
 * has to be taken anew; VM_FAULT_SIGBUS if a task was killed that cannot take it anew.
 */
vm_fault_t vfio_pci_memory_fault_down_read(struct vfio_pci_core_device *vdev,
					   struct vm_fault *vmf)
{
	struct file *file;

	if (likely(down_read_trylock(&vdev->memory_lock))) {
		if (likely(!vfio_pci_blocked(vdev)))
			return 0;
		up_read(&vdev->memory_lock);
	}

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY)) {
		return vfio_pci_memory_fault_wait(vdev, FAULT_FLAG_KILLABLE) ?
		       VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
	}
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	/* The VMA, which holds the device, may go as soon as the lock does */
	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	vfio_pci_memory_fault_wait(vdev, vmf->flags);
	fput(file);
	return VM_FAULT_RETRY;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that VFIO does not start
 *
 * A reset from sysfs, by another driver or for another function of the same bus
 * makes the device stop answering as any other does. The PCI core announces it
 * with reset_prepare and ends it with reset_done: between the two the BARs are
 * zapped and stay so, and whoever wants to reach them waits. A process that
 * faults sleeps until the reset is over, and then sees the device again.
 *
 * VFIO's own resets come by here too. They have zapped and hold memory_lock for
 * write until they are over, so there is nothing left to do for them; they are
 * told by vdev->foreign_reset.vfio, the task that runs one.
 *
 * The PCI core calls with the device lock held, and mostly with accesses to
 * configuration space locked. memory_lock nests inside the device lock: whoever
 * holds memory_lock only tries for the device lock. It does not nest inside the
 * lock of configuration space, which a write to PCI_COMMAND waits for while it
 * holds memory_lock. Therefore reset_prepare gives that one up while it takes
 * memory_lock, and reset_done takes no lock at all.
 */

#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/sched.h>

#include "vfio_pci_mmap_reset.h"
#include "vfio_pci_priv.h"

/**
 * vfio_pci_foreign_reset_init - Make what a new device needs to wait for resets
 * @vdev: the device
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_foreign_reset_init(struct vfio_pci_core_device *vdev)
{
	vdev->foreign_reset.vfio = NULL;
	vdev->foreign_reset.running = false;
	init_waitqueue_head(&vdev->foreign_reset.wait);
}

/**
 * vfio_pci_own_reset_begin - Say that a reset to come is VFIO's own
 * @vdev: a device that the reset is for, zapped
 *
 * Context: &vfio_pci_core_device.memory_lock held for write, until after
 * vfio_pci_own_reset_end(). Does not sleep.
 */
void vfio_pci_own_reset_begin(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held_write(&vdev->memory_lock);

	WRITE_ONCE(vdev->foreign_reset.vfio, current);
}

/**
 * vfio_pci_own_reset_end - Say that VFIO's own reset is over
 * @vdev: the device
 *
 * Context: As vfio_pci_own_reset_begin(), by the same task.
 */
void vfio_pci_own_reset_end(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held_write(&vdev->memory_lock);

	WRITE_ONCE(vdev->foreign_reset.vfio, NULL);
}

/**
 * vfio_pci_core_reset_prepare - Zap the BARs of a device about to be reset
 * @pdev: the device
 *
 * For &pci_error_handlers.reset_prepare. A driver that uses it calls
 * vfio_pci_core_reset_done() in its reset_done.
 *
 * Context: Device lock held, memory_lock not, unless the caller is within a
 * reset of VFIO's own. May sleep.
 */
void vfio_pci_core_reset_prepare(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = dev_get_drvdata(&pdev->dev);
	/* Set by the caller or not at all: others may change its neighbours */
	bool config_locked = data_race((bool)pdev->block_cfg_access);

	if (READ_ONCE(vdev->foreign_reset.vfio) == current)
		return;

	if (config_locked)
		pci_cfg_access_unlock(pdev);

	vfio_pci_zap_and_down_write_memory_lock(vdev);
	WRITE_ONCE(vdev->foreign_reset.running, true);
	up_write(&vdev->memory_lock);

	if (config_locked)
		pci_cfg_access_lock(pdev);
}
EXPORT_SYMBOL_GPL(vfio_pci_core_reset_prepare);

/**
 * vfio_pci_core_reset_done - Let faults in again after a reset
 * @pdev: the device, which answers as it did before the reset
 *
 * For &pci_error_handlers.reset_done.
 *
 * Context: Device lock held. Takes no other lock.
 */
void vfio_pci_core_reset_done(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = dev_get_drvdata(&pdev->dev);

	if (READ_ONCE(vdev->foreign_reset.vfio) == current)
		return;

	WRITE_ONCE(vdev->foreign_reset.running, false);
	wake_up_all(&vdev->foreign_reset.wait);
}
EXPORT_SYMBOL_GPL(vfio_pci_core_reset_done);

static int vfio_pci_foreign_reset_wait(struct vfio_pci_core_device *vdev)
{
	return wait_event_killable(vdev->foreign_reset.wait,
				   !READ_ONCE(vdev->foreign_reset.running));
}

/**
 * vfio_pci_memory_down_read - Take memory_lock for read, outside of any reset
 * @vdev: the device
 *
 * Whether the device answers is for the caller to check.
 *
 * Context: memory_lock not held; held for read on success. May sleep for as long
 * as a reset takes.
 * Return: 0, or -ERESTARTSYS if the task was killed while it waited.
 */
int vfio_pci_memory_down_read(struct vfio_pci_core_device *vdev)
{
	int ret;

	for (;;) {
		down_read(&vdev->memory_lock);
		if (!READ_ONCE(vdev->foreign_reset.running))
			return 0;
		up_read(&vdev->memory_lock);

		ret = vfio_pci_foreign_reset_wait(vdev);
		if (ret)
			return ret;
	}
}

/**
 * vfio_pci_memory_fault_down_read - Take memory_lock for read in a fault
 * @vdev: the device
 * @vmf: the fault
 *
 * If there is a reset to wait for, lets go of the locks of the mm before it
 * waits, where the fault allows that.
 *
 * Context: In a fault, memory_lock not held. May sleep for as long as a reset
 * takes.
 * Return: 0 with memory_lock held for read. Otherwise what the fault must
 * return, with memory_lock not held: VM_FAULT_RETRY, or VM_FAULT_NOPAGE if the
 * task was killed.
 */
vm_fault_t vfio_pci_memory_fault_down_read(struct vfio_pci_core_device *vdev,
					   struct vm_fault *vmf)
{
	struct file *file;

	down_read(&vdev->memory_lock);
	if (likely(!READ_ONCE(vdev->foreign_reset.running)))
		return 0;
	up_read(&vdev->memory_lock);

	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY))
		return vfio_pci_memory_down_read(vdev) ? VM_FAULT_NOPAGE : 0;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	/* The VMA, which holds the device, may go as soon as the lock does */
	file = get_file(vmf->vma->vm_file);
	release_fault_lock(vmf);
	vfio_pci_foreign_reset_wait(vdev);
	fput(file);
	return VM_FAULT_RETRY;
}

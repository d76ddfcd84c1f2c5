// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors that the PCI core recovers a device from, and devices that are gone
 *
 * A device in pci_channel_io_frozen is blocked, until the PCI core either
 * resumes it or gives it up. In between, its slot has been reset: slot_reset puts
 * configuration space back as it was when the driver got the device, but for
 * decode and bus mastering, which are off. Once resumed, decode becomes what user
 * space has set. After an error that is not fatal the device answers, and nothing
 * is taken away.
 *
 * The PCI core calls with the device lock and pci_bus_sem held. memory_lock, which
 * covers what user space has set, does not nest inside the latter, so the last
 * step is for a work item. A new error may come before it: vdev->block.resumed
 * says whether it still has to be done.
 *
 * A device that was given up is gone until it is opened anew, which resets it.
 * One that was pulled out is gone for good. The PCI core marks all functions that
 * went at once, but calls the drivers one by one, and each call waits until user
 * space has let go of that function. The first call therefore zaps them all.
 *
 * vdev->block.pristine belongs to the driver, from before the device is registered
 * until after.
 */

#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "vfio_pci_mmap_block.h"
#include "vfio_pci_mmap_zap.h"

/* Take the device as it was when it was reset to what user space makes of it */
static void vfio_pci_aer_resume(struct work_struct *work)
{
	struct vfio_pci_core_device *vdev =
		container_of(work, struct vfio_pci_core_device, block.resume);
	const u16 decode = PCI_COMMAND_IO | PCI_COMMAND_MEMORY;
	u16 cmd;

	down_write(&vdev->memory_lock);
	down_write(&vdev->block.lock);
	if (vdev->block.resumed) {
		if (vdev->vconfig) {
			pci_read_config_word(vdev->pdev, PCI_COMMAND, &cmd);
			cmd &= ~decode;
			cmd |= le16_to_cpu(*(__le16 *)&vdev->vconfig[PCI_COMMAND]) &
			       decode;
			pci_write_config_word(vdev->pdev, PCI_COMMAND, cmd);
		}
		vdev->block.gone = false;
		vfio_pci_unblock(vdev, VFIO_PCI_BLOCK_RECOVERY);
	}
	up_write(&vdev->block.lock);
	up_write(&vdev->memory_lock);
}

/**
 * vfio_pci_aer_init - Keep what a reset of the slot would lose
 * @vdev: a new device, in D0
 *
 * Context: Before the device is registered. May sleep.
 * Return: 0, or -ENOMEM.
 */
int vfio_pci_aer_init(struct vfio_pci_core_device *vdev)
{
	INIT_WORK(&vdev->block.resume, vfio_pci_aer_resume);
	vdev->block.resumed = false;

	pci_save_state(vdev->pdev);
	vdev->block.pristine = pci_store_saved_state(vdev->pdev);
	return vdev->block.pristine ? 0 : -ENOMEM;
}

/**
 * vfio_pci_aer_destroy - Undo vfio_pci_aer_init()
 * @vdev: the device
 *
 * Context: After the device is unregistered. May sleep.
 */
void vfio_pci_aer_destroy(struct vfio_pci_core_device *vdev)
{
	cancel_work_sync(&vdev->block.resume);
	kfree(vdev->block.pristine);
	vdev->block.pristine = NULL;
}

/**
 * vfio_pci_aer_open - Give a device another chance
 * @vdev: the device, being opened
 *
 * Context: May sleep.
 */
void vfio_pci_aer_open(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->block.lock);
	vdev->block.gone = false;
	up_write(&vdev->block.lock);
}

static void vfio_pci_aer_block(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->block.lock);
	set_bit(VFIO_PCI_BLOCK_RECOVERY, &vdev->block.reasons);
	vdev->block.resumed = false;
	vfio_pci_zap_bars(vdev);
	up_write(&vdev->block.lock);
}

static void vfio_pci_aer_set_gone(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->block.lock);
	vdev->block.gone = true;
	vdev->block.resumed = false;
	vfio_pci_zap_bars(vdev);
	vfio_pci_unblock(vdev, VFIO_PCI_BLOCK_RECOVERY);
	up_write(&vdev->block.lock);
}

static bool vfio_pci_aer_blocked(struct vfio_pci_core_device *vdev)
{
	return test_bit(VFIO_PCI_BLOCK_RECOVERY, &vdev->block.reasons);
}

/**
 * vfio_pci_aer_begin - Act on an error of the device
 * @vdev: the device
 * @state: what the PCI core says of it
 *
 * Context: As &pci_error_handlers.error_detected: device lock held, memory_lock
 * not. May sleep.
 * Return: what the PCI core shall do: PCI_ERS_RESULT_NEED_RESET,
 * PCI_ERS_RESULT_DISCONNECT or PCI_ERS_RESULT_CAN_RECOVER.
 */
pci_ers_result_t vfio_pci_aer_begin(struct vfio_pci_core_device *vdev,
				    pci_channel_state_t state)
{
	device_lock_assert(&vdev->pdev->dev);

	switch (state) {
	case pci_channel_io_frozen:
		vfio_pci_aer_block(vdev);
		return PCI_ERS_RESULT_NEED_RESET;
	case pci_channel_io_perm_failure:
		/* What was not frozen has not been reset, and works on */
		if (vfio_pci_aer_blocked(vdev) || vfio_pci_disconnected(vdev))
			vfio_pci_aer_set_gone(vdev);
		return PCI_ERS_RESULT_DISCONNECT;
	default:
		return PCI_ERS_RESULT_CAN_RECOVER;
	}
}

/**
 * vfio_pci_core_slot_reset - Restore a device after a reset of its slot
 * @pdev: the device
 *
 * For &pci_error_handlers.slot_reset, next to vfio_pci_core_resume() and
 * vfio_pci_core_aer_err_detected().
 *
 * Context: Device lock and pci_bus_sem held. May sleep.
 * Return: PCI_ERS_RESULT_RECOVERED, or PCI_ERS_RESULT_DISCONNECT if the device
 * does not respond.
 */
pci_ers_result_t vfio_pci_core_slot_reset(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = dev_get_drvdata(&pdev->dev);
	u16 cmd;

	device_lock_assert(&pdev->dev);

	/* The error may have frozen but other devices of the slot */
	vfio_pci_aer_block(vdev);
	if (!pci_device_is_present(pdev) ||
	    pci_load_saved_state(pdev, vdev->block.pristine))
		return PCI_ERS_RESULT_DISCONNECT;

	pci_cfg_access_lock(pdev);
	pci_set_power_state_locked(pdev, PCI_D0);
	pci_restore_state(pdev);
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	cmd &= ~(PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	pci_write_config_word(pdev, PCI_COMMAND, cmd);
	pci_cfg_access_unlock(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}
EXPORT_SYMBOL_GPL(vfio_pci_core_slot_reset);

/**
 * vfio_pci_core_resume - Let faults in again after an error
 * @pdev: the device, which answers
 *
 * For &pci_error_handlers.resume.
 *
 * Context: Device lock and pci_bus_sem held. May sleep.
 */
void vfio_pci_core_resume(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *vdev = dev_get_drvdata(&pdev->dev);

	device_lock_assert(&pdev->dev);

	if (!vfio_pci_aer_blocked(vdev))
		return;

	down_write(&vdev->block.lock);
	vdev->block.resumed = true;
	up_write(&vdev->block.lock);
	schedule_work(&vdev->block.resume);
}
EXPORT_SYMBOL_GPL(vfio_pci_core_resume);

static void vfio_pci_aer_zap_disconnected(struct vfio_pci_core_device *vdev,
					  struct pci_dev *unused)
{
	if (vfio_pci_disconnected(vdev))
		vfio_pci_aer_set_gone(vdev);
}

/**
 * vfio_pci_aer_removed - Zap what was pulled out, before anybody waits for it
 * @vdev: a device that is being removed from its driver
 *
 * Context: Device lock held, memory_lock not. May sleep.
 */
void vfio_pci_aer_removed(struct vfio_pci_core_device *vdev)
{
	device_lock_assert(&vdev->pdev->dev);

	/* A driver that is on its way out is not told how the recovery ends */
	flush_work(&vdev->block.resume);
	if (vfio_pci_aer_blocked(vdev))
		vfio_pci_aer_set_gone(vdev);

	vfio_pci_block_walk(vfio_pci_aer_zap_disconnected, NULL);
}

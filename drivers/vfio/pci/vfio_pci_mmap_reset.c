// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that VFIO does not start
 *
 * A reset from sysfs, by another driver or for another function of the same bus
 * makes the device stop answering as any other does. The PCI core announces it
 * with reset_prepare and ends it with reset_done; between the two the device is
 * blocked. The reset of a PF takes its VFs along: the PCI core says so to those
 * who look after VFs by a notifier.
 *
 * VFIO's own resets come by here too. They have zapped and hold memory_lock for
 * write until they are over, so there is nothing left to do for them; they are
 * told by vdev->block.own, the task that runs one.
 *
 * The PCI core calls with the device lock held, and mostly with accesses to
 * configuration space locked. memory_lock nests inside the device lock: whoever
 * holds memory_lock only tries for the device lock. It does not nest inside the
 * lock of configuration space, which a write to PCI_COMMAND waits for while it
 * holds memory_lock. Therefore reset_prepare gives that one up while it takes
 * memory_lock, and reset_done takes no lock at all.
 */

#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/sched.h>

#include "vfio_pci_mmap_block.h"
#include "vfio_pci_priv.h"

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

	WRITE_ONCE(vdev->block.own, current);
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

	WRITE_ONCE(vdev->block.own, NULL);
}

static bool vfio_pci_own_reset(struct vfio_pci_core_device *vdev)
{
	return READ_ONCE(vdev->block.own) == current;
}

/* Is configuration space locked? Of use only to those who know by whom. */
static bool vfio_pci_config_locked(struct pci_dev *pdev)
{
	/* A bit among others, which may change */
	return data_race((bool)pdev->block_cfg_access);
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
	/* By the caller or by nobody: the device lock is held */
	bool config_locked = vfio_pci_config_locked(pdev);

	device_lock_assert(&pdev->dev);

	if (vfio_pci_own_reset(vdev))
		return;

	if (config_locked)
		pci_cfg_access_unlock(pdev);

	vfio_pci_block(vdev, VFIO_PCI_BLOCK_RESET);

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

	device_lock_assert(&pdev->dev);

	if (!vfio_pci_own_reset(vdev))
		vfio_pci_unblock(vdev, VFIO_PCI_BLOCK_RESET);
}
EXPORT_SYMBOL_GPL(vfio_pci_core_reset_done);

static void vfio_pci_vf_block(struct vfio_pci_core_device *vdev,
			      struct pci_dev *pf)
{
	struct pci_dev *pdev = vdev->pdev;

	if (!pdev->is_virtfn || pci_physfn(pdev) != pf || vfio_pci_own_reset(vdev))
		return;

	/*
	 * With its configuration space locked, the VF is being reset itself,
	 * by the caller, together with the PF, or by somebody else. Who does so
	 * zaps it. The caller must not: whoever has memory_lock may wait for
	 * configuration space.
	 */
	if (vfio_pci_config_locked(pdev))
		set_bit(VFIO_PCI_BLOCK_PF_RESET, &vdev->block.reasons);
	else
		vfio_pci_block(vdev, VFIO_PCI_BLOCK_PF_RESET);
}

static void vfio_pci_vf_unblock(struct vfio_pci_core_device *vdev,
				struct pci_dev *pf)
{
	if (vdev->pdev->is_virtfn && pci_physfn(vdev->pdev) == pf)
		vfio_pci_unblock(vdev, VFIO_PCI_BLOCK_PF_RESET);
}

/**
 * vfio_pci_pf_reset_begin - Zap the BARs of the VFs of a PF about to be reset
 * @pf: the PF; any other device has no VFs, which is fine
 *
 * Context: No memory_lock held but that of the PF. May sleep.
 */
void vfio_pci_pf_reset_begin(struct pci_dev *pf)
{
	vfio_pci_block_walk(vfio_pci_vf_block, pf);
}

/**
 * vfio_pci_pf_reset_end - Let faults in again after the reset of a PF
 * @pf: the PF, which has its VFs back
 *
 * Context: As vfio_pci_pf_reset_begin().
 */
void vfio_pci_pf_reset_end(struct pci_dev *pf)
{
	vfio_pci_block_walk(vfio_pci_vf_unblock, pf);
}

static int vfio_pci_pf_reset_notify(struct notifier_block *nb,
				    unsigned long event, void *pf)
{
	if (event == PCI_PF_RESET_PREPARE)
		vfio_pci_pf_reset_begin(pf);
	else
		vfio_pci_pf_reset_end(pf);
	return NOTIFY_DONE;
}

/* Brings the resets of PFs that the PCI core runs */
struct notifier_block vfio_pci_pf_reset_nb = {
	.notifier_call = vfio_pci_pf_reset_notify,
};

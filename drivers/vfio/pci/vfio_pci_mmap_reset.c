// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets that VFIO does not start
 *
 * A reset from sysfs, by another driver or for another function of the same bus
 * makes the device stop answering as any other does. The PCI core announces it
 * with reset_prepare and ends it with reset_done, both with the device lock held;
 * between the two the device is blocked.
 *
 * The reset of a PF takes its VFs along. The PCI core says so by a notifier, and
 * VFIO, which resets a PF when it is closed, by vfio_pci_pf_reset_begin().
 *
 * VFIO's own resets come by here too. They have zapped and hold memory_lock for
 * write until they are over: to be blocked in addition does no harm.
 */

#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/pci_pf_reset.h>

#include "vfio_pci_mmap_block.h"

/**
 * vfio_pci_core_reset_prepare - Zap the BARs of a device about to be reset
 * @pdev: the device
 *
 * For &pci_error_handlers.reset_prepare. A driver that uses it calls
 * vfio_pci_core_reset_done() in its reset_done.
 *
 * Context: Device lock held; memory_lock may be. May sleep.
 */
void vfio_pci_core_reset_prepare(struct pci_dev *pdev)
{
	device_lock_assert(&pdev->dev);

	vfio_pci_block(dev_get_drvdata(&pdev->dev), VFIO_PCI_BLOCK_RESET);
}
EXPORT_SYMBOL_GPL(vfio_pci_core_reset_prepare);

/**
 * vfio_pci_core_reset_done - Let faults in again after a reset
 * @pdev: the device, which answers as it did before the reset
 *
 * For &pci_error_handlers.reset_done.
 *
 * Context: Device lock held. Does not sleep.
 */
void vfio_pci_core_reset_done(struct pci_dev *pdev)
{
	device_lock_assert(&pdev->dev);

	vfio_pci_unblock(dev_get_drvdata(&pdev->dev), VFIO_PCI_BLOCK_RESET);
}
EXPORT_SYMBOL_GPL(vfio_pci_core_reset_done);

static bool vfio_pci_is_vf_of(struct vfio_pci_core_device *vdev,
			      struct pci_dev *pf)
{
	return vdev->pdev->is_virtfn && pci_physfn(vdev->pdev) == pf;
}

static void vfio_pci_vf_block(struct vfio_pci_core_device *vdev,
			      struct pci_dev *pf)
{
	if (vfio_pci_is_vf_of(vdev, pf))
		vfio_pci_block(vdev, VFIO_PCI_BLOCK_PF_RESET);
}

static void vfio_pci_vf_unblock(struct vfio_pci_core_device *vdev,
				struct pci_dev *pf)
{
	if (vfio_pci_is_vf_of(vdev, pf))
		vfio_pci_unblock(vdev, VFIO_PCI_BLOCK_PF_RESET);
}

/**
 * vfio_pci_pf_reset_begin - Zap the BARs of the VFs of a PF about to be reset
 * @pf: the PF; any other device has no VFs, which is fine
 *
 * Context: May sleep.
 */
void vfio_pci_pf_reset_begin(struct pci_dev *pf)
{
	vfio_pci_block_walk(vfio_pci_vf_block, pf);
}

/**
 * vfio_pci_pf_reset_end - Let faults in again after the reset of a PF
 * @pf: the PF, which has its VFs back
 *
 * Context: May sleep.
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

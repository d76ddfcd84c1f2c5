// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answering for a BAR that is off, as hardware does
 *
 * An access to a BAR whose device does not answer raises SIGBUS, unless somebody
 * who knows better has asked for what hardware does: reads give all ones, writes go
 * nowhere. The fault then maps a page that is filled with ones and belongs to the
 * device, the same one everywhere. It is a page of memory, so what is written to it
 * can be read from it while the device is off; it is fresh the next time.
 *
 * vdev->ones.page is the policy: there is one, or accesses raise SIGBUS. It is
 * covered by memory_lock. It is allocated when the policy is chosen, so that a fault
 * need not, and freed no later than the device is closed: no VMA is left then, as
 * each holds the device open. Who opens the device next has a page of its own.
 *
 * Page-table entries for it follow the rules of those for the device, see
 * vfio_pci_mmap.c, and every zap takes them away. vdev->ones.used says that there
 * may be some, or that the page may have been written to. It is set with memory_lock
 * and block.lock held for read. vfio_pci_ones_drop() clears it with memory_lock held
 * for write, before the device is turned off and after it may have been turned on.
 *
 * The page is for the CPU alone. A fault on behalf of another task, as in a DMA map,
 * does not get it, and where it is mapped already, DMA maps refuse it: it is no page
 * of a device, and no page that may be pinned either.
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/rwsem.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "vfio_pci_mmap_ones.h"
#include "vfio_pci_mmap_zap.h"
#include "vfio_pci_priv.h"

static const char * const vfio_pci_ones_policies[] = {
	[VFIO_DEVICE_DISABLED_BAR_SIGBUS] = "sigbus",
	[VFIO_DEVICE_DISABLED_BAR_ONES] = "ones",
};

static int disabled_bar = VFIO_DEVICE_DISABLED_BAR_SIGBUS;

static int vfio_pci_ones_param_set(const char *val,
				   const struct kernel_param *kp)
{
	int policy = sysfs_match_string(vfio_pci_ones_policies, val);

	if (policy < 0)
		return policy;
	WRITE_ONCE(disabled_bar, policy);
	return 0;
}

static int vfio_pci_ones_param_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n",
			  vfio_pci_ones_policies[READ_ONCE(disabled_bar)]);
}

static const struct kernel_param_ops vfio_pci_ones_param_ops = {
	.set = vfio_pci_ones_param_set,
	.get = vfio_pci_ones_param_get,
};
module_param_cb(disabled_bar, &vfio_pci_ones_param_ops, NULL, 0644);
MODULE_PARM_DESC(disabled_bar, "What an access to a BAR gets while the device does not answer, for devices opened later, unless user space chooses by VFIO_DEVICE_FEATURE_DISABLED_BAR: sigbus (default) or ones");

static void vfio_pci_ones_fill(struct page *page)
{
	memset(page_address(page), 0xff, PAGE_SIZE);
}

/* Take the page of ones away: on return it is mapped nowhere, and fresh */
static void vfio_pci_ones_drop(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held_write(&vdev->memory_lock);

	if (!vdev->ones.used)
		return;

	vfio_pci_zap_bars(vdev);
	vfio_pci_ones_fill(vdev->ones.page);
	vdev->ones.used = false;
}

/* Becomes or stays the policy on success, with nothing mapped of the old page */
static int vfio_pci_ones_set(struct vfio_pci_core_device *vdev, u32 policy)
{
	struct page *page = NULL;

	if (policy == VFIO_DEVICE_DISABLED_BAR_ONES) {
		page = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!page)
			return -ENOMEM;
		vfio_pci_ones_fill(page);
	}

	down_write(&vdev->memory_lock);
	vfio_pci_ones_drop(vdev);
	swap(page, vdev->ones.page);
	up_write(&vdev->memory_lock);

	if (page)
		__free_page(page);
	return 0;
}

/**
 * vfio_pci_ones_open - Take up the policy that the administrator has chosen
 * @vdev: the device, being opened
 *
 * Context: memory_lock not held. May sleep.
 * Return: 0, or -ENOMEM.
 */
int vfio_pci_ones_open(struct vfio_pci_core_device *vdev)
{
	return vfio_pci_ones_set(vdev, READ_ONCE(disabled_bar));
}

/**
 * vfio_pci_ones_close - Free the page of ones
 * @vdev: the device, being closed, which nobody maps
 *
 * Context: memory_lock not held. May sleep.
 */
void vfio_pci_ones_close(struct vfio_pci_core_device *vdev)
{
	vfio_pci_ones_set(vdev, VFIO_DEVICE_DISABLED_BAR_SIGBUS);
}

/**
 * vfio_pci_ones_feature - Let user space choose what a disabled BAR gives
 * @vdev: the device, open
 * @flags: of &struct vfio_device_feature
 * @arg: data of the feature, VFIO_DEVICE_FEATURE_DISABLED_BAR
 * @argsz: how much there is of it, in bytes
 *
 * Context: Process context of who has the device open, memory_lock not held. May
 * sleep.
 * Return: 0; -EINVAL if @flags, @argsz or the policy is not what it may be, -EFAULT
 * if @arg cannot be read or written, -ENOMEM if there is no memory for a page; then
 * nothing has changed.
 */
int vfio_pci_ones_feature(struct vfio_pci_core_device *vdev, u32 flags,
			  struct vfio_device_feature_disabled_bar __user *arg,
			  size_t argsz)
{
	struct vfio_device_feature_disabled_bar feature = {};
	int ret;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_SET, sizeof(feature));
	if (ret != 1)
		return ret;

	if (flags & VFIO_DEVICE_FEATURE_SET) {
		if (copy_from_user(&feature, arg, sizeof(feature)))
			return -EFAULT;
		if (feature.policy >= ARRAY_SIZE(vfio_pci_ones_policies))
			return -EINVAL;
		return vfio_pci_ones_set(vdev, feature.policy);
	}

	down_read(&vdev->memory_lock);
	if (vdev->ones.page)
		feature.policy = VFIO_DEVICE_DISABLED_BAR_ONES;
	up_read(&vdev->memory_lock);
	return copy_to_user(arg, &feature, sizeof(feature)) ? -EFAULT : 0;
}

/**
 * vfio_pci_ones_insert - Map the page of ones where a device does not answer
 * @vdev: the device, which does not answer
 * @vmf: the fault
 * @bar: index of the region that the VMA maps
 * @order: size of the leaf that would fit
 *
 * Context: In a fault, with memory_lock and &vfio_pci_block.lock held for read, the
 * device not blocked. Does not sleep.
 * Return: VM_FAULT_NOPAGE once mapped; VM_FAULT_FALLBACK if @order is not 0;
 * VM_FAULT_SIGBUS if that is the policy, the fault is on behalf of another task, or
 * @bar is not a BAR.
 */
vm_fault_t vfio_pci_ones_insert(struct vfio_pci_core_device *vdev,
				struct vm_fault *vmf, unsigned int bar,
				unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;

	if (!vdev->ones.page || bar >= PCI_STD_NUM_BARS ||
	    vmf->flags & FAULT_FLAG_REMOTE)
		return VM_FAULT_SIGBUS;
	if (order)
		return VM_FAULT_FALLBACK;

	vfio_pci_zap_mark(vdev, bar);
	WRITE_ONCE(vdev->ones.used, true);
	/* Cached, and encrypted where memory is: it is memory, unlike the BAR */
	return vmf_insert_pfns_prot(vmf, vmf->address,
				    page_to_pfn(vdev->ones.page), 1,
				    vm_get_page_prot(vma->vm_flags));
}

/**
 * vfio_pci_zap_and_down_write_memory_lock - Prepare to make the device stop
 * @vdev: the device
 *
 * Zaps its BARs, keeps faults off until the caller releases memory_lock, and has the
 * page of ones ready to take their place. It may be used: the PCI core turns devices
 * on, too.
 *
 * Context: The device open, memory_lock not held; held for write on return.
 * May sleep.
 */
void vfio_pci_zap_and_down_write_memory_lock(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->memory_lock);
	vfio_pci_zap_bars(vdev);
	vfio_pci_ones_drop(vdev);
}

/**
 * vfio_pci_drop_ones_and_up_write_memory_lock - Let accesses to the device in again
 * @vdev: the device, which the caller may have turned on, or has zapped and left on
 *
 * Takes the page of ones away that stands in for the device.
 *
 * Context: memory_lock held for write; not held on return. May sleep.
 */
void vfio_pci_drop_ones_and_up_write_memory_lock(struct vfio_pci_core_device *vdev)
{
	vfio_pci_ones_drop(vdev);
	up_write(&vdev->memory_lock);
}

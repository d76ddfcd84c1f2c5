// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a BAR gives that user space keeps off: SIGBUS, or ones
 *
 * The user chooses by VFIO_DEVICE_FEATURE_DISABLED_BAR, until it closes the device. The
 * administrator chooses what a device starts with when it is opened, by the attribute
 * disabled_bar of the VFIO device, and by the parameter disabled_bar of the module what
 * the attribute of a new device starts with.
 *
 * ones.disabled is the choice, covered by memory_lock, as decode is.
 * ones.disabled_at_open is the attribute: no lock covers it.
 */

#include <linux/device.h>
#include <linux/moduleparam.h>
#include <linux/rwsem.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "vfio_pci_disabled_bar.h"
#include "vfio_pci_mmap_ones.h"

static const char * const vfio_pci_disabled_bar_policies[] = {
	[VFIO_DEVICE_DISABLED_BAR_SIGBUS] = "sigbus",
	[VFIO_DEVICE_DISABLED_BAR_ONES] = "ones",
};

static int disabled_bar = VFIO_DEVICE_DISABLED_BAR_SIGBUS;

static int vfio_pci_disabled_bar_param_set(const char *val,
					   const struct kernel_param *kp)
{
	int policy = sysfs_match_string(vfio_pci_disabled_bar_policies, val);

	if (policy < 0)
		return policy;
	if (policy == VFIO_DEVICE_DISABLED_BAR_ONES && !VFIO_PCI_HAS_ONES)
		return -EOPNOTSUPP;
	WRITE_ONCE(disabled_bar, policy);
	return 0;
}

static int vfio_pci_disabled_bar_param_get(char *buffer,
					   const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n",
			  vfio_pci_disabled_bar_policies[READ_ONCE(disabled_bar)]);
}

static const struct kernel_param_ops vfio_pci_disabled_bar_param_ops = {
	.set = vfio_pci_disabled_bar_param_set,
	.get = vfio_pci_disabled_bar_param_get,
};
module_param_cb(disabled_bar, &vfio_pci_disabled_bar_param_ops, NULL, 0644);
MODULE_PARM_DESC(disabled_bar, "What new devices have for their attribute disabled_bar, that is, what an access to a BAR gets while its user keeps the device off: sigbus (default) or ones");

static struct vfio_pci_core_device *vfio_pci_disabled_bar_vdev(struct device *dev)
{
	return container_of(dev, struct vfio_pci_core_device, vdev.device);
}

static ssize_t disabled_bar_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	struct vfio_pci_core_device *vdev = vfio_pci_disabled_bar_vdev(dev);

	return sysfs_emit(buf, "%s\n",
			  vfio_pci_disabled_bar_policies[READ_ONCE(vdev->ones.disabled_at_open)]);
}

static ssize_t disabled_bar_store(struct device *dev,
				  struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct vfio_pci_core_device *vdev = vfio_pci_disabled_bar_vdev(dev);
	int policy = sysfs_match_string(vfio_pci_disabled_bar_policies, buf);

	if (policy < 0)
		return policy;
	WRITE_ONCE(vdev->ones.disabled_at_open, policy);
	return count;
}
static DEVICE_ATTR_RW(disabled_bar);

static struct attribute *vfio_pci_disabled_bar_attrs[] = {
	&dev_attr_disabled_bar.attr,
	NULL,
};
ATTRIBUTE_GROUPS(vfio_pci_disabled_bar);

/**
 * vfio_pci_disabled_bar_register - Give a new device its attribute
 * @vdev: the device, about to be registered with VFIO
 *
 * Context: Does not sleep.
 */
void vfio_pci_disabled_bar_register(struct vfio_pci_core_device *vdev)
{
	vdev->ones.disabled_at_open = READ_ONCE(disabled_bar);
	if (VFIO_PCI_HAS_ONES)
		vdev->vdev.device.groups = vfio_pci_disabled_bar_groups;
}

/* Nothing is mapped of the old choice on return */
static void vfio_pci_disabled_bar_set(struct vfio_pci_core_device *vdev, bool ones)
{
	down_write(&vdev->memory_lock);
	vfio_pci_ones_drop(vdev);
	vdev->ones.disabled = ones;
	up_write(&vdev->memory_lock);
}

/**
 * vfio_pci_disabled_bar_open - Take up what the administrator has chosen
 * @vdev: the device, being opened
 *
 * Context: memory_lock not held. May sleep.
 */
void vfio_pci_disabled_bar_open(struct vfio_pci_core_device *vdev)
{
	vfio_pci_disabled_bar_set(vdev, READ_ONCE(vdev->ones.disabled_at_open));
}

/**
 * vfio_pci_disabled_bar_feature - Let the user choose
 * @vdev: the device, open
 * @flags: of &struct vfio_device_feature
 * @arg: data of the feature, VFIO_DEVICE_FEATURE_DISABLED_BAR
 * @argsz: how much there is of it, in bytes
 *
 * Context: Process context of who has the device open, memory_lock not held. May
 * sleep.
 * Return: 0; -ENOTTY where there is no VFIO_PCI_HAS_ONES, -EINVAL if @flags, @argsz
 * or the policy is not what it may be, -EFAULT if @arg cannot be read or written; then
 * nothing has changed.
 */
int vfio_pci_disabled_bar_feature(struct vfio_pci_core_device *vdev, u32 flags,
				  struct vfio_device_feature_disabled_bar __user *arg,
				  size_t argsz)
{
	struct vfio_device_feature_disabled_bar feature = {};
	int ret;

	if (!VFIO_PCI_HAS_ONES)
		return -ENOTTY;

	ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_GET |
				 VFIO_DEVICE_FEATURE_SET, sizeof(feature));
	if (ret != 1)
		return ret;

	if (flags & VFIO_DEVICE_FEATURE_SET) {
		if (copy_from_user(&feature, arg, sizeof(feature)))
			return -EFAULT;
		if (feature.policy >= ARRAY_SIZE(vfio_pci_disabled_bar_policies))
			return -EINVAL;
		vfio_pci_disabled_bar_set(vdev, feature.policy ==
					  VFIO_DEVICE_DISABLED_BAR_ONES);
		return 0;
	}

	down_read(&vdev->memory_lock);
	feature.policy = vdev->ones.disabled ? VFIO_DEVICE_DISABLED_BAR_ONES :
					       VFIO_DEVICE_DISABLED_BAR_SIGBUS;
	up_read(&vdev->memory_lock);
	return copy_to_user(arg, &feature, sizeof(feature)) ? -EFAULT : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of the VMAs that map the BARs of a device
 *
 * One struct vfio_pci_mmap stands for one VMA. The VMA owns it through
 * vm_private_data, which makes finding it O(1), and holds the device open
 * through vm_file, so the list outlives its entries.
 *
 * The list serves those who want to know what is mapped. It is no part of what
 * keeps a disabled device out of reach: the zap walks the i_mmap of the device
 * inode, which the mm maintains. That is why vm_ops->open, which has no way to
 * fail, may leave a VMA unlisted when memory is short: the VMA then shares the
 * stand-in entry of its device, which only leads back to the device.
 *
 * vdev->mmap_list.lock covers the list and the counts. It nests inside mmap_lock, and
 * no other lock, but task_lock(), is taken and nothing allocated while it is held. An
 * entry's vdev and vma never change. While the lock is held, the VMA of a listed
 * entry exists, because vm_ops->close comes before it is freed; what the VMA says of
 * its range may change unless its mmap_lock is held too. So vm_ops of a VMA that is
 * on the list must call vfio_pci_mmap_list_close(): a driver that sets its own must
 * not call vfio_pci_core_mmap() for that VMA.
 */

#include <linux/mm.h>
#include <linux/slab.h>

#include "vfio_pci_mmap_list.h"

/**
 * vfio_pci_mmap_list_init - Make the list of a new device
 * @vdev: the device
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_mmap_list_init(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_mmap_list *list = &vdev->mmap_list;

	mutex_init(&list->lock);
	INIT_LIST_HEAD(&list->head);
	INIT_LIST_HEAD(&list->standin.node);
	list->standin.vdev = vdev;
	list->standin.vma = NULL;
	list->nr_listed = 0;
	list->nr_unlisted = 0;
}

/**
 * vfio_pci_mmap_list_destroy - End the list of a device
 * @vdev: the device, which nobody has open
 *
 * Every VMA holds the device open, so the list must be empty by now.
 *
 * Context: After the device is unregistered. Does not sleep.
 */
void vfio_pci_mmap_list_destroy(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_mmap_list *list = &vdev->mmap_list;

	WARN_ON(!list_empty(&list->head) || list->nr_unlisted);
	mutex_destroy(&list->lock);
}

static int vfio_pci_mmap_list_insert(struct vfio_pci_core_device *vdev,
				     struct vm_area_struct *vma, gfp_t gfp)
{
	struct vfio_pci_mmap_list *list = &vdev->mmap_list;
	struct vfio_pci_mmap *entry;

	mmap_assert_write_locked(vma->vm_mm);

	entry = kmalloc_obj(*entry, gfp);
	if (!entry)
		return -ENOMEM;

	entry->vdev = vdev;
	entry->vma = vma;
	entry->next = 0;

	mutex_lock(&list->lock);
	list_add_tail(&entry->node, &list->head);
	list->nr_listed++;
	mutex_unlock(&list->lock);

	vma->vm_private_data = entry;
	return 0;
}

/**
 * vfio_pci_mmap_list_add - List a VMA that mmap() is making
 * @vdev: the device that it maps
 * @vma: the VMA; its vm_private_data is set to the new entry
 *
 * Context: mmap_lock of the VMA held for write. May sleep.
 * Return: 0, or -ENOMEM with nothing changed.
 */
int vfio_pci_mmap_list_add(struct vfio_pci_core_device *vdev,
			   struct vm_area_struct *vma)
{
	return vfio_pci_mmap_list_insert(vdev, vma, GFP_KERNEL_ACCOUNT);
}

/**
 * vfio_pci_mmap_list_open - List a VMA that is a copy of a listed one
 * @vma: the copy; its vm_private_data still names the entry of the original,
 *	 and is set to one of its own, or to the stand-in if memory is short
 *
 * Fork, split and mremap make such copies.
 *
 * Context: mmap_lock of the original and of the copy held for write, so the
 * original and its entry stay. May sleep.
 */
void vfio_pci_mmap_list_open(struct vm_area_struct *vma)
{
	struct vfio_pci_mmap *original = vma->vm_private_data;
	struct vfio_pci_core_device *vdev = original->vdev;
	struct vfio_pci_mmap_list *list = &vdev->mmap_list;

	if (!vfio_pci_mmap_list_insert(vdev, vma,
				       GFP_KERNEL_ACCOUNT | __GFP_NOWARN))
		return;

	mutex_lock(&list->lock);
	list->nr_unlisted++;
	mutex_unlock(&list->lock);

	vma->vm_private_data = &list->standin;
}

/**
 * vfio_pci_mmap_list_close - Take a VMA off the list
 * @vma: the VMA, which maps nothing any more or is about to
 *
 * Context: As vm_ops->close: mmap_lock of the VMA held. May sleep.
 */
void vfio_pci_mmap_list_close(struct vm_area_struct *vma)
{
	struct vfio_pci_mmap *entry = vma->vm_private_data;
	struct vfio_pci_mmap_list *list = &entry->vdev->mmap_list;

	mmap_assert_locked(vma->vm_mm);

	if (entry == &list->standin) {
		mutex_lock(&list->lock);
		list->nr_unlisted--;
		mutex_unlock(&list->lock);
		return;
	}

	mutex_lock(&list->lock);
	list_del(&entry->node);
	list->nr_listed--;
	mutex_unlock(&list->lock);

	kfree(entry);
}

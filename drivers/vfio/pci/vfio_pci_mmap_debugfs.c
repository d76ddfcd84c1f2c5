// SPDX-License-Identifier: GPL-2.0-only
/*
 * What maps a device: /sys/kernel/debug/vfio/<device>/mappings
 *
 * One line a listed VMA, with the process that it belongs to, then the number of
 * those that could not be listed, then whether the device is there, and what an access
 * gets while its user keeps it off. The file lives in the directory that vfio core makes
 * and removes with the device. Reading it takes mmap_list.lock and no other: a range that
 * changes while it is read may show half-changed.
 */

#include <linux/debugfs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "vfio_pci_mmap.h"

/* The mm, as its VMA, exists as long as the list is locked; its owner may be gone */
static void vfio_pci_mmap_debugfs_owner(struct seq_file *seq,
					struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	char comm[TASK_COMM_LEN];
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner) {
		get_task_comm(comm, owner);
		seq_printf(seq, " pid %d ", task_pid_nr(owner));
		seq_escape(seq, comm, "\n\\");
	}
	rcu_read_unlock();
#endif
}

static int vfio_pci_mmap_debugfs_show(struct seq_file *seq, void *unused)
{
	struct vfio_pci_core_device *vdev = seq->private;
	struct vfio_pci_mmap_list *list = &vdev->mmap_list;
	struct vfio_pci_mmap *entry;
	bool ones;

	mutex_lock(&list->lock);
	list_for_each_entry(entry, &list->head, node) {
		struct vm_area_struct *vma = entry->vma;
		unsigned long start, size;
		u64 pos;

		/* Its mmap_lock is not held, see above */
		data_race((start = vma->vm_start, size = vma->vm_end - start,
			   pos = (u64)vma->vm_pgoff << PAGE_SHIFT));
		seq_printf(seq, "BAR %u offset 0x%llx size 0x%lx at 0x%lx",
			   (unsigned int)VFIO_PCI_OFFSET_TO_INDEX(pos),
			   pos & VFIO_PCI_OFFSET_MASK, size, start);
		vfio_pci_mmap_debugfs_owner(seq, vma->vm_mm);
		seq_putc(seq, '\n');
	}
	seq_printf(seq, "unlisted %u\n", list->nr_unlisted);
	/* Without the locks that cover them: they may change at any time */
	ones = data_race(vdev->ones.disabled);
	seq_printf(seq, "device %s\n",
		   READ_ONCE(vdev->quiesce.lost) ? "lost" :
		   READ_ONCE(vdev->quiesce.quiesced) ? "quiesced" :
		   READ_ONCE(vdev->quiesce.absent) ? "absent" : "present");
	seq_printf(seq, "disabled_bar %s\n", ones ? "ones" : "sigbus");
	mutex_unlock(&list->lock);

	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vfio_pci_mmap_debugfs);

/**
 * vfio_pci_mmap_debugfs_init - Add the list of mappings to debugfs
 * @vdev: the device, registered with vfio core
 *
 * Context: May sleep.
 */
void vfio_pci_mmap_debugfs_init(struct vfio_pci_core_device *vdev)
{
	debugfs_create_file("mappings", 0400, vdev->vdev.debug_root, vdev,
			    &vfio_pci_mmap_debugfs_fops);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio-pci keeps of the VMAs that map the BARs of a device, of what answers for
 * it, and of what keeps accesses off it
 */
#ifndef VFIO_PCI_MMAP_H
#define VFIO_PCI_MMAP_H

#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/pci_quiesce.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct vfio_pci_core_device;
struct vm_fault;

/**
 * struct vfio_pci_zap - What a zap of a device has to take away
 * @inserted: a bit for each BAR that may have page-table entries, see
 *	      vfio_pci_mmap_zap.c
 * @always: those that the zap leaves set, never changes: all if the driver brings an
 *	    mmap() of its own, which may have mapped any of them
 */
struct vfio_pci_zap {
	unsigned long	inserted;
	unsigned long	always;
};

/**
 * struct vfio_pci_mmap - One VMA that maps a BAR
 * @vdev: the device, fixed for the life of the entry
 * @vma: the VMA, fixed for the life of the entry; NULL in the stand-in
 * @node: place in &vfio_pci_mmap_list.head, covered by its lock
 * @next: address behind the pages that the last fault has mapped, where it did so by
 *	  pages; no lock covers it
 *
 * &vm_area_struct.vm_private_data points here. The VMA owns its entry: mmap()
 * or vm_ops->open creates it, vm_ops->close frees it.
 */
struct vfio_pci_mmap {
	struct vfio_pci_core_device	*vdev;
	struct vm_area_struct		*vma;
	struct list_head		node;
	unsigned long			next;
};

/**
 * struct vfio_pci_mmap_list - The VMAs that map the BARs of one device
 * @lock: covers @head, @nr_listed and @nr_unlisted; taken inside mmap_lock
 * @head: the listed &struct vfio_pci_mmap
 * @standin: entry shared by the VMAs that got none of their own
 * @nr_listed: how many entries are on @head
 * @nr_unlisted: how many VMAs share @standin
 */
struct vfio_pci_mmap_list {
	struct mutex		lock;	/* all below but standin */
	struct list_head	head;
	struct vfio_pci_mmap	standin;
	unsigned int		nr_listed;
	unsigned int		nr_unlisted;
};

/* How many pages of BARs can have a page of ones each */
#define VFIO_PCI_ONES_PAGES	4

/**
 * struct vfio_pci_ones - What answers for a device that does not
 * @lock: covers @page_of, @next and @used, see vfio_pci_mmap_ones.c
 * @pages: what is mapped in place of its BARs; fixed while the device is open
 * @page_of: for each page, the offset in the device file for which it stands in
 * @next: which page the next fault takes
 * @used: some page may be mapped or written to
 * @disabled: they also stand in while user space keeps the device off. Covered by
 *	&vfio_pci_core_device.memory_lock
 * @disabled_at_open: what @disabled is when the device is opened
 */
struct vfio_pci_ones {
	struct mutex	lock;	/* page_of, next, used */
	struct page	*pages[VFIO_PCI_ONES_PAGES];
	unsigned long	page_of[VFIO_PCI_ONES_PAGES];
	unsigned int	next;
	bool		used;
	bool		disabled;
	bool		disabled_at_open;
};

/**
 * struct vfio_pci_quiesce - What keeps accesses off a device
 * @user: has the PCI core announce what others do to the device
 * @lock: held for read by accesses, for write while others are about to stop the
 *	  device; taken inside &vfio_pci_core_device.memory_lock
 * @quiesced: others reset the device, or it was not asked since; covered by @lock
 * @open: the device is open, with its configuration set up; covered by @lock
 * @lost: an error froze the device, or it was pulled out; covered by @lock
 * @absent: it did not respond, or had lost its configuration, when last asked; covered
 *	    by @lock
 * @unrestored: it may have lost its configuration since @restore gave it back, even if
 *		it does not look so; covered by @lock
 * @busy: the kernel itself uses registers, to restore the device or from
 *	  vfio_pci_quiesce_turn_on() on; set with @lock held for read, covered by
 *	  &vfio_pci_core_device.memory_lock. A reset looks at it without
 * @waited: a reset has waited for @busy since the device was quiesced; a hint
 * @wait: for the device to be quiesced no more, or to be lost, or for @busy to end
 * @restore: gives a device back what a reset has cost it, or asks it again
 * @until: for how long, in jiffies; covered by @lock
 * @lost_again: an error came after a reset through VFIO began; covered by @lock
 */
struct vfio_pci_quiesce {
	struct pci_access_user	user;
	struct rw_semaphore	lock;
	bool			quiesced;
	bool			open;
	bool			lost;
	bool			absent;
	bool			unrestored;
	bool			busy;
	bool			waited;
	wait_queue_head_t	wait;
	struct delayed_work	restore;
	unsigned long		until;
	bool			lost_again;
};

/* For drivers that reach registers, or handle faults, by themselves */
int vfio_pci_access_begin(struct vfio_pci_core_device *vdev, bool test_mem);
int vfio_pci_access_now(struct vfio_pci_core_device *vdev, bool test_mem);
void vfio_pci_access_end(struct vfio_pci_core_device *vdev);
vm_fault_t vfio_pci_fault_lock_memory(struct vfio_pci_core_device *vdev,
				      struct vm_fault *vmf);

#endif /* VFIO_PCI_MMAP_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio-pci keeps of the VMAs that map the BARs of a device, of what answers for
 * it, and of what keeps everybody off it
 */
#ifndef VFIO_PCI_MMAP_H
#define VFIO_PCI_MMAP_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct page;
struct pci_saved_state;
struct vfio_pci_core_device;
struct vm_area_struct;

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

/**
 * struct vfio_pci_ones - What answers for a device that does not
 * @page: what is mapped in place of its BARs; NULL if accesses raise SIGBUS. Covered
 *	  by &vfio_pci_core_device.memory_lock
 * @used: @page may be mapped or written to: set with memory_lock held for read,
 *	  cleared with it held for write
 */
struct vfio_pci_ones {
	struct page	*page;
	bool		used;
};

/**
 * enum vfio_pci_block_reason - Who has a device in hand
 * @VFIO_PCI_BLOCK_RESET: who resets it, from reset_prepare to reset_done
 * @VFIO_PCI_BLOCK_PF_RESET: who resets the PF that it is a VF of
 * @VFIO_PCI_BLOCK_RECOVERY: who recovers it from an error, from error_detected
 *			     until it is resumed or given up
 */
enum vfio_pci_block_reason {
	VFIO_PCI_BLOCK_RESET,
	VFIO_PCI_BLOCK_PF_RESET,
	VFIO_PCI_BLOCK_RECOVERY,
};

/**
 * struct vfio_pci_block - What keeps everybody off a device
 * @node: place on the list of registered devices, see vfio_pci_mmap_block.c
 * @lock: held for read by whoever reaches for a BAR, for write by whoever keeps
 *	  others from it; taken inside &vfio_pci_core_device.memory_lock
 * @reasons: bits of &enum vfio_pci_block_reason, each set by its owner with @lock
 *	     held for write, and cleared without
 * @gone: the device does not come back; covered by @lock
 * @resumed: @resume has to end a recovery; covered by @lock
 * @wait: for @reasons to become zero
 * @resume: last step of a recovery
 * @pristine: configuration space as the driver got it, never changes
 */
struct vfio_pci_block {
	struct list_head	node;
	struct rw_semaphore	lock;
	unsigned long		reasons;
	bool			gone;
	bool			resumed;
	wait_queue_head_t	wait;
	struct work_struct	resume;
	struct pci_saved_state	*pristine;
};

#endif /* VFIO_PCI_MMAP_H */

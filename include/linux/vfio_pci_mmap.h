/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What vfio-pci keeps of the VMAs that map the BARs of a device
 */
#ifndef VFIO_PCI_MMAP_H
#define VFIO_PCI_MMAP_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/wait.h>

struct task_struct;
struct vfio_pci_core_device;
struct vm_area_struct;

/**
 * struct vfio_pci_mmap - One VMA that maps a BAR
 * @vdev: the device, fixed for the life of the entry
 * @vma: the VMA, fixed for the life of the entry; NULL in the stand-in
 * @node: place in &vfio_pci_mmap_list.head, covered by its lock
 *
 * &vm_area_struct.vm_private_data points here. The VMA owns its entry: mmap()
 * or vm_ops->open creates it, vm_ops->close frees it.
 */
struct vfio_pci_mmap {
	struct vfio_pci_core_device	*vdev;
	struct vm_area_struct		*vma;
	struct list_head		node;
};

/**
 * struct vfio_pci_mmap_list - The VMAs that map the BARs of one device
 * @lock: covers @head and @nr_unlisted; taken inside mmap_lock and inside
 *	  &vfio_pci_core_device.memory_lock
 * @head: the listed &struct vfio_pci_mmap
 * @standin: entry shared by the VMAs that got none of their own
 * @nr_unlisted: how many VMAs share @standin
 */
struct vfio_pci_mmap_list {
	struct mutex		lock;	/* head and nr_unlisted */
	struct list_head	head;
	struct vfio_pci_mmap	standin;
	unsigned int		nr_unlisted;
};

/**
 * struct vfio_pci_foreign_reset - A reset that VFIO did not start
 * @vfio: the task that resets the device by way of VFIO, which is none; written
 *	  by that task with &vfio_pci_core_device.memory_lock held for write
 * @running: between reset_prepare and reset_done; set with memory_lock held for
 *	     write, cleared without
 * @wait: for @running to end
 */
struct vfio_pci_foreign_reset {
	struct task_struct	*vfio;
	bool			running;
	wait_queue_head_t	wait;
};

#endif /* VFIO_PCI_MMAP_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Populating BAR mappings before anybody faults
 *
 * After mmap(), and after whatever may have turned the device on, a work item of
 * the device goes through its list and has each VMA that was not populated since
 * the last zap faulted in, leaf by leaf. That is all it does: whether something
 * may be mapped is for the fault to say. A fault of the process that comes first
 * wins.
 *
 * It starts a little later than it could. Who maps and unmaps at once, or toggles
 * decode to find out how large the BARs are, does not pay for it, and a device that
 * is mapped piece by piece is gone through once.
 *
 * No lock is held from one leaf to the next but mmap_lock for read, so it is in
 * nobody's way: a zap waits for a leaf at most, as it does for any fault. Where
 * mmap_lock is taken, the VMA has to wait for another time. The work holds the mm
 * only while it is at one of its VMAs.
 *
 * Memory is the owner's. Page tables are charged to the memory cgroup of the mm,
 * and where there is no room in it, or little memory at all, populating stops.
 * It also stops after so many page tables for one VMA, as there are where user
 * space has put it out of line with the BAR: a fault fills a page table there.
 *
 * mmap_list.lock covers which VMAs have been populated, see vfio_pci_mmap_list.c.
 */

#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/pfnmap.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

#include "vfio_pci_mmap.h"
#include "vfio_pci_mmap_list.h"
#include "vfio_pci_mmap_trace.h"

#define VFIO_PCI_POPULATE_DELAY		msecs_to_jiffies(10)
#define VFIO_PCI_POPULATE_TABLES	64

/* Tables for one leaf: one of each level below the top one */
#define VFIO_PCI_POPULATE_ORDER		2

/*
 * The memory cgroup is not told that a page table is not that important: it would
 * kill for it. Ask for as much in a way that it can refuse, and give it back.
 */
static bool vfio_pci_populate_may_allocate(void)
{
	struct page *page = alloc_pages(GFP_NOWAIT | __GFP_ACCOUNT |
					__GFP_NOWARN, VFIO_PCI_POPULATE_ORDER);

	if (page)
		__free_pages(page, VFIO_PCI_POPULATE_ORDER);
	return page;
}

/* How far the leaf, or the page table, that maps @addr goes on from there */
static unsigned long vfio_pci_populate_mapped(struct vm_area_struct *vma,
					      unsigned long addr)
{
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	unsigned long size;

	if (follow_pfnmap_start(&args))
		return 0;
	size = follow_pfnmap_row(&args) << PAGE_SHIFT;
	follow_pfnmap_end(&args);
	return size;
}

/* Returns false if the device does not answer, so nothing can be mapped */
static bool vfio_pci_populate_vma(struct vfio_pci_core_device *vdev,
				  struct vm_area_struct *vma)
{
	unsigned int flags = FAULT_FLAG_REMOTE | FAULT_FLAG_ALLOW_RETRY |
			     FAULT_FLAG_RETRY_NOWAIT;
	unsigned long limit = mm_pgtables_bytes(vma->vm_mm) +
			      VFIO_PCI_POPULATE_TABLES * PAGE_SIZE;
	unsigned long addr = vma->vm_start;
	vm_fault_t ret = 0;

	while (addr < vma->vm_end && mm_pgtables_bytes(vma->vm_mm) < limit) {
		unsigned long mapped = vfio_pci_populate_mapped(vma, addr);

		if (!mapped) {
			if (!vfio_pci_populate_may_allocate())
				break;
			ret = handle_mm_fault(vma, addr, flags, NULL);
			if (ret & (VM_FAULT_ERROR | VM_FAULT_RETRY))
				break;
			mapped = vfio_pci_populate_mapped(vma, addr);
			if (!mapped)
				break;
		}

		addr += mapped;
		cond_resched();
	}

	trace_vfio_pci_mmap_populate(vdev->pdev,
				     (u64)vma->vm_pgoff << PAGE_SHIFT,
				     vma->vm_end - vma->vm_start,
				     addr - vma->vm_start);
	return !(ret & (VM_FAULT_SIGBUS | VM_FAULT_RETRY));
}

/* The mm of the next VMA to populate, with a reference, and where the VMA is */
static struct mm_struct *
vfio_pci_populate_next(struct vfio_pci_mmap_list *list, unsigned int zaps,
		       unsigned int *left, unsigned long *addr)
{
	struct mm_struct *mm = NULL;

	mutex_lock(&list->lock);
	for (*left = min(*left, list->nr_listed); *left && !mm; --*left) {
		struct vfio_pci_mmap *entry =
			list_first_entry(&list->head, struct vfio_pci_mmap,
					 node);

		list_move_tail(&entry->node, &list->head);
		if (entry->populated == zaps ||
		    !mmget_not_zero(entry->vma->vm_mm))
			continue;
		mm = entry->vma->vm_mm;
		/* Without mmap_lock: whether it is there still has to be seen */
		*addr = data_race(entry->vma->vm_start);
	}
	mutex_unlock(&list->lock);
	return mm;
}

/* Returns false if there is no point in going on with other VMAs */
static bool vfio_pci_populate_addr(struct vfio_pci_core_device *vdev,
				   struct mm_struct *mm, unsigned long addr,
				   unsigned int zaps)
{
	struct vm_area_struct *vma = vma_lookup(mm, addr);
	struct mem_cgroup *memcg, *old;
	struct vfio_pci_mmap *entry;
	bool answers = true;

	mmap_assert_locked(mm);

	/* Something else may be there by now */
	if (!vma || !vma->vm_ops || vma->vm_ops->close != vfio_pci_mmap_list_close)
		return true;
	entry = vma->vm_private_data;
	if (entry->vdev != vdev)
		return true;

	if (vma->vm_flags & (VM_READ | VM_WRITE)) {
		memcg = get_mem_cgroup_from_mm(mm);
		old = set_active_memcg(memcg);
		answers = vfio_pci_populate_vma(vdev, vma);
		set_active_memcg(old);
		mem_cgroup_put(memcg);
	}

	if (answers) {
		mutex_lock(&vdev->mmap_list.lock);
		entry->populated = zaps;
		mutex_unlock(&vdev->mmap_list.lock);
	}
	return answers;
}

static void vfio_pci_populate_work(struct work_struct *work)
{
	struct vfio_pci_mmap_list *list =
		container_of(to_delayed_work(work), struct vfio_pci_mmap_list,
			     populate);
	struct vfio_pci_core_device *vdev =
		container_of(list, struct vfio_pci_core_device, mmap_list);
	/* A zap from now on makes all that is done here be done again */
	unsigned int zaps = atomic_read(&list->zaps);
	unsigned int left = UINT_MAX;
	bool answers = true;
	struct mm_struct *mm;
	unsigned long addr;

	while (answers &&
	       (mm = vfio_pci_populate_next(list, zaps, &left, &addr))) {
		if (mmap_read_trylock(mm)) {
			answers = vfio_pci_populate_addr(vdev, mm, addr, zaps);
			mmap_read_unlock(mm);
		} else {
			vfio_pci_populate(vdev);
		}
		mmput_async(mm);
	}
}

/**
 * vfio_pci_populate_init - Make what a new device needs to be populated
 * @vdev: the device
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_populate_init(struct vfio_pci_core_device *vdev)
{
	INIT_DELAYED_WORK(&vdev->mmap_list.populate, vfio_pci_populate_work);
}

/**
 * vfio_pci_populate_cancel - Wait until nobody populates any more
 * @vdev: the device, which nobody maps
 *
 * Context: Neither mmap_lock nor a lock of the device that nests inside it is
 * held. May sleep.
 */
void vfio_pci_populate_cancel(struct vfio_pci_core_device *vdev)
{
	cancel_delayed_work_sync(&vdev->mmap_list.populate);
}

/**
 * vfio_pci_populate - Populate what maps a device, if it answers, some time later
 * @vdev: the device
 *
 * Context: Any in which a work item can be queued. Does not sleep.
 */
void vfio_pci_populate(struct vfio_pci_core_device *vdev)
{
	/* Who maps it later asks for it again */
	if (!data_race(list_empty(&vdev->mmap_list.head)))
		queue_delayed_work(system_unbound_wq, &vdev->mmap_list.populate,
				   VFIO_PCI_POPULATE_DELAY);
}

/**
 * vfio_pci_up_write_memory_lock - Let accesses in that the device may answer again
 * @vdev: the device
 *
 * For whoever may have turned it on, or has zapped and then left it on.
 *
 * Context: memory_lock held for write; not held on return. Does not sleep.
 */
void vfio_pci_up_write_memory_lock(struct vfio_pci_core_device *vdev)
{
	up_write(&vdev->memory_lock);
	vfio_pci_populate(vdev);
}

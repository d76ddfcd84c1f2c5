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
 * A process that ends must not find that its mm lives on, and with it the device
 * open, because somebody is populating it. So the mm is not held: mmap_lock is
 * taken for write, which is what exit_mmap() waits for, and then nothing is done to
 * an mm without users. It is taken for one leaf at a time, and where it is not to be
 * had at once, that is left for later. No other lock is held from one leaf to the
 * next, so a zap waits for a leaf at most, as it does for any fault.
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
#include "vfio_pci_mmap_ones.h"
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

/**
 * struct vfio_pci_populate - How far it is
 * @vdev: the device
 * @zaps: &vfio_pci_mmap_list.zaps when it began: a zap since then means that all of
 *	  it has to be done again
 * @left: how many VMAs have not been looked at
 * @mm: mm of the current VMA
 * @addr: up to where that is mapped
 * @limit: how many bytes of page tables @mm may come to have by this
 * @silent: the device does not answer, so there is nothing to map
 */
struct vfio_pci_populate {
	struct vfio_pci_core_device	*vdev;
	unsigned int			zaps;
	unsigned int			left;
	struct mm_struct		*mm;
	unsigned long			addr;
	unsigned long			limit;
	bool				silent;
};

/* Go to the next VMA that has to be populated. Returns false if there is none. */
static bool vfio_pci_populate_next(struct vfio_pci_populate *pop)
{
	struct vfio_pci_mmap_list *list = &pop->vdev->mmap_list;
	bool found = false;

	mutex_lock(&list->lock);
	for (pop->left = min(pop->left, list->nr_listed); pop->left && !found;
	     pop->left--) {
		struct vfio_pci_mmap *entry =
			list_first_entry(&list->head, struct vfio_pci_mmap,
					 node);

		list_move_tail(&entry->node, &list->head);
		if (entry->populated == pop->zaps)
			continue;
		found = true;
		pop->mm = entry->vma->vm_mm;
		mmgrab(pop->mm);
		/* Without mmap_lock: whether it is there has still to be seen */
		pop->addr = data_race(entry->vma->vm_start);
		pop->limit = mm_pgtables_bytes(pop->mm) +
			     VFIO_PCI_POPULATE_TABLES * PAGE_SIZE;
	}
	mutex_unlock(&list->lock);
	return found;
}

/* The VMA where it is, unless that is something else by now */
static struct vm_area_struct *
vfio_pci_populate_vma(struct vfio_pci_populate *pop)
{
	struct vfio_pci_mmap *entry;
	struct vm_area_struct *vma;

	/* Nobody has it any more, and exit_mmap() waits for mmap_lock */
	if (!atomic_read(&pop->mm->mm_users))
		return NULL;

	vma = vma_lookup(pop->mm, pop->addr);
	if (!vma || !vma->vm_ops || vma->vm_ops->close != vfio_pci_mmap_list_close)
		return NULL;
	entry = vma->vm_private_data;
	return entry->vdev == pop->vdev ? vma : NULL;
}

/* Map a leaf. Returns false if there is no point in going on with the VMA. */
static bool vfio_pci_populate_leaf(struct vfio_pci_populate *pop,
				   struct vm_area_struct *vma)
{
	unsigned long mapped = vfio_pci_populate_mapped(vma, pop->addr);
	vm_fault_t ret;

	if (!mapped) {
		if (mm_pgtables_bytes(pop->mm) >= pop->limit ||
		    !vfio_pci_populate_may_allocate())
			return false;

		ret = handle_mm_fault(vma, pop->addr, FAULT_FLAG_REMOTE |
				      FAULT_FLAG_ALLOW_RETRY |
				      FAULT_FLAG_RETRY_NOWAIT, NULL);
		pop->silent = ret & (VM_FAULT_SIGBUS | VM_FAULT_RETRY);
		mapped = vfio_pci_populate_mapped(vma, pop->addr);
	}

	pop->addr += mapped;
	return mapped && pop->addr < vma->vm_end;
}

/* Map a leaf of the current VMA. Returns false if there is no more to map. */
static bool vfio_pci_populate_step(struct vfio_pci_populate *pop)
{
	struct vm_area_struct *vma = vfio_pci_populate_vma(pop);
	struct vfio_pci_mmap_list *list = &pop->vdev->mmap_list;
	struct mem_cgroup *memcg, *old;
	struct vfio_pci_mmap *entry;
	bool more = false;

	mmap_assert_write_locked(pop->mm);

	if (!vma)
		return false;

	if (vma->vm_flags & (VM_READ | VM_WRITE)) {
		memcg = get_mem_cgroup_from_mm(pop->mm);
		old = set_active_memcg(memcg);
		more = vfio_pci_populate_leaf(pop, vma);
		set_active_memcg(old);
		mem_cgroup_put(memcg);
	}
	if (more || pop->silent)
		return more;

	trace_vfio_pci_mmap_populate(pop->vdev->pdev,
				     (u64)vma->vm_pgoff << PAGE_SHIFT,
				     vma->vm_end - vma->vm_start,
				     pop->addr - vma->vm_start);
	entry = vma->vm_private_data;
	mutex_lock(&list->lock);
	entry->populated = pop->zaps;
	mutex_unlock(&list->lock);
	return false;
}

static void vfio_pci_populate_work(struct work_struct *work)
{
	struct vfio_pci_mmap_list *list =
		container_of(to_delayed_work(work), struct vfio_pci_mmap_list,
			     populate);
	struct vfio_pci_populate pop = {
		.vdev = container_of(list, struct vfio_pci_core_device,
				     mmap_list),
		.zaps = atomic_read(&list->zaps),
		.left = UINT_MAX,
	};
	bool more;

	while (!pop.silent && vfio_pci_populate_next(&pop)) {
		do {
			more = mmap_write_trylock(pop.mm);
			if (!more) {
				vfio_pci_populate(pop.vdev);
				break;
			}
			more = vfio_pci_populate_step(&pop);
			mmap_write_unlock(pop.mm);
			cond_resched();
		} while (more);
		mmdrop(pop.mm);
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
	if (data_race(vdev->mmap_list.nr_listed))
		queue_delayed_work(system_unbound_wq, &vdev->mmap_list.populate,
				   VFIO_PCI_POPULATE_DELAY);
}

/**
 * vfio_pci_up_write_memory_lock - Let accesses in that the device may answer again
 * @vdev: the device
 *
 * For whoever may have turned it on, or has zapped and then left it on. Takes the
 * page of ones away that stood in for it.
 *
 * Context: memory_lock held for write; not held on return. May sleep.
 */
void vfio_pci_up_write_memory_lock(struct vfio_pci_core_device *vdev)
{
	vfio_pci_ones_drop(vdev);
	up_write(&vdev->memory_lock);
	vfio_pci_populate(vdev);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * BAR mappings: fault in while the device answers, zap before it stops
 *
 * A device answers accesses to its BARs only while its memory decode is on,
 * while it is in D0 and while it is not in reset. A page-table entry for a BAR
 * therefore exists only within such a time:
 *
 *  - Entries are made by vfio_pci_vmf_insert_pfn() alone, with memory_lock and
 *    block.lock held for read, after it has checked that the device answers.
 *  - Whoever makes the device stop answering first takes memory_lock for write
 *    and calls vfio_pci_zap_bars(). Those who have no part in VFIO, and hold locks
 *    that memory_lock does not nest in, take block.lock instead, and keep others
 *    off after they have let go of it: see vfio_pci_mmap_block.c.
 *
 * Where the policy is to answer for a device that does not, its place is taken by a
 * page of ones, which comes and goes by the same rules: see vfio_pci_mmap_ones.c.
 *
 * Fork and mremap copy and move entries without asking. The zap still finds
 * each of them, because it goes through the i_mmap of the device inode, in the
 * order that the mm relies on for truncation.
 *
 * The zap leaves out BARs that had nothing inserted since the last one:
 * mmap_list.inserted has a bit for each, set with both locks held for read, cleared
 * with either held for write. No other way leads to an entry, so no bit means none. A
 * driver that brings its own mmap() need not come by: its BARs keep their bits.
 *
 * A VMA belongs to its mm, its entry on the device's list to the VMA (see
 * vfio_pci_mmap_list.c). The device and its inode outlive both: vm_file holds
 * the device open.
 *
 * Lock order:
 *
 *   mmap_lock or the per-VMA lock
 *     memory_lock of the device
 *       block.lock, or mmap_list.lock, of the device
 *         i_mmap_rwsem of the device inode
 *           page-table locks
 *
 * The zap takes memory_lock or block.lock and what unmap_mapping_range() takes,
 * the last two.
 * No process can hold it up by sitting on locks of its own.
 */

#include <linux/mm.h>
#include <linux/pfnmap.h>
#include <linux/rwsem.h>

#include "vfio_pci_mmap.h"
#include "vfio_pci_mmap_block.h"
#include "vfio_pci_mmap_list.h"
#include "vfio_pci_mmap_ones.h"
#include "vfio_pci_mmap_trace.h"
#include "vfio_pci_priv.h"

/* What VFIO_PCI_OFFSET_SHIFT is to an offset in pages */
#define VFIO_PCI_PGOFF_SHIFT	(VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT)

/* File offset, in pages, of the page of the BAR that @addr maps */
static pgoff_t vfio_pci_mmap_pgoff(struct vm_area_struct *vma,
				   unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

static unsigned long vfio_pci_mmap_pfn(struct vfio_pci_core_device *vdev,
				       pgoff_t pgoff)
{
	u64 pos = (u64)pgoff << PAGE_SHIFT;
	unsigned int bar = VFIO_PCI_OFFSET_TO_INDEX(pos);

	return PHYS_PFN(pci_resource_start(vdev->pdev, bar) +
			(pos & VFIO_PCI_OFFSET_MASK));
}

/* What of the VMA is in the same page table as the fault: address and pages */
static unsigned long vfio_pci_mmap_table(struct vm_fault *vmf,
					 unsigned long *start)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long last = min(vma->vm_end - 1, vmf->address | ~PMD_MASK);

	*start = max(vma->vm_start, vmf->address & PMD_MASK);
	return ((last - *start) >> PAGE_SHIFT) + 1;
}

static vm_fault_t vfio_pci_insert_leaf(struct vm_fault *vmf, unsigned long pfn,
				       unsigned int order)
{
	unsigned long start, nr;

	if (!order) {
		nr = vfio_pci_mmap_table(vmf, &start);
		pfn -= (vmf->address - start) >> PAGE_SHIFT;
		return vmf_insert_pfns(vmf, start, pfn, nr);
	}

	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, pfn, false);

	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PUD_PFNMAP) && order == PUD_ORDER)
		return vmf_insert_pfn_pud(vmf, pfn, false);

	return VM_FAULT_FALLBACK;
}

/**
 * vfio_pci_vmf_insert_pfn - Map a leaf, or fill a page table, if the device answers
 * @vdev: the device that @pfn belongs to
 * @vmf: the fault, in a VMA that maps consecutive page frames
 * @pfn: first page frame of the leaf, aligned to @order
 * @order: size of the leaf: PMD_ORDER, PUD_ORDER, or 0 to fill the page table as
 *	   far as the VMA goes
 *
 * The one place that makes page-table entries for a device, also for drivers
 * that bring a fault handler of their own.
 *
 * Context: In a fault, with &vfio_pci_core_device.memory_lock held for read.
 * May sleep.
 * Return: VM_FAULT_NOPAGE once mapped, and with nothing mapped while the device
 * is blocked; VM_FAULT_SIGBUS if @pfn cannot be mapped, or the device does not
 * answer and the policy is not to answer for it; VM_FAULT_FALLBACK if there is no
 * leaf of that size; VM_FAULT_OOM if there is no memory for a page table.
 */
vm_fault_t vfio_pci_vmf_insert_pfn(struct vfio_pci_core_device *vdev,
				   struct vm_fault *vmf, unsigned long pfn,
				   unsigned int order)
{
	unsigned int bar =
		VFIO_PCI_OFFSET_TO_INDEX((u64)vmf->vma->vm_pgoff << PAGE_SHIFT);
	vm_fault_t ret;

	lockdep_assert_held_read(&vdev->memory_lock);

	down_read(&vdev->block.lock);
	if (vfio_pci_blocked(vdev)) {
		/* Not all who come here have waited: let them fault again */
		ret = VM_FAULT_NOPAGE;
	} else if (vdev->pm_runtime_engaged ||
		   !__vfio_pci_memory_enabled(vdev)) {
		ret = vfio_pci_ones_insert(vdev, vmf, bar, order);
	} else {
		if (bar < PCI_STD_NUM_BARS)
			set_bit(bar, &vdev->mmap_list.inserted);
		ret = vfio_pci_insert_leaf(vmf, pfn, order);
	}
	up_read(&vdev->block.lock);

	return ret;
}
EXPORT_SYMBOL_GPL(vfio_pci_vmf_insert_pfn);

static vm_fault_t vfio_pci_mmap_huge_fault(struct vm_fault *vmf,
					   unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_pci_mmap *entry = vma->vm_private_data;
	struct vfio_pci_core_device *vdev = entry->vdev;
	unsigned long size = PAGE_SIZE << order;
	unsigned long addr = ALIGN_DOWN(vmf->address, size);
	vm_fault_t ret = VM_FAULT_FALLBACK;
	unsigned long pfn, start, pages = 0;
	pgoff_t pgoff;

	if (addr < vma->vm_start || vma->vm_end - addr < size)
		return ret;

	pgoff = vfio_pci_mmap_pgoff(vma, addr);
	pfn = vfio_pci_mmap_pfn(vdev, pgoff);
	if (!IS_ALIGNED(pfn, 1UL << order))
		return ret;

	/* What this returns says that the VMA may be gone */
	ret = vfio_pci_memory_fault_down_read(vdev, vmf);
	if (ret)
		return ret;
	ret = vfio_pci_vmf_insert_pfn(vdev, vmf, pfn, order);
	up_read(&vdev->memory_lock);

	if (trace_vfio_pci_mmap_fault_enabled()) {
		if (ret == VM_FAULT_NOPAGE)
			pages = order ? 1UL << order :
				vfio_pci_mmap_table(vmf, &start);
		trace_vfio_pci_mmap_fault(vdev->pdev, (u64)pgoff << PAGE_SHIFT,
					  order, ret, pages);
	}
	return ret;
}

static vm_fault_t vfio_pci_mmap_fault(struct vm_fault *vmf)
{
	return vfio_pci_mmap_huge_fault(vmf, 0);
}

static const struct vm_operations_struct vfio_pci_mmap_ops = {
	.open = vfio_pci_mmap_list_open,
	.close = vfio_pci_mmap_list_close,
	.fault = vfio_pci_mmap_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = vfio_pci_mmap_huge_fault,
#endif
};

/**
 * vfio_pci_mmap_bar - Make a VMA a mapping of a BAR
 * @vdev: the device
 * @vma: a shared VMA, whose offset and size lie within a BAR that can be mapped
 *
 * Maps no page yet: whether there is something to map is for the fault to find
 * out. It comes soon by itself, see vfio_pci_mmap_populate.c.
 *
 * Context: In mmap(), mmap_lock held for write. May sleep.
 * Return: 0, or -ENOMEM with @vma as it was.
 */
int vfio_pci_mmap_bar(struct vfio_pci_core_device *vdev,
		      struct vm_area_struct *vma)
{
	int ret;

	ret = vfio_pci_mmap_list_add(vdev, vma);
	if (ret)
		return ret;

	vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	vma->vm_page_prot = pgprot_decrypted(vma->vm_page_prot);

	/*
	 * The flags that io_remap_pfn_range() sets: a fault must not change
	 * them. VM_ALLOW_ANY_UNCACHED lets KVM on arm64 give the guest the
	 * choice between device memory and write-combining: a PCI device is
	 * expected to contain what either does to it.
	 */
	vm_flags_set(vma, VM_ALLOW_ANY_UNCACHED | VM_IO | VM_PFNMAP |
			  VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &vfio_pci_mmap_ops;

	trace_vfio_pci_mmap(vdev->pdev, (u64)vma->vm_pgoff << PAGE_SHIFT,
			    vma->vm_end - vma->vm_start, vma->vm_start);
	vfio_pci_populate(vdev);
	return 0;
}

/* Returns what was zapped: a bit for each BAR */
static __always_inline unsigned long
vfio_pci_zap_inserted(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_mmap_list *list = &vdev->mmap_list;
	unsigned long bars = READ_ONCE(list->inserted), left = bars;

	if (!bars)
		return 0;

	do {
		unmap_mapping_pages(vdev->vdev.inode->i_mapping,
				    __ffs(left) << VFIO_PCI_PGOFF_SHIFT,
				    1UL << VFIO_PCI_PGOFF_SHIFT, true);
		left &= left - 1;
	} while (left);

	/*
	 * Not before: others who zap would not wait for this one, and who populates
	 * would take what is going away for populated.
	 */
	WRITE_ONCE(list->inserted, list->always);
	atomic_inc(&list->zaps);
	return bars;
}

static noinline void vfio_pci_zap_traced(struct vfio_pci_core_device *vdev)
{
	u64 began = ktime_get_ns();
	unsigned long bars = vfio_pci_zap_inserted(vdev);

	trace_vfio_pci_mmap_zap(vdev->pdev, ktime_get_ns() - began, bars);
}

static __always_inline void vfio_pci_zap(struct vfio_pci_core_device *vdev)
{
	lockdep_assert(lockdep_is_held_type(&vdev->memory_lock, 0) ||
		       lockdep_is_held_type(&vdev->block.lock, 0));

	if (trace_vfio_pci_mmap_zap_enabled())
		vfio_pci_zap_traced(vdev);
	else
		vfio_pci_zap_inserted(vdev);
}

/**
 * vfio_pci_zap_bars - Take every mapping of the device's BARs away
 * @vdev: the device
 *
 * On return no page table holds an entry for a BAR of @vdev, and none appears
 * while the caller keeps its lock. Allocates nothing and cannot fail.
 *
 * Context: &vfio_pci_core_device.memory_lock or &vfio_pci_block.lock held for
 * write. May sleep.
 */
void vfio_pci_zap_bars(struct vfio_pci_core_device *vdev)
{
	vfio_pci_zap(vdev);
}

/**
 * vfio_pci_zap_and_down_write_memory_lock - Prepare to make the device stop
 * @vdev: the device
 *
 * Zaps its BARs and keeps faults off until the caller releases memory_lock.
 *
 * Context: The device open, memory_lock not held; held for write on return.
 * May sleep.
 */
void vfio_pci_zap_and_down_write_memory_lock(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->memory_lock);
	vfio_pci_zap(vdev);
}

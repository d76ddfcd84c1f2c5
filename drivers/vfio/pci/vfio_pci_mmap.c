// SPDX-License-Identifier: GPL-2.0-only
/*
 * BAR mappings: fault in while the device is accessible, zap before it is not
 *
 * A device answers accesses to its BARs only while its memory decode is on,
 * while it is in D0 and while it is not in reset: then it is accessible. A page-table
 * entry for a BAR exists only within such a time:
 *
 *  - A fault inserts it in vfio_pci_insert(), with memory_lock and quiesce.lock held for
 *    read, after it has checked that the device is accessible.
 *  - Code that clears decode, leaves D0 or resets the device through VFIO holds
 *    memory_lock for write, and calls vfio_pci_zap_bars() before: see
 *    vfio_pci_mmap_zap.c. What the PCI core announces holds quiesce.lock for write
 *    instead: see vfio_pci_quiesce.c.
 *
 * A fault on a device that is lost maps a page of ones, which comes and goes by the same
 * rules: see vfio_pci_mmap_ones.c. So does a fault on one that user space keeps off, if
 * that was asked for, see vfio_pci_disabled_bar.c; else it raises SIGBUS.
 *
 * A fault maps the largest leaf that the VMA, its address and the physical address
 * allow. Where only pages fit, it maps the 64 KiB around, or, if the task goes through
 * the BAR in order, fills the page table as far as the VMA goes. mmap() chooses an
 * address at which the largest leaves fit: see vfio_pci_mmap_place.c.
 *
 * A VMA belongs to its mm, its entry on the device's list to the VMA (see
 * vfio_pci_mmap_list.c). The device and its inode outlive both: vm_file holds
 * the device open.
 *
 * Lock order:
 *
 *   mmap_lock or the per-VMA lock
 *     memory_lock of the device
 *       quiesce.lock of the device
 *         ones.lock of the device
 *           i_mmap_rwsem of the device inode
 *             page-table locks
 *
 * memory_lock also nests inside igate, dev_set->lock and the group lock of VFIO, and
 * outside the lock of configuration space accesses and pci_bus_sem, which nest outside
 * quiesce.lock. i_mmap_rwsem nests inside mmap_lock without the others between, too.
 * mmap_list.lock nests inside mmap_lock, and task_lock() inside it.
 */

#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>

#include "vfio_pci_mmap.h"
#include "vfio_pci_quiesce.h"
#include "vfio_pci_mmap_compat.h"
#include "vfio_pci_mmap_list.h"
#include "vfio_pci_mmap_ones.h"
#include "vfio_pci_mmap_trace.h"
#include "vfio_pci_mmap_zap.h"
#include "vfio_pci_priv.h"

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

/*
 * Which pages to map where only pages fit: address and number. A task that begins at
 * the start of the VMA, or goes on where the last fault ended, gets the page table
 * filled. To fill it for a task that touches a page here and there would make the zap
 * dearer: it costs by entry. No lock covers entry->next: a stale one costs a fault.
 */
static unsigned long vfio_pci_mmap_window(struct vm_fault *vmf,
					  unsigned long *start)
{
	struct vm_area_struct *vma = vmf->vma;
	struct vfio_pci_mmap *entry = vma->vm_private_data;
	unsigned long mask = ~(SZ_64K - 1UL), last;

	if (vmf->address == vma->vm_start ||
	    vmf->address == READ_ONCE(entry->next))
		mask = PMD_MASK;
	last = min(vma->vm_end - 1, vmf->address | ~mask);
	*start = max(vma->vm_start, vmf->address & mask);
	return ((last - *start) >> PAGE_SHIFT) + 1;
}

/* @nr pages at @addr if @order is 0, else one leaf that the fault lies in */
static vm_fault_t vfio_pci_insert_locked(struct vm_fault *vmf,
					 unsigned long addr, unsigned long pfn,
					 unsigned long nr, unsigned int order)
{
	bool write = vmf->flags & FAULT_FLAG_WRITE;

	if (!order)
		return vmf_insert_pfns_prot(vmf, addr, pfn, nr,
					    vmf->vma->vm_page_prot);

	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PMD_PFNMAP) && order == PMD_ORDER)
		return vfio_pci_insert_pmd(vmf, pfn, write);

	if (IS_ENABLED(CONFIG_ARCH_SUPPORTS_PUD_PFNMAP) && order == PUD_ORDER)
		return vfio_pci_insert_pud(vmf, pfn, write);

	return VM_FAULT_FALLBACK;
}

/* The one place that makes page-table entries for a device */
static vm_fault_t vfio_pci_insert(struct vfio_pci_core_device *vdev,
				  struct vm_fault *vmf, unsigned long addr,
				  unsigned long pfn, unsigned long nr,
				  unsigned int order)
{
	unsigned int bar =
		VFIO_PCI_OFFSET_TO_INDEX((u64)vmf->vma->vm_pgoff << PAGE_SHIFT);
	pgoff_t pgoff = vfio_pci_mmap_pgoff(vmf->vma, addr);
	pgoff_t fault_pgoff = vfio_pci_mmap_pgoff(vmf->vma, vmf->address);
	unsigned long pages = 0;
	unsigned int noio;
	vm_fault_t ret;

	lockdep_assert_held_read(&vdev->memory_lock);

	/* The PCI core may wait for it, and an MMU of powerpc has a leaf take a table */
	noio = memalloc_noio_save();
	down_read(&vdev->quiesce.lock);
	if (VFIO_PCI_HAS_ONES && vfio_pci_lost(vdev)) {
		ret = vfio_pci_ones_insert(vdev, vmf, fault_pgoff, order);
	} else if (vdev->quiesce.quiesced && !vdev->quiesce.lost) {
		/* It was not when the fault looked: let it fault again, and wait */
		ret = VM_FAULT_NOPAGE;
	} else if (vdev->pm_runtime_engaged ||
		   !__vfio_pci_memory_enabled(vdev)) {
		ret = VM_FAULT_SIGBUS;
		if (vdev->ones.disabled)
			ret = vfio_pci_ones_insert(vdev, vmf, fault_pgoff, order);
	} else {
		vfio_pci_zap_mark(vdev, bar);
		ret = vfio_pci_insert_locked(vmf, addr, pfn, nr, order);
		if (ret == VM_FAULT_NOPAGE)
			pages = nr;
	}
	up_read(&vdev->quiesce.lock);
	memalloc_noio_restore(noio);

	trace_vfio_pci_mmap_fault(vdev->pdev,
				  (u64)(pages ? pgoff : fault_pgoff) << PAGE_SHIFT,
				  order, ret, pages);
	return ret;
}

/**
 * vfio_pci_vmf_insert_pfn - Map one leaf, if the device is accessible
 * @vdev: the device that @pfn belongs to
 * @vmf: the fault
 * @pfn: first page frame of the leaf, aligned to @order
 * @order: size of the leaf: 0, PMD_ORDER or PUD_ORDER
 *
 * For drivers that bring a fault handler of their own.
 *
 * Context: In a fault, with &vfio_pci_core_device.memory_lock held for read.
 * May sleep.
 * Return: VM_FAULT_NOPAGE once mapped, and with nothing mapped while the device
 * is quiesced, until when the task takes the fault again; VM_FAULT_SIGBUS if @pfn
 * cannot be mapped, or the device is not accessible and the policy is to say so;
 * VM_FAULT_FALLBACK if there is no leaf of that size.
 */
vm_fault_t vfio_pci_vmf_insert_pfn(struct vfio_pci_core_device *vdev,
				   struct vm_fault *vmf, unsigned long pfn,
				   unsigned int order)
{
	return vfio_pci_insert(vdev, vmf,
			       ALIGN_DOWN(vmf->address, PAGE_SIZE << order),
			       pfn, 1UL << order, order);
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
	unsigned long nr = 1UL << order;
	unsigned long pfn;
	vm_fault_t ret;

	if (addr < vma->vm_start || vma->vm_end - addr < size)
		return VM_FAULT_FALLBACK;

	if (!order)
		nr = vfio_pci_mmap_window(vmf, &addr);
	pfn = vfio_pci_mmap_pfn(vdev, vfio_pci_mmap_pgoff(vma, addr));
	if (!IS_ALIGNED(pfn, 1UL << order))
		return VM_FAULT_FALLBACK;

	/* What this returns says that the VMA may be gone */
	ret = vfio_pci_fault_lock_memory(vdev, vmf);
	if (ret)
		return ret;
	ret = vfio_pci_insert(vdev, vmf, addr, pfn, nr, order);
	if (ret == VM_FAULT_NOPAGE && !order)
		WRITE_ONCE(entry->next, addr + nr * PAGE_SIZE);
	up_read(&vdev->memory_lock);

	return ret;
}

static vm_fault_t vfio_pci_mmap_fault(struct vm_fault *vmf)
{
	return vfio_pci_mmap_huge_fault(vmf, 0);
}

/* Populating a BAR that is not accessible would find nothing, or map ones */
static bool vfio_pci_mmap_may_populate(struct vm_area_struct *vma)
{
	struct vfio_pci_mmap *entry = vma->vm_private_data;
	struct vfio_pci_core_device *vdev = entry->vdev;
	int ret;

	ret = vfio_pci_access_try(vdev, true);
	/* It may be soon: the fault waits for that, without mmap_lock */
	if (ret == -EBUSY || ret == -EAGAIN)
		return true;
	if (ret)
		return false;
	ret = vdev->pm_runtime_engaged;
	vfio_pci_access_end(vdev);
	return !ret;
}

static const struct vm_operations_struct vfio_pci_mmap_ops = {
	.open = vfio_pci_mmap_list_open,
	.close = vfio_pci_mmap_list_close,
	.fault = vfio_pci_mmap_fault,
#ifdef CONFIG_ARCH_SUPPORTS_HUGE_PFNMAP
	.huge_fault = vfio_pci_mmap_huge_fault,
#endif
	.may_populate = vfio_pci_mmap_may_populate,
};

/**
 * vfio_pci_mmap_bar - Make a VMA a mapping of a BAR
 * @vdev: the device
 * @vma: a shared VMA, whose offset and size lie within a BAR that can be mapped
 *
 * Maps no page yet: whether there is something to map is for the fault to find out.
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
	 * them. VM_ALLOW_ANY_UNCACHED lets KVM on arm64 map the BAR as
	 * Normal-NC, for guests that want write-combining. The architecture
	 * does not promise that this is safe: some MMIO, the GICv2 VCPU
	 * interface for one, can raise faults that nobody contains. vfio-pci
	 * relies on the platform to contain what a guest does to a PCI
	 * device, with either memory type.
	 */
	vm_flags_set(vma, VM_ALLOW_ANY_UNCACHED | VM_IO | VM_PFNMAP |
			  VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &vfio_pci_mmap_ops;

	trace_vfio_pci_mmap(vdev->pdev, (u64)vma->vm_pgoff << PAGE_SHIFT,
			    vma->vm_end - vma->vm_start, vma->vm_start);
	return 0;
}

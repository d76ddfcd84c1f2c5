// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answering for a BAR whose device does not, as hardware does
 *
 * Reads give all ones, writes go nowhere: a fault maps a page that is filled with ones
 * and belongs to the device. What is written to it can be read from it, so no two pages
 * of the BARs get the same one: a driver that writes to a doorbell must not find that in
 * a status register. There are VFIO_PCI_ONES_PAGES of them. A fault that needs one more
 * takes that of the page of the BAR that has had it longest, which then faults again.
 * Pages are filled anew when they change hands, and before the device may answer again.
 *
 * The pages are allocated when the device is opened, so that a fault need not, and freed
 * when it is closed: no VMA is left then, as each holds the device open.
 *
 * Page-table entries for them follow the rules of those for the device, see
 * vfio_pci_mmap.c, and every zap takes them away. They have the memory type of the VMA,
 * so that mprotect() does not change it, or, on x86, the one that PAT has for memory,
 * which mprotect() keeps. Where it bypasses the cache the content has to be in memory:
 * the fill writes it back. x86 and arm64 with ARM64_PMEM can. Without
 * VFIO_PCI_HAS_ONES a lost device stays mapped, and nobody can choose ones for a disabled
 * one.
 *
 * ones.lock covers @page_of, @next and @used. It nests inside memory_lock and
 * quiesce.lock, and outside i_mmap_rwsem.
 *
 * The pages are for the CPU alone. A fault on behalf of another task, as in a DMA map,
 * does not get one, and where one is mapped already, DMA maps refuse it: it is no page
 * of a device, and no page that may be pinned either.
 */

#include <linux/gfp.h>
#include <linux/libnvdimm.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/string.h>

#include "vfio_pci_mmap_ones.h"
#include "vfio_pci_mmap_zap.h"
#include "vfio_pci_priv.h"

/* What no page of a BAR has for an offset */
#define VFIO_PCI_ONES_FREE	ULONG_MAX

/* The page is mapped nowhere */
static void vfio_pci_ones_fill(struct vfio_pci_ones *ones, unsigned int i)
{
	void *addr = page_address(ones->pages[i]);

	memset(addr, 0xff, PAGE_SIZE);
	arch_wb_cache_pmem(addr, PAGE_SIZE);
	arch_invalidate_pmem(addr, PAGE_SIZE);
	ones->page_of[i] = VFIO_PCI_ONES_FREE;
}

/**
 * vfio_pci_ones_init - Prepare a new device
 * @vdev: the device
 *
 * Context: Before the device is registered. Does not sleep.
 */
void vfio_pci_ones_init(struct vfio_pci_core_device *vdev)
{
	mutex_init(&vdev->ones.lock);
}

/**
 * vfio_pci_ones_open - Allocate the pages of ones
 * @vdev: the device, being opened, which nobody maps
 *
 * Context: May sleep.
 * Return: 0, or -ENOMEM.
 */
int vfio_pci_ones_open(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_ones *ones = &vdev->ones;
	unsigned int i;

	/* One by one: KVM takes references to each */
	for (i = 0; i < VFIO_PCI_ONES_PAGES; i++) {
		ones->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!ones->pages[i]) {
			vfio_pci_ones_close(vdev);
			return -ENOMEM;
		}
		vfio_pci_ones_fill(ones, i);
	}
	return 0;
}

/**
 * vfio_pci_ones_close - Free the pages of ones
 * @vdev: the device, being closed, which nobody maps
 *
 * Context: May sleep.
 */
void vfio_pci_ones_close(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_ones *ones = &vdev->ones;
	unsigned int i;

	/* Nobody announces anything of pages that were dropped when the user left */
	ones->used = false;
	for (i = 0; i < VFIO_PCI_ONES_PAGES; i++) {
		if (ones->pages[i])
			__free_page(ones->pages[i]);
		ones->pages[i] = NULL;
	}
}

/**
 * vfio_pci_ones_drop - Take the pages of ones away
 * @vdev: the device
 *
 * On return they are mapped nowhere, and fresh. Nothing happens if none was mapped
 * since the last call.
 *
 * Context: memory_lock or &vfio_pci_quiesce.lock held for write. May sleep.
 */
void vfio_pci_ones_drop(struct vfio_pci_core_device *vdev)
{
	struct vfio_pci_ones *ones = &vdev->ones;
	unsigned int i;

	/* Faults, which set it, are excluded */
	if (!READ_ONCE(ones->used))
		return;

	mutex_lock(&ones->lock);
	vfio_pci_zap_bars(vdev);
	for (i = 0; i < VFIO_PCI_ONES_PAGES; i++)
		vfio_pci_ones_fill(ones, i);
	WRITE_ONCE(ones->used, false);
	mutex_unlock(&ones->lock);
}

/* Which page of ones stands in for a page of a BAR */
static unsigned int vfio_pci_ones_get(struct vfio_pci_core_device *vdev,
				      pgoff_t pgoff)
{
	struct vfio_pci_ones *ones = &vdev->ones;
	unsigned int i;

	for (i = 0; i < VFIO_PCI_ONES_PAGES; i++)
		if (ones->page_of[i] == pgoff)
			return i;

	i = ones->next;
	ones->next = (i + 1) % VFIO_PCI_ONES_PAGES;
	if (ones->page_of[i] != VFIO_PCI_ONES_FREE) {
		vfio_pci_zap_page(vdev, ones->page_of[i]);
		vfio_pci_ones_fill(ones, i);
	}
	ones->page_of[i] = pgoff;
	return i;
}

/**
 * vfio_pci_ones_insert - Map a page of ones where a device does not answer
 * @vdev: the device, which does not answer
 * @vmf: the fault
 * @pgoff: offset of the page in the device file
 * @order: size of the leaf that would fit
 *
 * Context: In a fault, with memory_lock and &vfio_pci_quiesce.lock held for read, where
 * there is VFIO_PCI_HAS_ONES. May sleep.
 * Return: VM_FAULT_NOPAGE once mapped; VM_FAULT_FALLBACK if @order is not 0;
 * VM_FAULT_SIGBUS if the fault is on behalf of another task, or @pgoff is not of a BAR.
 */
vm_fault_t vfio_pci_ones_insert(struct vfio_pci_core_device *vdev,
				struct vm_fault *vmf, pgoff_t pgoff,
				unsigned int order)
{
	struct vfio_pci_ones *ones = &vdev->ones;
	unsigned int bar = VFIO_PCI_OFFSET_TO_INDEX((u64)pgoff << PAGE_SHIFT);
	unsigned long pfn;
	vm_fault_t ret;

	if (bar >= PCI_STD_NUM_BARS || vmf->flags & FAULT_FLAG_REMOTE)
		return VM_FAULT_SIGBUS;
	if (order)
		return VM_FAULT_FALLBACK;

	mutex_lock(&ones->lock);
	WRITE_ONCE(ones->used, true);
	pfn = page_to_pfn(ones->pages[vfio_pci_ones_get(vdev, pgoff)]);
	vfio_pci_zap_mark(vdev, bar);
	/* Encrypted where memory is: it is memory, unlike the BAR */
	ret = vmf_insert_pfns_prot(vmf, vmf->address, pfn, 1,
				   pgprot_encrypted(vmf->vma->vm_page_prot));
	mutex_unlock(&ones->lock);
	return ret;
}

/**
 * vfio_pci_zap_and_down_write_memory_lock - Prepare to make the device stop
 * @vdev: the device
 *
 * Zaps its BARs, keeps faults off until the caller releases memory_lock, and has the
 * pages of ones ready to take their place. They may be used: the PCI core turns devices
 * on, too.
 *
 * Context: The device open, memory_lock not held; held for write on return.
 * May sleep.
 */
void vfio_pci_zap_and_down_write_memory_lock(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->memory_lock);
	vfio_pci_zap_bars(vdev);
	vfio_pci_ones_drop(vdev);
}

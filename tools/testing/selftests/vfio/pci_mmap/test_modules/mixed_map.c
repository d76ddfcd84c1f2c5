// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM_MIXEDMAP mapping of memory, by leaves of a PMD
 *
 * Each file that is opened of debugfs/mixed_map has that much memory, which its mappings
 * have at each leaf. get_user_pages() finds the pages, as it does not in the BAR of a
 * device, although the entries look the same: both are special.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#if __has_include("linux/pfn_t.h")
#include <linux/pfn_t.h>
#else
#define pfn_to_pfn_t(pfn) (pfn)
#endif

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
static vm_fault_t mixed_map_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct page *pages = vmf->vma->vm_file->private_data;
	unsigned long addr = vmf->address & HPAGE_PMD_MASK;

	if (order != HPAGE_PMD_ORDER || addr < vmf->vma->vm_start ||
	    addr + HPAGE_PMD_SIZE > vmf->vma->vm_end)
		return VM_FAULT_FALLBACK;
	return vmf_insert_pfn_pmd(vmf, pfn_to_pfn_t(page_to_pfn(pages)),
				  vmf->flags & FAULT_FLAG_WRITE);
}
#endif

static vm_fault_t mixed_map_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

static const struct vm_operations_struct mixed_map_vm_ops = {
	.fault = mixed_map_fault,
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	.huge_fault = mixed_map_huge_fault,
#endif
};

static int mixed_map_mmap(struct file *file, struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_MIXEDMAP | VM_HUGEPAGE);
	vma->vm_ops = &mixed_map_vm_ops;
	return 0;
}

static int mixed_map_open(struct inode *inode, struct file *file)
{
	file->private_data = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_ZERO | __GFP_NOWARN,
					 PMD_SHIFT - PAGE_SHIFT);
	return file->private_data ? 0 : -ENOMEM;
}

static int mixed_map_release(struct inode *inode, struct file *file)
{
	__free_pages(file->private_data, PMD_SHIFT - PAGE_SHIFT);
	return 0;
}

static const struct file_operations mixed_map_fops = {
	.owner = THIS_MODULE,
	.open = mixed_map_open,
	.mmap = mixed_map_mmap,
	.release = mixed_map_release,
};

static struct dentry *mixed_map_file;

static int __init mixed_map_init(void)
{
	mixed_map_file = debugfs_create_file_unsafe("mixed_map", 0600, NULL, NULL,
						    &mixed_map_fops);
	return 0;
}
module_init(mixed_map_init);

static void __exit mixed_map_exit(void)
{
	debugfs_remove(mixed_map_file);
}
module_exit(mixed_map_exit);

MODULE_DESCRIPTION("A mixed map of memory by large leaves");
MODULE_LICENSE("GPL");

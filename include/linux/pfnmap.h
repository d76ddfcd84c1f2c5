/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For those who fill or read page tables of a VM_PFNMAP vma by more than a page
 */
#ifndef PFNMAP_H
#define PFNMAP_H

#include <linux/mm_types.h>

struct follow_pfnmap_args;
struct mm_struct;
struct vm_fault;

vm_fault_t vmf_insert_pfns(struct vm_fault *vmf, unsigned long addr,
			   unsigned long pfn, unsigned long nr);
unsigned long follow_pfnmap_row(struct follow_pfnmap_args *args);
bool mmap_write_trylock(struct mm_struct *mm);

#endif /* PFNMAP_H */

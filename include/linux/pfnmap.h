/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rows of consecutive page frames in a VM_PFNMAP vma
 */
#ifndef PFNMAP_H
#define PFNMAP_H

#include <linux/mm_types.h>

struct follow_pfnmap_args;
struct vm_fault;

vm_fault_t vmf_insert_pfns(struct vm_fault *vmf, unsigned long addr,
			   unsigned long pfn, unsigned long nr);
unsigned long follow_pfnmap_row(struct follow_pfnmap_args *args);

#endif /* PFNMAP_H */

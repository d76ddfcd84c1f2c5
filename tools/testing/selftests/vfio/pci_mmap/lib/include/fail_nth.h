/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Making the kernel fail one allocation of this thread
 */
#ifndef PCI_MMAP_FAIL_NTH_H
#define PCI_MMAP_FAIL_NTH_H

#include <stdbool.h>

/* Can the kernel do that? Sets it up to fail any kind of allocation. */
bool fail_nth_enable(void);
/* Fail the @nth allocation from now on */
void fail_nth_arm(int nth);
/* Has it failed? Lets the others succeed. */
bool fail_nth_disarm(void);

#endif /* PCI_MMAP_FAIL_NTH_H */

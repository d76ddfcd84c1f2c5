/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The harness of kselftest, with patience
 *
 * A kernel with KASAN and lockdep, emulated on a machine that does something else as
 * well, is some fifty times slower than the one that 30 seconds are meant for.
 */
#ifndef PCI_MMAP_HARNESS_H
#define PCI_MMAP_HARNESS_H

#include "../../../../kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#endif /* PCI_MMAP_HARNESS_H */

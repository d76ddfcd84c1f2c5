// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints of BAR mappings, which vfio_pci_mmap_trace.h declares
 */

#define CREATE_TRACE_POINTS
#include "vfio_pci_mmap_trace.h"

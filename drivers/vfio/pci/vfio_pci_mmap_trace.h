/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of BAR mappings: mmap, fault and zap
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio_pci_mmap

#if !defined(_TRACE_VFIO_PCI_MMAP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_VFIO_PCI_MMAP_H

#include <linux/mm_types.h>
#include <linux/pci.h>
#include <linux/tracepoint.h>
#include <linux/vfio_pci_core.h>

/*
 * @pos: position in the device file, which gives the BAR and the offset in it; of a
 *	 fault, of the first page that it maps
 * @result: of the fault, as VM_FAULT_*
 * @pages: how many pages of the BAR what the fault inserts maps: 0 if nothing, or
 *	   a page of ones
 * @bars: which BARs had something to zap, as bits
 */

TRACE_EVENT(vfio_pci_mmap,
	    TP_PROTO(struct pci_dev *pdev, u64 pos, unsigned long size,
		     unsigned long addr),
	    TP_ARGS(pdev, pos, size, addr),
	    TP_STRUCT__entry(__string(dev, pci_name(pdev))
			     __field(u64, pos)
			     __field(unsigned long, size)
			     __field(unsigned long, addr)
	    ),
	    TP_fast_assign(__assign_str(dev);
			   __entry->pos = pos;
			   __entry->size = size;
			   __entry->addr = addr;
	    ),
	    TP_printk("%s BAR %llu offset 0x%llx size 0x%lx at 0x%lx",
		      __get_str(dev), VFIO_PCI_OFFSET_TO_INDEX(__entry->pos),
		      __entry->pos & VFIO_PCI_OFFSET_MASK, __entry->size,
		      __entry->addr)
);

TRACE_EVENT(vfio_pci_mmap_fault,
	    TP_PROTO(struct pci_dev *pdev, u64 pos, unsigned int order,
		     vm_fault_t result, unsigned long pages),
	    TP_ARGS(pdev, pos, order, result, pages),
	    TP_STRUCT__entry(__string(dev, pci_name(pdev))
			     __field(u64, pos)
			     __field(unsigned int, order)
			     __field(unsigned int, result)
			     __field(unsigned long, pages)
	    ),
	    TP_fast_assign(__assign_str(dev);
			   __entry->pos = pos;
			   __entry->order = order;
			   __entry->result = (__force unsigned int)result;
			   __entry->pages = pages;
	    ),
	    TP_printk("%s BAR %llu offset 0x%llx order %u result 0x%x pages %lu",
		      __get_str(dev), VFIO_PCI_OFFSET_TO_INDEX(__entry->pos),
		      __entry->pos & VFIO_PCI_OFFSET_MASK, __entry->order,
		      __entry->result, __entry->pages)
);

TRACE_EVENT(vfio_pci_mmap_zap,
	    TP_PROTO(struct pci_dev *pdev, u64 duration, unsigned long bars),
	    TP_ARGS(pdev, duration, bars),
	    TP_STRUCT__entry(__string(dev, pci_name(pdev))
			     __field(u64, duration)
			     __field(unsigned long, bars)
	    ),
	    TP_fast_assign(__assign_str(dev);
			   __entry->duration = duration;
			   __entry->bars = bars;
	    ),
	    TP_printk("%s took %llu ns bars 0x%lx", __get_str(dev),
		      __entry->duration, __entry->bars)
);

#endif /* _TRACE_VFIO_PCI_MMAP_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE vfio_pci_mmap_trace

#include <trace/define_trace.h>

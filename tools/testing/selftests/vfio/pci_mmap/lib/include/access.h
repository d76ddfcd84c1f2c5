/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Accesses to memory that may raise a signal
 */
#ifndef PCI_MMAP_ACCESS_H
#define PCI_MMAP_ACCESS_H

#include <stddef.h>
#include <stdint.h>

/* What a read of a BAR gives where nobody answers */
#define ALL_ONES 0xffffffff

/*
 * Access memory; return 0, or the signal that the access raised, or that ended it:
 * alarm() does, before or while a fault is repeated for ever
 */
int try_read(const void *addr, uint32_t *value);
int try_write(void *addr, uint32_t value);
/* Read a word of each page; return how many page faults that took, -1 for a signal */
long touch_pages(const void *map, size_t size);
/* The same of a page every @step bytes */
long touch_every(const void *map, size_t size, size_t step);
/* What the page tables of this process take, in bytes; -1 if it does not show */
long page_tables(void);

/* For tests: what an access to a BAR has to give. EXPECT_DATA() needs device.h. */
#define EXPECT_SIGBUS(addr) do {					\
	uint32_t _value = 0;						\
	EXPECT_EQ(SIGBUS, try_read(addr, &_value))			\
		TH_LOG("a read of the disabled BAR through %s gave 0x%x", \
		       #addr, _value);					\
} while (0)

#define EXPECT_ONES(addr) do {						\
	uint32_t _value = 0;						\
	EXPECT_EQ(0, try_read(addr, &_value))				\
		TH_LOG("reading through %s raised a signal", #addr);	\
	EXPECT_EQ(ALL_ONES, _value);					\
} while (0)

#define EXPECT_DATA(offset, addr) do {					\
	uint32_t _value = 0;						\
	EXPECT_EQ(0, try_read(addr, &_value))				\
		TH_LOG("reading through %s raised a signal", #addr);	\
	EXPECT_EQ(device_word(offset), _value);				\
} while (0)

#endif /* PCI_MMAP_ACCESS_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to memory that may raise a signal
 */
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "access.h"

static __thread sigjmp_buf trap;
static __thread int trapping;

static void catch(int sig)
{
	if (__atomic_load_n(&trapping, __ATOMIC_RELAXED))
		siglongjmp(trap, sig);
	signal(sig, SIG_DFL);
}

static void __attribute__((constructor)) catch_faults(void)
{
	/* The mask is not saved by sigsetjmp(): do not let it change */
	struct sigaction action = {
		.sa_handler = catch,
		.sa_flags = SA_NODEFER,
	};

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

int try_read(const void *addr, uint32_t *value)
{
	int sig = sigsetjmp(trap, 0);

	if (!sig) {
		__atomic_store_n(&trapping, 1, __ATOMIC_SEQ_CST);
		*value = __atomic_load_n((const uint32_t *)addr,
					 __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&trapping, 0, __ATOMIC_SEQ_CST);
	return sig;
}

int try_write(void *addr, uint32_t value)
{
	int sig = sigsetjmp(trap, 0);

	if (!sig) {
		__atomic_store_n(&trapping, 1, __ATOMIC_SEQ_CST);
		__atomic_store_n((uint32_t *)addr, value, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&trapping, 0, __ATOMIC_SEQ_CST);
	return sig;
}

long touch_every(const void *map, size_t size, size_t step)
{
	struct rusage before, after;
	uint32_t value = 0;
	size_t offset;

	/* Once for the pages that the measuring needs */
	try_read(&value, &value);
	getrusage(RUSAGE_THREAD, &after);
	getrusage(RUSAGE_THREAD, &before);
	for (offset = 0; offset < size; offset += step) {
		if (try_read(map + offset, &value))
			return -1;
	}
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_minflt - before.ru_minflt;
}

long touch_pages(const void *map, size_t size)
{
	return touch_every(map, size, getpagesize());
}

long page_tables(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (file && kib < 0 && fgets(line, sizeof(line), file))
		sscanf(line, "VmPTE: %ld kB", &kib);
	if (file)
		fclose(file);
	return kib < 0 ? -1 : kib * 1024;
}

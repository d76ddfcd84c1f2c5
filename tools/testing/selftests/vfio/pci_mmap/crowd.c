// SPDX-License-Identifier: GPL-2.0-only
/*
 * A crowd of processes that read a BAR in step
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"
#include "device.h"

struct crowd *crowd_create(int members)
{
	struct crowd *crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (crowd == MAP_FAILED)
		abort();
	/* Members that children fork are to be waited for as well */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	crowd->members = members;
	return crowd;
}

static int load(int *value)
{
	return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static void store(int *value, int new_value)
{
	__atomic_store_n(value, new_value, __ATOMIC_SEQ_CST);
}

void crowd_join(struct crowd *crowd, int id, const void *addr)
{
	int step = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		while (load(&crowd->step) == step)
			usleep(100);
		step = load(&crowd->step);
		if (step < 0)
			_exit(0);
		crowd->seen[id].sig = try_read(addr, &crowd->seen[id].value);
		__atomic_add_fetch(&crowd->done, 1, __ATOMIC_SEQ_CST);
	}
}

void crowd_step(struct crowd *crowd)
{
	store(&crowd->done, 0);
	store(&crowd->step, crowd->step + 1);
	while (load(&crowd->done) < crowd->members)
		usleep(100);
}

void crowd_dismiss(struct crowd *crowd)
{
	store(&crowd->step, -1);
}

void crowd_end(struct crowd *crowd)
{
	crowd_dismiss(crowd);
	while (wait(NULL) > 0)
		;
	munmap(crowd, sizeof(*crowd));
}

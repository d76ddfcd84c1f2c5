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
	crowd->members = members;
	return crowd;
}

void crowd_join(struct crowd *crowd, int id, const volatile void *addr)
{
	int step = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		while (crowd->step == step)
			usleep(100);
		step = crowd->step;
		if (step < 0)
			_exit(0);
		crowd->seen[id].sig = try_read(addr, &crowd->seen[id].value);
		crowd->done++;
	}
}

void crowd_step(struct crowd *crowd)
{
	crowd->done = 0;
	crowd->step++;
	while (crowd->done < crowd->members)
		usleep(100);
}

void crowd_end(struct crowd *crowd)
{
	crowd->step = -1;
	while (wait(NULL) > 0)
		;
	munmap(crowd, sizeof(*crowd));
}

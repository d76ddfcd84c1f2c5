// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debugfs says of the mappings of a device
 */
#include <errno.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "debugfs.h"

int debugfs_read(struct debugfs_mappings *mappings, const char *bdf)
{
	unsigned long long offset;
	unsigned long size, addr;
	char path[128], line[160];
	unsigned int bar;
	pid_t pid;
	FILE *file;

	*mappings = (struct debugfs_mappings){};
	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/mappings", bdf);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		int n = sscanf(line, "BAR %u offset %llx size %lx at %lx pid %d",
			       &bar, &offset, &size, &addr, &pid);

		if (n >= 4) {
			mappings->listed++;
			mappings->bytes += size;
			mappings->own += n == 5 && pid == getpid();
		} else if (sscanf(line, "unlisted %u",
				  &mappings->unlisted) != 1 &&
			   sscanf(line, "device %15s",
				  mappings->device) != 1 &&
			   sscanf(line, "disabled_bar %15s",
				  mappings->policy) != 1) {
			fclose(file);
			return -EINVAL;
		}
	}
	fclose(file);
	return 0;
}

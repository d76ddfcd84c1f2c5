// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debugfs says of the mappings of a device
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "debugfs.h"

int debugfs_read(struct debugfs_mappings *mappings, const char *bdf)
{
	unsigned long long offset;
	unsigned long size, addr;
	char path[128], line[128];
	unsigned int bar;
	FILE *file;

	*mappings = (struct debugfs_mappings){};
	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/mappings", bdf);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "BAR %u offset %llx size %lx at %lx",
			   &bar, &offset, &size, &addr) == 4) {
			mappings->listed++;
			mappings->bytes += size;
			mappings->populated += !!strstr(line, " populated");
		} else if (sscanf(line, "unlisted %u",
				  &mappings->unlisted) != 1 &&
			   sscanf(line, "disabled_bar %15s",
				  mappings->policy) != 1) {
			fclose(file);
			return -EINVAL;
		}
	}
	fclose(file);
	return 0;
}

int debugfs_wait_populated(const char *bdf)
{
	struct debugfs_mappings mappings;
	int i, ret;

	for (i = 0; i < 2000; i++) {
		ret = debugfs_read(&mappings, bdf);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (mappings.populated == mappings.listed)
			return 0;
		usleep(5000);
	}
	return -ETIMEDOUT;
}

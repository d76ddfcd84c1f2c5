// SPDX-License-Identifier: GPL-2.0-only
/*
 * What debugfs says of the mappings of a device
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "listing.h"

int listing_read(struct listing *listing, const char *bdf)
{
	unsigned long long offset;
	unsigned long size, addr;
	char path[128], line[128];
	unsigned int bar;
	FILE *file;

	*listing = (struct listing){};
	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/mappings", bdf);
	file = fopen(path, "r");
	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "BAR %u offset %llx size %lx at %lx",
			   &bar, &offset, &size, &addr) == 4) {
			listing->listed++;
			listing->bytes += size;
			listing->populated += !!strstr(line, " populated");
		} else if (sscanf(line, "unlisted %u",
				  &listing->unlisted) != 1 &&
			   sscanf(line, "disabled_bar %15s",
				  listing->policy) != 1) {
			fclose(file);
			return -EINVAL;
		}
	}
	fclose(file);
	return 0;
}

int listing_wait_populated(const char *bdf)
{
	struct listing listing;
	int i, ret;

	for (i = 0; i < 2000; i++) {
		ret = listing_read(&listing, bdf);
		if (ret)
			return ret == -ENOENT ? 0 : ret;
		if (listing.populated == listing.listed)
			return 0;
		usleep(5000);
	}
	return -ETIMEDOUT;
}

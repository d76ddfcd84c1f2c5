// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making the kernel fail one allocation of this thread
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "device.h"
#include "fail_nth.h"
#include "sysfs.h"

#define DEBUGFS "/sys/kernel/debug/"
#define FAIL_NTH "/proc/thread-self/fail-nth"

bool fail_nth_enable(void)
{
	return !file_write(FAIL_NTH, "0") &&
	       !file_write(DEBUGFS "failslab/ignore-gfp-wait", "0") &&
	       !file_write(DEBUGFS "failslab/verbose", "0") &&
	       !file_write(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "0") &&
	       !file_write(DEBUGFS "fail_page_alloc/min-order", "0") &&
	       !file_write(DEBUGFS "fail_page_alloc/verbose", "0");
}

void fail_nth_arm(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	file_write(FAIL_NTH, text);
}

bool fail_nth_disarm(void)
{
	char text[16] = "";
	int fd = open(FAIL_NTH, O_RDWR);

	if (fd < 0)
		return false;
	if (read(fd, text, sizeof(text) - 1) > 0)
		pwrite(fd, "0", 1, 0);
	close(fd);
	return text[0] == '0';
}

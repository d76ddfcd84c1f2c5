// SPDX-License-Identifier: GPL-2.0-only
/*
 * Making the kernel fail one allocation of this thread
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"

#define DEBUGFS "/sys/kernel/debug/"
#define FAIL_NTH "/proc/thread-self/fail-nth"

static bool put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, value, strlen(value));
	close(fd);
	return n > 0;
}

bool fail_enable(void)
{
	return put(FAIL_NTH, "0") &&
	       put(DEBUGFS "failslab/ignore-gfp-wait", "0") &&
	       put(DEBUGFS "failslab/verbose", "0") &&
	       put(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "0") &&
	       put(DEBUGFS "fail_page_alloc/min-order", "0") &&
	       put(DEBUGFS "fail_page_alloc/verbose", "0");
}

void fail_arm(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	put(FAIL_NTH, text);
}

bool fail_disarm(void)
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

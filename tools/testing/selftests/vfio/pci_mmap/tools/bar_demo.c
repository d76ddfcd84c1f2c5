// SPDX-License-Identifier: GPL-2.0-only
/*
 * Show, line by line, what happens to a BAR: bar_demo BDF
 * Print one word of it: bar_demo OFFSET BDF
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "access.h"
#include "device.h"

/* What a fault comes to: VM_FAULT_* of the kernel */
#define FAULT_SIGBUS 0x2
#define FAULT_NOPAGE 0x100

static int failures;

/* One line: what was done, what came of it, and whether that is right */
static void show(bool right, const char *what, const char *format, ...)
{
	va_list args;

	printf("  %-14s ", what);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("%s\n", right ? "" : "   <-- wrong");
	failures += !right;
}

/**
 * struct events - What the tracepoints of vfio_pci_mmap told
 * @mapped: faults that mapped a leaf
 * @order: order of the largest of those leaves
 * @refused: faults that ended in SIGBUS
 * @zaps: zaps
 * @nanoseconds: how long the zaps took
 */
struct events {
	unsigned int mapped;
	unsigned int order;
	unsigned int refused;
	unsigned int zaps;
	unsigned long nanoseconds;
};

/* The events since the last call; the first call turns them on */
static struct events take_events(void)
{
	static char text[1 << 20];
	static int fd = -1;
	struct events events = {};
	unsigned int order, result;
	char *line, *found;
	size_t used = 0;
	ssize_t n;

	if (fd < 0) {
		fd = open("/sys/kernel/tracing/events/vfio_pci_mmap/enable",
			  O_WRONLY);
		if (fd < 0 || write(fd, "1", 1) != 1) {
			perror("no tracepoints of vfio_pci_mmap");
			exit(1);
		}
		close(fd);
		fd = open("/sys/kernel/tracing/trace_pipe",
			  O_RDONLY | O_NONBLOCK);
	}
	while (used < sizeof(text) - 1 &&
	       (n = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += n;
	text[used] = 0;

	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		found = strstr(line, "_fault: ");
		if (found && sscanf(strstr(found, "order"),
				    "order %u result %x", &order,
				    &result) == 2) {
			if (result == FAULT_SIGBUS)
				events.refused++;
			if (result != FAULT_NOPAGE)
				continue;
			events.mapped++;
			if (order > events.order)
				events.order = order;
		}
		found = strstr(line, "_zap: ");
		if (found) {
			events.zaps++;
			events.nanoseconds +=
				strtoul(strstr(found, "took") + 5, NULL, 10);
		}
	}
	return events;
}

static void show_read(struct device *dev, void *map, bool answers)
{
	uint32_t value = 0;
	int sig, n;

	sig = try_read(map, &value);
	if (sig)
		show(!answers && sig == SIGBUS, "read", "%s", strsignal(sig));
	else
		show(answers && value == device_word(0), "read",
		     "0x%x, from the device", value);

	n = pread(dev->fd, &value, 4, dev->bar_offset);
	if (n < 0)
		show(!answers && errno == EIO, "pread()", "%s",
		     strerror(errno));
	else
		show(answers && value == device_word(0), "pread()",
		     "0x%x, from the device", value);
}

static void show_life(struct device *dev)
{
	size_t page = getpagesize(), pages = dev->bar_size / page;
	struct events events = take_events();
	off_t offset;
	void *map;

	map = device_map(dev, dev->bar_size, 0);
	if (map == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	show(true, "mmap()", "BAR %u, %zu KiB, at %p", dev->bar,
	     dev->bar_size >> 10, map);

	if (device_fill(dev, map)) {
		fprintf(stderr, "BAR %u of %s does not keep what is written: use ivshmem\n",
			dev->bar, dev->bdf);
		exit(1);
	}
	events = take_events();
	show(events.mapped, "write",
	     "to each of %zu pages: %u faults, largest leaf %zu KiB", pages,
	     events.mapped, page >> 10 << events.order);
	show_read(dev, map, true);

	show(!decode_set(dev, false, 2), "decode off", "PCI_COMMAND written");
	events = take_events();
	show(events.zaps == 1 && !events.mapped, "zapped",
	     "%u zap of %lu us, before the write reached the device",
	     events.zaps, events.nanoseconds / 1000);
	show_read(dev, map, false);
	events = take_events();
	show(events.refused == 1 && !events.mapped, "fault",
	     "%u refused, %u mapped", events.refused, events.mapped);

	show(!decode_set(dev, true, 2), "decode on", "PCI_COMMAND written");
	show_read(dev, map, true);
	events = take_events();
	show(events.mapped == 1, "fault", "%u refused, %u mapped",
	     events.refused, events.mapped);
	for (offset = 0; offset < dev->bar_size; offset += page) {
		uint32_t value;

		if (try_read(map + offset, &value) ||
		    value != device_word(offset))
			break;
	}
	show(offset == dev->bar_size, "same data", "in %zu of %zu pages",
	     (size_t)offset / page, pages);
}

int main(int argc, char **argv)
{
	struct device dev;
	const char *bdf;
	uint32_t value;
	void *map;
	int ret;

	device_arguments(&argc, argv, &bdf, 1);
	ret = device_open(&dev, bdf, -1, -1);
	if (ret) {
		fprintf(stderr, "cannot open %s: %s\n", bdf, strerror(-ret));
		return 1;
	}

	if (argc == 1) {
		show_life(&dev);
	} else {
		map = device_map(&dev, dev.bar_size, 0);
		if (map == MAP_FAILED ||
		    try_read(map + strtoul(argv[1], NULL, 0), &value)) {
			fprintf(stderr, "cannot read at %s of %s\n", argv[1],
				bdf);
			return 1;
		}
		printf("0x%x\n", value);
	}
	device_close(&dev);
	return failures != 0;
}

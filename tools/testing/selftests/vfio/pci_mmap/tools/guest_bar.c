// SPDX-License-Identifier: GPL-2.0-only
/*
 * In a guest: a hand on a BAR, through its file in sysfs.
 *
 *   guest_bar FILE read OFFSET
 *   guest_bar FILE write OFFSET VALUE
 *   guest_bar FILE fill		have each page tell which it is
 *   guest_bar FILE check		does it still?
 *   guest_bar FILE watch		read until SIGTERM
 *   guest_bar FILE last		read until the BAR is gone, or SIGTERM
 *   guest_bar FILE toggle ROUNDS	turn decode off and on, another CPU reading
 *   guest_bar FILE sleep ROUNDS	D3hot and D0, another CPU reading
 *
 * Who reads takes what the BAR gives at first for its data. From then on each read
 * has to give the same or all ones. A VMM that takes a BAR whose decode is off out of
 * its guest's memory, as QEMU does, and from 10.0 on that of a device in D3hot, answers
 * for what is left there: toggle, sleep and last, which meet with that, first look what
 * it is, and count it apart.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/pci_regs.h>

/* Pages that are read, all over the BAR, and where in each */
#define WORDS 16
#define IN_PAGE 8
#define ALL_ONES 0xffffffff
/* A BAR of registers: nvme's has 16 KiB */
#define SMALL 0x10000
/* In the register of power management */
#define D3HOT 3

static void *map;
static size_t size;
static int config;

static uint32_t load(size_t offset)
{
	return __atomic_load_n((uint32_t *)(map + offset), __ATOMIC_RELAXED);
}

static void store(size_t offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(map + offset), value, __ATOMIC_SEQ_CST);
}

static size_t word_offset(int i)
{
	return size / WORDS * i / getpagesize() * getpagesize() + IN_PAGE;
}

static uint32_t word_value(int i)
{
	return 0xba500000 | i << 8 | 0x5e;
}

static void fail(const char *what)
{
	fprintf(stderr, "guest_bar: %s: %s\n", what, strerror(errno));
	exit(2);
}

/**
 * struct reads - What a reader has seen
 * @data: what each word gives
 * @nobody: what the VMM gives where it has no BAR
 * @stop: when to end; atomic
 * @n_data: how many reads gave that
 * @n_ones: how many gave all ones
 * @n_nobody: how many gave @nobody, where that is neither
 * @n_wrong: how many gave something else
 * @wrong: the first of those
 */
struct reads {
	uint32_t data[WORDS];
	uint32_t nobody;
	bool stop;
	unsigned long n_data, n_ones, n_nobody, n_wrong;
	uint32_t wrong;
};

static struct reads reads;
static sigjmp_buf gone;

/* The device was taken out: the kernel has taken the mapping away */
static void on_sigbus(int sig)
{
	siglongjmp(gone, 1);
}

static void on_sigterm(int sig)
{
	__atomic_store_n(&reads.stop, true, __ATOMIC_RELAXED);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("two CPUs are needed");
}

static void *read_all(void *unused)
{
	int i;

	pin(1);
	while (!__atomic_load_n(&reads.stop, __ATOMIC_RELAXED)) {
		for (i = 0; i < WORDS; i++) {
			uint32_t value = load(word_offset(i));

			if (value == reads.data[i])
				reads.n_data++;
			else if (value == ALL_ONES)
				reads.n_ones++;
			else if (value == reads.nobody)
				reads.n_nobody++;
			else if (!reads.n_wrong++)
				reads.wrong = value;
		}
	}
	return NULL;
}

static void take_data(void)
{
	int i;

	reads.nobody = ALL_ONES;
	for (i = 0; i < WORDS; i++)
		reads.data[i] = load(word_offset(i));
}

/* Exit status: did every read give the data or all ones? */
static int report(void)
{
	printf("%lu reads of data, %lu of ones, ", reads.n_data, reads.n_ones);
	if (reads.n_nobody)
		printf("%lu of the VMM's 0x%x, ", reads.n_nobody, reads.nobody);
	printf("%lu of anything else", reads.n_wrong);
	if (reads.n_wrong)
		printf(", first 0x%x", reads.wrong);
	printf("\n");
	return !reads.n_data || reads.n_wrong;
}

static uint16_t config_read(off_t reg, int width)
{
	uint16_t value = 0;

	if (pread(config, &value, width, reg) != width)
		fail("reading configuration space");
	return value;
}

static void config_write(off_t reg, uint16_t value)
{
	if (pwrite(config, &value, 2, reg) != 2)
		fail("writing configuration space");
}

/* Nobody else reads yet */
static void take_nobody(off_t reg, uint16_t on, uint16_t off)
{
	config_write(reg, off);
	usleep(10000);
	reads.nobody = load(word_offset(0));
	config_write(reg, on);
}

static int watch(bool last)
{
	uint16_t on = config_read(PCI_COMMAND, 2);

	signal(SIGTERM, on_sigterm);
	signal(SIGBUS, on_sigbus);
	if (!sigsetjmp(gone, 1)) {
		take_data();
		if (last)
			take_nobody(PCI_COMMAND, on, on & ~PCI_COMMAND_MEMORY);
		printf("watching\n");
		fflush(stdout);
		read_all(NULL);
	}
	return report();
}

static off_t power_register(void)
{
	off_t cap = config_read(PCI_CAPABILITY_LIST, 1);

	while (cap && config_read(cap, 1) != PCI_CAP_ID_PM)
		cap = config_read(cap + 1, 1);
	if (!cap) {
		fprintf(stderr, "guest_bar: no power management\n");
		exit(2);
	}
	return cap + PCI_PM_CTRL;
}

/* Each round ends with the device on, and giving its data at once */
static int turn_off_and_on(bool power, int n)
{
	off_t reg = power ? power_register() : PCI_COMMAND;
	uint16_t on = config_read(reg, 2);
	uint16_t off = power ? on | D3HOT : on & ~PCI_COMMAND_MEMORY;
	unsigned long late = 0;
	pthread_t reader;
	int i;

	take_data();
	take_nobody(reg, on, off);
	if (pthread_create(&reader, NULL, read_all, NULL))
		fail("starting a thread");
	pin(0);
	for (i = 0; i < n; i++) {
		config_write(reg, off);
		config_write(reg, on);
		late += load(word_offset(i % WORDS)) != reads.data[i % WORDS];
	}
	/* Few rounds may be over before the reader gets at its CPU: the device is on now */
	for (i = 0; i < 1000 && !__atomic_load_n(&reads.n_data, __ATOMIC_RELAXED); i++)
		usleep(10000);
	__atomic_store_n(&reads.stop, true, __ATOMIC_RELAXED);
	pthread_join(reader, NULL);
	printf("%d rounds, %lu after which the device did not answer, ", n, late);
	return report() || late;
}

static int check(void)
{
	int i, wrong = 0;

	for (i = 0; i < WORDS; i++)
		wrong += load(word_offset(i)) != word_value(i);
	printf("%d of %d words are right\n", WORDS - wrong, WORDS);
	return !!wrong;
}

static void open_files(char *path)
{
	struct stat status;
	char name[256];
	int fd = open(path, O_RDWR);

	if (fd < 0 || fstat(fd, &status))
		fail(path);
	size = status.st_size;
	/* The upper half of nvme's has the MSI-X table, which is QEMU's */
	if (size <= SMALL)
		size /= 2;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		fail("mmap");
	snprintf(name, sizeof(name), "%s/config", dirname(path));
	config = open(name, O_RDWR);
	if (config < 0)
		fail(name);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[2] : "";
	unsigned long number = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	int i;

	if (argc > 2)
		open_files(argv[1]);
	if (!strcmp(verb, "write") && argc == 5)
		store(number, strtoul(argv[4], NULL, 0));
	if ((!strcmp(verb, "read") && argc == 4) ||
	    (!strcmp(verb, "write") && argc == 5))
		return printf("0x%x\n", load(number)) < 0;
	if (!strcmp(verb, "fill") && argc == 3)
		for (i = 0; i < WORDS; i++)
			store(word_offset(i), word_value(i));
	if ((!strcmp(verb, "fill") || !strcmp(verb, "check")) && argc == 3)
		return check();
	if ((!strcmp(verb, "watch") || !strcmp(verb, "last")) && argc == 3)
		return watch(!strcmp(verb, "last"));
	if ((!strcmp(verb, "toggle") || !strcmp(verb, "sleep")) && argc == 4)
		return turn_off_and_on(!strcmp(verb, "sleep"), number);

	fprintf(stderr, "usage: guest_bar FILE VERB: see the head of guest_bar.c\n");
	return 2;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Make a device stop answering, in every way there is, under processes that
 * access its BAR all the while, and count the accesses that completed although
 * it did not answer, the stray ones: stray_access [-e EVENTS] WAY BDF [BDF2]
 *
 * Prints one line, for scripts/leaks.sh, and on the line before it the first
 * stray access if there was any. Fails if an event could not be made or a process
 * that accessed the BAR died; stray accesses are not a failure.
 *
 * A page of ones that vfio-pci has answer for a device is no stray access, see
 * lib/include/access_stress.h. How many there were is at the end of the line.
 *
 * Some ways need QEMU to do its part: they talk to its monitor, and the device
 * has to have the place and the name that scripts/vm.sh gives it. Others need the
 * modules in test_modules/.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "../../../kselftest.h"
#include "access_stress.h"
#include "qemu.h"
#include "sysfs.h"

/* Accesses while the device is off, where this program says when it is on again */
#define OFF 3000
/* Accesses between two events, for each device */
#define PAUSE 20000
/* The same where they are one at a time */
#define PAUSE_ALONE 100
/* How long the driver may take to put back what a reset has taken, in milliseconds */
#define RESTORE 1000

/* The parameters of the modules */
#define GAPS "/sys/module/pci_gaps/parameters/"
#define OTHERS "/sys/module/pci_others/parameters/"
/* Beside the one that is accessed */
#define OTHER_VGA "0000:00:10.0"

#define MAX_DEVICES 2

/**
 * struct bench - What an event happens to
 * @n: number of devices
 * @bdf: their addresses
 * @dev: the devices
 * @stress: those who access them
 * @region: what of them is accessed, if not the largest BAR
 * @groups: how many groups two devices are in
 * @uevents: uevents since the start
 * @by_hand: how often the driver did not put back what a reset had taken
 */
struct bench {
	int n;
	const char *bdf[MAX_DEVICES];
	struct device dev[MAX_DEVICES];
	struct access_stress *stress[MAX_DEVICES];
	int region;
	int groups;
	int uevents;
	int by_hand;
};

static int start(struct bench *bench)
{
	int i, ret = device_open(&bench->dev[0], bench->bdf[0], -1, -1);

	if (!ret && bench->n > 1) {
		bench->groups = device_open_beside(bench->dev, bench->bdf[1]);
		ret = bench->groups < 0 ? bench->groups : 0;
	}
	for (i = 0; !ret && i < bench->n; i++)
		ret = bench->region < 0 ?
			access_stress_start(bench->stress[i], &bench->dev[i]) :
			access_stress_start_calls(bench->stress[i], &bench->dev[i],
						  bench->region);
	return ret;
}

static int stop(struct bench *bench)
{
	int i, ret = 0;

	for (i = 0; i < bench->n; i++)
		ret = access_stress_stop(bench->stress[i]) ?: ret;
	for (i = 0; i < bench->n; i++)
		device_close(&bench->dev[i]);
	return ret;
}

static void more(struct bench *bench)
{
	int i;

	for (i = 0; i < bench->n; i++)
		access_stress_more(bench->stress[i],
				   bench->region < 0 ? PAUSE : PAUSE_ALONE);
}

/* The device is known to be off for a while */
static void stay_off(struct bench *bench)
{
	access_stress_off(bench->stress[0]);
	access_stress_more(bench->stress[0], OFF);
	access_stress_on(bench->stress[0]);
}

static int command(struct bench *bench, unsigned int width)
{
	int ret = decode_set(&bench->dev[0], false, width);

	if (ret)
		return ret;
	stay_off(bench);
	return decode_set(&bench->dev[0], true, width);
}

static int command8(struct bench *bench)
{
	return command(bench, 1);
}

static int command16(struct bench *bench)
{
	return command(bench, 2);
}

static int command32(struct bench *bench)
{
	return command(bench, 4);
}

static int d3hot(struct bench *bench)
{
	int ret = power_set(&bench->dev[0], 3);

	if (ret)
		return ret;
	stay_off(bench);
	ret = power_set(&bench->dev[0], 0);
	/* Some devices come back with their registers reset */
	return ret ?: decode_set(&bench->dev[0], true, 2);
}

static int flr(struct bench *bench)
{
	return function_reset(&bench->dev[0]);
}

static int af_flr(struct bench *bench)
{
	off_t cap = config_capability(&bench->dev[0], PCI_CAP_ID_AF);

	if (!cap)
		return -ENOTTY;
	return config_write(&bench->dev[0], cap + PCI_AF_CTRL, 1,
			    PCI_AF_CTRL_FLR);
}

static int device_reset(struct bench *bench)
{
	return ioctl(bench->dev[0].fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int reset_both(struct bench *bench)
{
	int ret;

	/* Up to Linux 6.12 it does not wait for an access that is under way */
	do {
		ret = hot_reset(bench->dev, bench->groups);
	} while (ret == -EBUSY);
	return ret;
}

static int low_power(struct bench *bench)
{
	int ret = low_power_set(&bench->dev[0], true);

	if (ret)
		return ret;
	bench->stress[0]->asleep = true;
	stay_off(bench);
	return low_power_set(&bench->dev[0], false);
}

static int sysfs_reset(struct bench *bench)
{
	return sysfs_write(bench->bdf[0], "reset", "1");
}

static int pf_reset(struct bench *bench)
{
	return sysfs_write(bench->bdf[0], "physfn/reset", "1");
}

/* The driver of another function, or of the PF, resets without a word to anybody */
static int driver_flr_vf(struct bench *bench)
{
	return file_write(OTHERS "flr", bench->bdf[0]);
}

static int driver_flr_pf(struct bench *bench)
{
	char link[PATH_MAX], pf[PATH_MAX];
	int ret;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/physfn",
		 bench->bdf[0]);
	if (!realpath(link, pf))
		return -errno;
	/* The VF is gone until VF Enable is set again */
	access_stress_lost(bench->stress[0]);
	ret = file_write(OTHERS "flr_restore", strrchr(pf, '/') + 1);
	access_stress_found(bench->stress[0]);
	return ret;
}

/* Nobody knows of this but who does it */
static int setpci(struct bench *bench)
{
	char path[PATH_MAX];
	uint16_t command, off;
	int fd, ret = -EIO;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bench->bdf[0]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, &command, sizeof(command), PCI_COMMAND) == sizeof(command)) {
		off = command & ~PCI_COMMAND_MEMORY;
		if (pwrite(fd, &off, sizeof(off), PCI_COMMAND) == sizeof(off)) {
			stay_off(bench);
			ret = 0;
		}
		if (pwrite(fd, &command, sizeof(command), PCI_COMMAND) !=
		    sizeof(command))
			ret = -EIO;
	}
	close(fd);
	return ret;
}

static int arbiter_write(int fd, const char *command, const char *argument)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s %s", command, argument);

	return write(fd, text, n) == n ? 0 : -errno;
}

/* Who uses the addresses of VGA on one card has those of others turned off */
static int lock_vga(struct bench *bench)
{
	int fd = open("/dev/vga_arbiter", O_RDWR | O_CLOEXEC), ret;
	char device[32];

	if (fd < 0)
		return -errno;
	ret = arbiter_write(fd, "target", "PCI:" OTHER_VGA);
	if (!ret)
		ret = arbiter_write(fd, "lock", "io+mem");
	if (!ret) {
		stay_off(bench);
		ret = arbiter_write(fd, "unlock", "io+mem");
	}
	snprintf(device, sizeof(device), "PCI:%s", bench->bdf[0]);
	if (!ret)
		ret = arbiter_write(fd, "target", device);
	if (!ret)
		ret = arbiter_write(fd, "lock", "io+mem");
	if (!ret)
		ret = arbiter_write(fd, "unlock", "io+mem");
	close(fd);
	return ret;
}

/* By the power management of the bridge, which closes its window as well */
static int bridge_reset(struct bench *bench)
{
	return sysfs_write(bench->bdf[0], "../reset", "1");
}

static int subordinate_reset(struct bench *bench)
{
	return sysfs_write(bench->bdf[0], "../reset_subordinate", "1");
}

/* The device gets through its reset, and dies: nobody can restore it */
static int flr_no_return(struct bench *bench)
{
	int ret;

	access_stress_lost(bench->stress[0]);
	ret = file_write(GAPS "dead", bench->bdf[0]);
	if (!ret)
		ret = sysfs_reset(bench);
	if (ret)
		return ret;
	more(bench);
	ret = file_write(GAPS "dead", "none");
	if (!ret)
		ret = stop(bench);
	access_stress_found(bench->stress[0]);
	return ret ?: start(bench);
}

/* An error at the port: recovery is for what is behind it */
static int aer_nonfatal(struct bench *bench)
{
	tell_qemu("pcie_aer_inject_error port1 COMP_TIME");
	return uevent_wait(bench->uevents, bench->bdf[0],
			   "ERROR_EVENT=SUCCESSFUL_RECOVERY");
}

/* One that has what is behind the port reset */
static int aer_reset(struct bench *bench, const char *error)
{
	int i, ret;

	access_stress_lost(bench->stress[0]);
	tell_qemu(error);
	ret = uevent_wait(bench->uevents, bench->bdf[0],
			  "ERROR_EVENT=SUCCESSFUL_RECOVERY");
	if (ret)
		return ret;
	more(bench);
	for (i = 0; i < RESTORE && !access_stress_answers(bench->stress[0]); i++)
		usleep(1000);
	if (i == RESTORE) {
		/* Nobody has put back what the reset took: have VFIO do so */
		bench->by_hand++;
		ret = decode_set(&bench->dev[0], false, 2);
		if (!ret)
			ret = decode_set(&bench->dev[0], true, 2);
	}
	access_stress_found(bench->stress[0]);
	return ret;
}

/* The driver of the other function wants a reset, which Linux 6.12 does not do */
static int aer_sibling(struct bench *bench)
{
	return aer_reset(bench, "pcie_aer_inject_error port2 COMP_TIME");
}

static int aer_fatal(struct bench *bench)
{
	return aer_reset(bench, "pcie_aer_inject_error port1 DLP");
}

/*
 * Nobody speaks for the other function behind the port, so the PCI core gives
 * both up: the device is lost until it is opened anew.
 */
static int aer_failed(struct bench *bench)
{
	int ret;

	access_stress_lost(bench->stress[0]);
	tell_qemu("pcie_aer_inject_error port2 DLP");
	ret = uevent_wait(bench->uevents, bench->bdf[0],
			  "ERROR_EVENT=FAILED_RECOVERY");
	if (ret)
		return ret;
	more(bench);
	ret = stop(bench);
	access_stress_found(bench->stress[0]);
	return ret ?: start(bench);
}

/* Put a device into the empty slot, and start again */
static int plug(struct bench *bench)
{
	int ret;

	tell_qemu("device_add edu,id=plugged,bus=port4");
	ret = uevent_wait(bench->uevents, bench->bdf[0], "ACTION=add");
	if (!ret)
		ret = vfio_bind(bench->bdf[0], bench->uevents);
	return ret ?: start(bench);
}

/* Wait until the driver wants the device back */
static int wait_request(int req)
{
	int ret = irq_wait(req);

	close(req);
	return ret;
}

/* After a while, give it back */
static int give_back(struct bench *bench)
{
	more(bench);
	return stop(bench);
}

static int wait_unplugged(struct bench *bench, int port)
{
	int ret = uevent_wait(bench->uevents, bench->bdf[0], "ACTION=remove");

	if (!ret)
		ret = port_wait_off(port);
	close(port);
	return ret ?: plug(bench);
}

static int unplug(struct bench *bench)
{
	int port = port_open(bench->bdf[0]);
	int req = irq_open(&bench->dev[0], VFIO_PCI_REQ_IRQ_INDEX);
	int ret;

	if (port < 0 || req < 0)
		return -EIO;
	tell_qemu("device_del plugged");
	ret = wait_request(req);
	if (!ret)
		ret = give_back(bench);
	return ret ?: wait_unplugged(bench, port);
}

/*
 * The device is gone before anybody knows. What counts is what completes after
 * the driver has told user space.
 */
static int surprise(struct bench *bench)
{
	int port = port_open(bench->bdf[0]);
	int req = irq_open(&bench->dev[0], VFIO_PCI_REQ_IRQ_INDEX);
	int ret;

	if (port < 0 || req < 0)
		return -EIO;
	access_stress_lost(bench->stress[0]);
	access_stress_excuse(bench->stress[0]);
	ret = port_pull(port);
	if (!ret)
		ret = wait_request(req);
	access_stress_blame(bench->stress[0]);
	if (!ret)
		ret = give_back(bench);
	access_stress_found(bench->stress[0]);
	return ret ?: wait_unplugged(bench, port);
}

static int sriov_disable(struct bench *bench)
{
	int req = irq_open(&bench->dev[0], VFIO_PCI_REQ_IRQ_INDEX);
	char link[PATH_MAX], pf[PATH_MAX], disable[PATH_MAX + 32];
	FILE *shell;
	int ret;

	if (req < 0)
		return req;
	/* The link to the physical function goes with the virtual one */
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/physfn",
		 bench->bdf[0]);
	if (!realpath(link, pf))
		return -errno;

	/* Does not return before the device is closed: let another process */
	snprintf(disable, sizeof(disable), "echo 0 >%s/sriov_numvfs", pf);
	shell = popen(disable, "w");
	if (!shell)
		return -errno;
	ret = wait_request(req);
	if (!ret)
		ret = give_back(bench);
	if (ret)
		return ret;
	if (pclose(shell))
		return -EIO;

	ret = sysfs_write(strrchr(pf, '/') + 1, "sriov_numvfs", "1");
	if (!ret)
		ret = vfio_bind(bench->bdf[0], bench->uevents);
	return ret ?: start(bench);
}

/**
 * struct way - A way in which a device stops answering
 * @name: its name
 * @devices: how many it takes
 * @event: once; return 0 or -errno
 * @region: what of the device is accessed, by calls, if not the largest BAR
 */
static const struct way {
	const char *name;
	int devices;
	int (*event)(struct bench *bench);
	int region;
} ways[] = {
	{ "command8", 1, command8 },
	{ "command16", 1, command16 },
	{ "command32", 1, command32 },
	{ "d3hot", 1, d3hot },
	{ "low_power", 1, low_power },
	{ "flr", 1, flr },
	{ "af_flr", 1, af_flr },
	{ "device_reset", 1, device_reset },
	{ "hot_reset", 2, reset_both },
	{ "sysfs_reset", 1, sysfs_reset },
	{ "sysfs_reset_io", 1, sysfs_reset, VFIO_PCI_BAR2_REGION_INDEX },
	{ "sysfs_reset_rom", 1, sysfs_reset, VFIO_PCI_ROM_REGION_INDEX },
	{ "setpci", 1, setpci },
	{ "vga_arbiter", 1, lock_vga },
	{ "vf_reset", 1, sysfs_reset },
	{ "pf_reset", 1, pf_reset },
	{ "driver_flr_vf", 1, driver_flr_vf },
	{ "driver_flr_pf", 1, driver_flr_pf },
	{ "bridge_reset", 1, bridge_reset },
	{ "subordinate_reset", 1, subordinate_reset },
	{ "flr_no_return", 1, flr_no_return },
	{ "aer_nonfatal", 1, aer_nonfatal },
	{ "aer_sibling", 1, aer_sibling },
	{ "aer_fatal", 1, aer_fatal },
	{ "aer_failed", 1, aer_failed },
	{ "unplug", 1, unplug },
	{ "surprise", 1, surprise },
	{ "sriov_disable", 1, sriov_disable },
};

static const struct way *find_way(const char *name)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	return NULL;
}

static void report(struct bench *bench, const struct way *way, long events)
{
	struct access_stress_count sum = {};
	int i;

	for (i = 0; i < bench->n; i++) {
		struct access_stress_count one = access_stress_sum(bench->stress[i]);

		sum.accesses += one.accesses;
		sum.stray += one.stray;
		sum.before += one.before;
		sum.sigbus += one.sigbus;
		sum.errors += one.errors;
		sum.ones += one.ones;
		sum.unknown += one.unknown;
		if (bench->stress[i]->seen)
			printf("# %s: event %u, %s at %s gave 0x%x, the device holds 0x%x%s\n",
			       way->name, bench->stress[i]->first.event,
			       bench->stress[i]->first.how, bench->bdf[i],
			       bench->stress[i]->first.value,
			       bench->stress[i]->word,
			       bench->stress[i]->first.in_window ?
			       ", and was off" : "");
	}
	printf("stray_access %s events %ld accesses %lu stray %lu",
	       way->name, events, sum.accesses, sum.stray);
	printf(" sigbus %lu errors %lu before %lu", sum.sigbus, sum.errors,
	       sum.before);
	printf(" ones %lu unknown %lu by_hand %d\n", sum.ones, sum.unknown,
	       bench->by_hand);
}

static int usage(void)
{
	fprintf(stderr, "use: stray_access [-e EVENTS] WAY BDF [BDF2]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct bench bench = {};
	const struct way *way;
	long i, events = 1;
	int option, ret;

	while ((option = getopt(argc, argv, "e:")) != -1) {
		if (option != 'e')
			return usage();
		events = atol(optarg);
	}
	way = optind < argc ? find_way(argv[optind]) : NULL;
	if (!way || argc - optind != 1 + way->devices || events < 1)
		return usage();

	bench.region = way->region ?: -1;
	bench.n = device_arguments(&argc, argv, bench.bdf, way->devices);
	for (i = 0; i < bench.n; i++)
		bench.stress[i] = access_stress_create();
	bench.uevents = uevent_open();

	ret = bench.uevents < 0 ? bench.uevents : start(&bench);
	for (i = 0; !ret && i < events; i++) {
		more(&bench);
		__atomic_store_n(&bench.stress[0]->event, i + 1,
				 __ATOMIC_RELAXED);
		ret = way->event(&bench);
	}
	if (!ret) {
		more(&bench);
		ret = stop(&bench);
	}
	if (ret) {
		fprintf(stderr, "stray_access: %s: event %ld: %s\n", way->name, i,
			strerror(-ret));
		return 1;
	}
	report(&bench, way, events);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What peers have of a BAR that is exported as a DMA-BUF
 *
 * Needs dmabuf_importer.ko, a device with FLR and power management behind QEMU's port1,
 * QEMU's edu device, which is the peer for iommufd, and a device with FLR that pci_gaps.ko
 * may have die.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"
#include "edu.h"
#include "qemu.h"
#include "sysfs.h"

#define IMPORTER "/sys/kernel/debug/dmabuf_importer"
#define DEAD "/sys/module/pci_gaps/parameters/dead"

static const char *bdf[3];

/* Export the first page of the BAR; return a descriptor or -errno */
static int dmabuf_export(struct device *dev)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_feature_dma_buf dma_buf;
		struct vfio_region_dma_range range;
	} arg = {
		.feature.argsz = sizeof(arg),
		.feature.flags = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_BUF,
		.dma_buf.region_index = dev->bar,
		.dma_buf.open_flags = O_RDWR | O_CLOEXEC,
		.dma_buf.nr_ranges = 1,
		.range.length = getpagesize(),
	};
	int fd = ioctl(dev->fd, VFIO_DEVICE_FEATURE, &arg);

	return fd < 0 ? -errno : fd;
}

/* Have a peer do what dmabuf_importer.c says; return 0 or -errno */
static int peer_do(int peer, const char *text)
{
	return write(peer, text, strlen(text)) < 0 ? -errno : 0;
}

static int peer_import(int peer, int dmabuf, const char *name)
{
	char text[64];

	snprintf(text, sizeof(text), "import %d %s", dmabuf, name);
	return peer_do(peer, text);
}

/* Where a peer has the DMA-BUF mapped, or 0; and how often it was taken away */
static uint64_t peer_address(int peer, unsigned int *revoked)
{
	unsigned long long address = 0;
	char text[64] = "";

	*revoked = 0;
	if (pread(peer, text, sizeof(text) - 1, 0) > 0 &&
	    sscanf(text, "%llx %u", &address, revoked) != 2)
		sscanf(text, "none %u", revoked);
	return address;
}

/* Wait until the peer may map the DMA-BUF again; return 0 or -errno */
static int peer_map(int peer)
{
	int ret = -ENODEV, i;

	for (i = 0; i < PATIENCE * 100 && ret == -ENODEV; i++) {
		ret = peer_do(peer, "map");
		if (ret)
			usleep(10000);
	}
	return ret;
}

#define EXPECT_REVOKED(peer, times) do {				\
	unsigned int _revoked;						\
	EXPECT_EQ(0, peer_address(peer, &_revoked))			\
		TH_LOG("the peer still has the BAR mapped");		\
	EXPECT_EQ(times, _revoked);					\
} while (0)

/* Export the BAR of a device that is opened for that, and have a peer import it */
static void start_peer(struct __test_metadata *_metadata, struct device *dev, int *dmabuf,
		       int *peer)
{
	ASSERT_EQ(0, device_open(dev, bdf[0], -1, -1));
	*dmabuf = dmabuf_export(dev);
	ASSERT_LE(0, *dmabuf) TH_LOG("%s: set CONFIG_VFIO_PCI_DMABUF", strerror(-*dmabuf));
	*peer = open(IMPORTER, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, *peer) TH_LOG("no %s: load dmabuf_importer.ko", IMPORTER);
	ASSERT_EQ(0, peer_import(*peer, *dmabuf, bdf[0]));
}

FIXTURE(dmabuf)
{
	struct device dev;
	int dmabuf;
	int peer;
	int uevents;
};

FIXTURE_SETUP(dmabuf)
{
	self->uevents = uevent_open();
	ASSERT_LE(0, self->uevents);
	start_peer(_metadata, &self->dev, &self->dmabuf, &self->peer);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->uevents);
	close(self->peer);
	close(self->dmabuf);
	device_close(&self->dev);
}

static int decode(struct device *dev, int uevents, bool on)
{
	return decode_set(dev, on, 2);
}

static int d3hot(struct device *dev, int uevents, bool on)
{
	int ret = power_set(dev, on ? 0 : 3);

	/* Some devices come back with their registers reset */
	return ret || !on ? ret : decode_set(dev, true, 2);
}

static int low_power(struct device *dev, int uevents, bool on)
{
	return low_power_set(dev, !on);
}

static int device_reset(struct device *dev, int uevents, bool on)
{
	return ioctl(dev->fd, VFIO_DEVICE_RESET) ? -errno : 0;
}

static int flr(struct device *dev, int uevents, bool on)
{
	return function_reset(dev);
}

static int sysfs_reset(struct device *dev, int uevents, bool on)
{
	return sysfs_write(dev->bdf, "reset", "1");
}

static int fatal_error(struct device *dev, int uevents, bool on)
{
	tell_qemu("pcie_aer_inject_error port1 DLP");
	return uevent_wait(uevents, dev->bdf, "ERROR_EVENT=SUCCESSFUL_RECOVERY");
}

/* What makes a device stop answering: for as long as it takes, or until 'on' */
FIXTURE_VARIANT(dmabuf)
{
	int (*stop)(struct device *dev, int uevents, bool on);
	bool lasts;
};

FIXTURE_VARIANT_ADD(dmabuf, decode) { decode, .lasts = true };
FIXTURE_VARIANT_ADD(dmabuf, d3hot) { d3hot, .lasts = true };
FIXTURE_VARIANT_ADD(dmabuf, low_power) { low_power, .lasts = true };
FIXTURE_VARIANT_ADD(dmabuf, device_reset) { device_reset };
FIXTURE_VARIANT_ADD(dmabuf, flr) { flr };
FIXTURE_VARIANT_ADD(dmabuf, sysfs_reset) { sysfs_reset };
FIXTURE_VARIANT_ADD(dmabuf, fatal_error) { fatal_error };

TEST_F(dmabuf, taken_and_given_back)
{
	unsigned int revoked, i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(device_bar_address(&self->dev),
			  peer_address(self->peer, &revoked));
		ASSERT_EQ(0, variant->stop(&self->dev, self->uevents, false));
		EXPECT_REVOKED(self->peer, i);
		if (variant->lasts) {
			EXPECT_EQ(-ENODEV, peer_do(self->peer, "map"));
			ASSERT_EQ(0, variant->stop(&self->dev, self->uevents, true));
		}
		ASSERT_EQ(0, peer_map(self->peer));
	}
	EXPECT_EQ(device_bar_address(&self->dev), peer_address(self->peer, &revoked));
	EXPECT_EQ(3, revoked);
}

/* What is exported while the device does not answer is given when it does */
TEST_F(dmabuf, exported_meanwhile)
{
	int dmabuf, peer;

	if (!variant->lasts)
		SKIP(return, "it is over by itself");
	ASSERT_EQ(0, variant->stop(&self->dev, self->uevents, false));
	dmabuf = dmabuf_export(&self->dev);
	ASSERT_LE(0, dmabuf);
	peer = open(IMPORTER, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, peer);
	EXPECT_EQ(-ENODEV, peer_import(peer, dmabuf, bdf[0]));
	ASSERT_EQ(0, variant->stop(&self->dev, self->uevents, true));
	EXPECT_EQ(0, peer_import(peer, dmabuf, bdf[0]));
	close(peer);
	close(dmabuf);
}

FIXTURE(one)
{
	struct device dev;
	int dmabuf;
	int peer;
};

FIXTURE_SETUP(one)
{
	start_peer(_metadata, &self->dev, &self->dmabuf, &self->peer);
}

FIXTURE_TEARDOWN(one)
{
	close(self->peer);
	close(self->dmabuf);
	device_close(&self->dev);
}

TEST_F(one, taken_by_close)
{
	device_close(&self->dev);
	EXPECT_REVOKED(self->peer, 1);
	EXPECT_EQ(-ENODEV, peer_do(self->peer, "map"));
}

/* A write to PCI_COMMAND wakes the device for as long as it takes */
TEST_F(one, not_given_in_low_power)
{
	ASSERT_EQ(0, low_power_set(&self->dev, true));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_EQ(-ENODEV, peer_do(self->peer, "map"));
	ASSERT_EQ(0, low_power_set(&self->dev, false));
	EXPECT_EQ(0, peer_map(self->peer));
	EXPECT_EQ(0, peer_do(self->peer, "let_go"));
}

/* Whoever reads from the device wakes it, and it stays awake */
TEST_F(one, given_back_when_woken)
{
	struct {
		struct vfio_device_feature feature;
		struct vfio_device_low_power_entry_with_wakeup entry;
	} arg = {
		.feature.argsz = sizeof(arg),
		.feature.flags = VFIO_DEVICE_FEATURE_SET |
				 VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		.entry.wakeup_eventfd = irq_open(&self->dev, VFIO_PCI_ERR_IRQ_INDEX),
	};
	uint32_t vendor;

	ASSERT_LE(0, arg.entry.wakeup_eventfd);
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, &arg));
	ASSERT_EQ(0, sysfs_wait_suspended(bdf[0]));
	EXPECT_REVOKED(self->peer, 1);
	ASSERT_EQ(0, config_read(&self->dev, PCI_VENDOR_ID, 2, &vendor));
	ASSERT_EQ(0, irq_wait(arg.entry.wakeup_eventfd));
	EXPECT_EQ(0, peer_map(self->peer));
}

/* Resets by others do not wait for ever for a peer that keeps what was taken */
TEST_F(one, stuck_peer)
{
	unsigned int revoked;

	ASSERT_EQ(0, peer_do(self->peer, "hold"));
	ASSERT_EQ(0, sysfs_write(bdf[0], "reset", "1"));
	EXPECT_NE(0, peer_address(self->peer, &revoked));
	EXPECT_EQ(1, revoked);
	ASSERT_EQ(0, peer_do(self->peer, "let_go"));
	ASSERT_EQ(0, peer_map(self->peer));
	ASSERT_EQ(0, sysfs_write(bdf[0], "reset", "1"));
	EXPECT_REVOKED(self->peer, 2);
}

struct waiter {
	int peer;
	bool told;
};

static void *let_go_later(void *arg)
{
	struct waiter *waiter = arg;

	sleep(3);
	__atomic_store_n(&waiter->told, true, __ATOMIC_SEQ_CST);
	peer_do(waiter->peer, "let_go");
	return NULL;
}

/* Anybody who has the buffer may add a fence: nobody who turns the device on waits for it */
TEST_F(one, fence)
{
	struct waiter waiter = { .peer = self->peer };
	pthread_t thread;

	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	EXPECT_REVOKED(self->peer, 1);
	ASSERT_EQ(0, peer_do(self->peer, "fence"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, let_go_later, &waiter));
	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	EXPECT_FALSE(__atomic_load_n(&waiter.told, __ATOMIC_SEQ_CST))
		TH_LOG("turned on once the fence was signalled");
	EXPECT_EQ(0, peer_map(self->peer));
	pthread_join(thread, NULL);
}

#define ROUNDS 200

static void *keep_mapping(void *peer)
{
	for (;;) {
		peer_do(*(int *)peer, "map");
		pthread_testcancel();
	}
	return NULL;
}

static pid_t start(int (*repeat)(struct device *dev), struct device *dev)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		repeat(dev);
}

static int toggle(struct device *dev)
{
	decode_set(dev, false, 2);
	return decode_set(dev, true, 2);
}

static int export_and_import(struct device *dev)
{
	int dmabuf = dmabuf_export(dev), peer = open(IMPORTER, O_RDWR | O_CLOEXEC);

	peer_import(peer, dmabuf, dev->bdf);
	close(dmabuf);
	close(peer);
	return 0;
}

/* All at once: they end, and the peer gets the BAR */
TEST_F(one, races)
{
	unsigned int i, revoked;
	pthread_t thread;
	pid_t pid[2];

	ASSERT_EQ(0, pthread_create(&thread, NULL, keep_mapping, &self->peer));
	pid[0] = start(toggle, &self->dev);
	pid[1] = start(export_and_import, &self->dev);
	for (i = 0; i < ROUNDS; i++)
		EXPECT_EQ(0, sysfs_write(bdf[0], "reset", "1"));
	for (i = 0; i < ARRAY_SIZE(pid); i++) {
		kill(pid[i], SIGKILL);
		ASSERT_EQ(pid[i], waitpid(pid[i], NULL, 0));
	}
	pthread_cancel(thread);
	ASSERT_EQ(0, pthread_join(thread, NULL));

	ASSERT_EQ(0, decode_set(&self->dev, true, 2));
	if (!peer_address(self->peer, &revoked))
		EXPECT_EQ(0, peer_map(self->peer));
	TH_LOG("the peer lost the BAR %u times in %u resets", revoked, ROUNDS);
}

/* A device that others have reset and that does not come back */
TEST(lost)
{
	int dmabuf, dmabuf2, peer, peer2;
	struct device dev;

	ASSERT_EQ(0, device_open(&dev, bdf[2], -1, -1));
	dmabuf = dmabuf_export(&dev);
	peer = open(IMPORTER, O_RDWR | O_CLOEXEC);
	peer2 = open(IMPORTER, O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, peer_import(peer, dmabuf, bdf[2]));
	ASSERT_EQ(0, file_write(DEAD, bdf[2]))
		TH_LOG("%s cannot be made to die: load pci_gaps.ko", bdf[2]);
	sysfs_write(bdf[2], "reset", "1");
	EXPECT_REVOKED(peer, 1);
	sleep(3);
	EXPECT_EQ(-ENODEV, peer_do(peer, "map"));
	dmabuf2 = dmabuf_export(&dev);
	EXPECT_LE(0, dmabuf2);
	EXPECT_EQ(-ENODEV, peer_import(peer2, dmabuf2, bdf[2]));
	ASSERT_EQ(0, file_write(DEAD, "none"));
	close(peer);
	close(peer2);
	close(dmabuf2);
	close(dmabuf);
	device_close(&dev);
}

/* edu does DMA to the BAR by a map of iommufd */
#define IOVA_MEMORY 0x1000000ULL
#define IOVA_BAR 0x2000000ULL
#define PATTERN 0x5eed5eed

FIXTURE(iommufd)
{
	struct device dev;
	struct device edu;
	int iommu;
	uint32_t ioas;
	int dmabuf;
	void *registers;
	uint32_t *memory;
	uint32_t word;	/* the first of the BAR; the device never changes it */
};

static int map_bar(int iommu, uint32_t ioas, int dmabuf)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.ioas_id = ioas,
		.fd = dmabuf,
		.length = getpagesize(),
		.iova = IOVA_BAR,
	};

	return ioctl(iommu, IOMMU_IOAS_MAP_FILE, &map) ? -errno : 0;
}

FIXTURE_SETUP(iommufd)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_ioas_map map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_READABLE,
		.length = getpagesize(),
		.iova = IOVA_MEMORY,
	};
	void *bar;

	ASSERT_EQ(0, device_open(&self->dev, bdf[0], -1, -1));
	bar = device_map(&self->dev, getpagesize(), 0);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_EQ(0, try_read(bar, &self->word));
	self->dmabuf = dmabuf_export(&self->dev);
	ASSERT_LE(0, self->dmabuf);

	/* Where things are in the device file is the same for both kinds of file */
	ASSERT_EQ(0, device_open(&self->edu, bdf[1], -1, -1));
	device_close(&self->edu);
	self->edu.fd = cdev_open(bdf[1]);
	self->iommu = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->edu.fd);
	ASSERT_LE(0, self->iommu);
	bind.iommufd = self->iommu;
	ASSERT_EQ(0, ioctl(self->edu.fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	ASSERT_EQ(0, ioctl(self->iommu, IOMMU_IOAS_ALLOC, &alloc));
	self->ioas = alloc.out_ioas_id;
	attach.pt_id = alloc.out_ioas_id;
	ASSERT_EQ(0, ioctl(self->edu.fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));

	self->memory = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
	map.ioas_id = self->ioas;
	map.user_va = (uintptr_t)self->memory;
	ASSERT_EQ(0, ioctl(self->iommu, IOMMU_IOAS_MAP, &map));
	ASSERT_EQ(0, map_bar(self->iommu, self->ioas, self->dmabuf));
	self->registers = edu_start(&self->edu);
	ASSERT_NE(NULL, self->registers) TH_LOG("%s is not QEMU's edu device", bdf[1]);
}

FIXTURE_TEARDOWN(iommufd)
{
	device_close(&self->edu);
	close(self->iommu);
	close(self->dmabuf);
	device_close(&self->dev);
}

/* The first word of the BAR as edu reads it, or PATTERN if it does not get there */
static uint32_t read_by_peer(struct __test_metadata *_metadata, void *registers,
			     uint32_t *memory)
{
	__atomic_store_n(memory, PATTERN, __ATOMIC_SEQ_CST);
	EXPECT_EQ(0, edu_read(registers, IOVA_MEMORY, sizeof(*memory)));
	EXPECT_EQ(0, edu_read(registers, IOVA_BAR, sizeof(*memory)));
	EXPECT_EQ(0, edu_write(registers, IOVA_MEMORY, sizeof(*memory)));
	return __atomic_load_n(memory, __ATOMIC_SEQ_CST);
}

TEST_F(iommufd, taken_for_good)
{
	ASSERT_EQ(self->word, read_by_peer(_metadata, self->registers, self->memory));
	ASSERT_EQ(0, sysfs_write(bdf[0], "reset", "1"));
	EXPECT_NE(self->word, read_by_peer(_metadata, self->registers, self->memory))
		TH_LOG("DMA by a map that the reset should have taken away");
}

/* A VMM maps it anew */
TEST_F(iommufd, mapped_anew)
{
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = self->ioas,
		.iova = IOVA_BAR,
		.length = getpagesize(),
	};
	int ret = -ENODEV, i;

	ASSERT_EQ(0, sysfs_write(bdf[0], "reset", "1"));
	ASSERT_EQ(0, ioctl(self->iommu, IOMMU_IOAS_UNMAP, &unmap));
	for (i = 0; i < PATIENCE * 100 && ret == -ENODEV; i++) {
		ret = map_bar(self->iommu, self->ioas, self->dmabuf);
		if (ret)
			usleep(10000);
	}
	ASSERT_EQ(0, ret);
	EXPECT_EQ(self->word, read_by_peer(_metadata, self->registers, self->memory));
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, bdf, 3);
	return test_harness_run(argc, argv);
}

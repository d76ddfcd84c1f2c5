// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE_DISABLED_BAR: every wrong argument and its errno. What is
 * refused changes nothing.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "harness.h"
#include "access.h"
#include "device.h"

#define GET VFIO_DEVICE_FEATURE_GET
#define SET VFIO_DEVICE_FEATURE_SET
#define PROBE VFIO_DEVICE_FEATURE_PROBE
#define FEATURE VFIO_DEVICE_FEATURE_DISABLED_BAR

/* Header and data are so long, in bytes */
#define HEADER 8
#define ALL 12

static const char *bdf;

/* Where the data is: with the header, or on the next page, which is not mapped, or
 * may not be written; or nothing is anywhere
 */
enum place { TOGETHER, NO_DATA, READ_ONLY_DATA, NOWHERE };

/**
 * struct request - What is asked for, and what comes of it
 * @argsz: as said to the kernel
 * @flags: likewise
 * @policy: what to set
 * @place: where the argument is
 * @error: 0 or a negative errno
 */
static const struct request {
	uint32_t argsz, flags, policy;
	enum place place;
	int error;
} requests[] = {
	/* Too short for the header, for the data; longer is no mistake */
	{ 0, FEATURE | SET, 1, TOGETHER, -EINVAL },
	{ HEADER - 1, FEATURE | SET, 1, TOGETHER, -EINVAL },
	{ HEADER, FEATURE | SET, 1, TOGETHER, -EINVAL },
	{ HEADER, FEATURE | GET, 0, TOGETHER, -EINVAL },
	{ ALL - 1, FEATURE | SET, 1, TOGETHER, -EINVAL },
	{ ALL - 1, FEATURE | GET, 0, TOGETHER, -EINVAL },
	{ ALL + 64, FEATURE | GET, 0, TOGETHER, 0 },
	/* One thing at a time, and something that there is */
	{ ALL, FEATURE, 1, TOGETHER, -EINVAL },
	{ ALL, FEATURE | GET | SET, 1, TOGETHER, -EINVAL },
	{ ALL, FEATURE | SET | 1U << 19, 1, TOGETHER, -EINVAL },
	{ ALL, FEATURE | GET | 1U << 31, 0, TOGETHER, -EINVAL },
	{ ALL, 0xffff | SET, 1, TOGETHER, -ENOTTY },
	/* To probe is to do nothing */
	{ HEADER, FEATURE | PROBE, 1, TOGETHER, 0 },
	{ HEADER, FEATURE | PROBE | GET, 1, TOGETHER, 0 },
	{ ALL, FEATURE | PROBE | SET, 1, TOGETHER, 0 },
	{ ALL, FEATURE | PROBE | SET, 2, TOGETHER, 0 },
	{ ALL, FEATURE | PROBE | GET | SET, 1, TOGETHER, 0 },
	{ ALL, FEATURE | PROBE | SET | 1U << 19, 1, TOGETHER, -EINVAL },
	/* Policies that there are not */
	{ ALL, FEATURE | SET, 2, TOGETHER, -EINVAL },
	{ ALL, FEATURE | SET, 0x80000000, TOGETHER, -EINVAL },
	{ ALL, FEATURE | SET, 0xffffffff, TOGETHER, -EINVAL },
	/* Memory that is not there */
	{ ALL, FEATURE | SET, 1, NO_DATA, -EFAULT },
	{ ALL, FEATURE | GET, 0, NO_DATA, -EFAULT },
	{ ALL, FEATURE | GET, 0, READ_ONLY_DATA, -EFAULT },
	{ ALL, FEATURE | SET, 1, NOWHERE, -EFAULT },
};

FIXTURE(disabled_bar_uapi)
{
	struct device dev;
	size_t page;
	void *room;
	void *map;
};

FIXTURE_VARIANT(disabled_bar_uapi)
{
	uint32_t policy;
};

FIXTURE_VARIANT_ADD(disabled_bar_uapi, sigbus)
{
	.policy = VFIO_DEVICE_DISABLED_BAR_SIGBUS,
};

FIXTURE_VARIANT_ADD(disabled_bar_uapi, ones)
{
	.policy = VFIO_DEVICE_DISABLED_BAR_ONES,
};

FIXTURE_SETUP(disabled_bar_uapi)
{
	ASSERT_EQ(0, device_open(&self->dev, bdf, -1, -1));
	self->page = getpagesize();
	self->map = device_map(&self->dev, self->page, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->room = mmap(NULL, 2 * self->page, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->room);
}

FIXTURE_TEARDOWN(disabled_bar_uapi)
{
	device_close(&self->dev);
}

/* The other policy than that of the variant */
static uint32_t other(uint32_t policy)
{
	return policy == VFIO_DEVICE_DISABLED_BAR_SIGBUS ?
		       VFIO_DEVICE_DISABLED_BAR_ONES :
		       VFIO_DEVICE_DISABLED_BAR_SIGBUS;
}

static struct vfio_device_feature *place_request(void *room, size_t page,
						 const struct request *request,
						 uint32_t policy)
{
	struct vfio_device_feature *feature = room;

	if (request->place == NOWHERE)
		return NULL;
	mprotect(room + page, page, PROT_READ | PROT_WRITE);
	if (request->place != TOGETHER)
		feature = room + page - HEADER;
	feature->argsz = request->argsz;
	feature->flags = request->flags;
	memcpy(feature->data, &policy, sizeof(policy));
	if (request->place != TOGETHER)
		mprotect(room + page, page, request->place == NO_DATA ?
						    PROT_NONE : PROT_READ);
	return feature;
}

TEST_F(disabled_bar_uapi, refuses_wrong_arguments)
{
	const uint32_t mark = 0x0123;
	size_t i;

	ASSERT_EQ(0, policy_set(&self->dev, variant->policy));
	ASSERT_EQ(0, decode_set(&self->dev, false, 2));
	/* A page of ones that is replaced would not have it any more */
	try_write(self->map, mark);

	for (i = 0; i < ARRAY_SIZE(requests); i++) {
		const struct request *request = &requests[i];
		uint32_t value = 0, policy = request->policy;
		int ret;

		/* 1 stands for what would be a change */
		if (policy == 1)
			policy = other(variant->policy);
		ret = ioctl(self->dev.fd, VFIO_DEVICE_FEATURE,
			    place_request(self->room, self->page, request,
					  policy)) ? -errno : 0;
		EXPECT_EQ(request->error, ret);
		EXPECT_EQ(variant->policy, policy_get(&self->dev));
		EXPECT_EQ(variant->policy == VFIO_DEVICE_DISABLED_BAR_SIGBUS ?
				  SIGBUS : 0, try_read(self->map, &value));
		if (variant->policy == VFIO_DEVICE_DISABLED_BAR_ONES)
			EXPECT_EQ(mark, value);
		if (_metadata->exit_code) {
			TH_LOG("request %zu: argsz %u flags 0x%x policy %u", i,
			       request->argsz, request->flags, policy);
			break;
		}
	}
}

/* GET writes the policy and nothing behind it */
TEST_F(disabled_bar_uapi, get_writes_policy_only)
{
	struct vfio_device_feature *feature = self->room;
	uint32_t data[3] = { 0x5eed, 0x5eed, 0x5eed };

	ASSERT_EQ(0, policy_set(&self->dev, variant->policy));
	feature->argsz = HEADER + sizeof(data);
	feature->flags = FEATURE | GET;
	memcpy(feature->data, data, sizeof(data));
	ASSERT_EQ(0, ioctl(self->dev.fd, VFIO_DEVICE_FEATURE, feature));
	memcpy(data, feature->data, sizeof(data));
	EXPECT_EQ(variant->policy, data[0]);
	EXPECT_EQ(0x5eed, data[1]);
	EXPECT_EQ(0x5eed, data[2]);
}

int main(int argc, char **argv)
{
	device_arguments(&argc, argv, &bdf, 1);
	return test_harness_run(argc, argv);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A peer that maps a BAR which vfio-pci has exported as a DMA-BUF
 *
 * Each file that is opened of debugfs/dmabuf_importer is one. It takes
 *
 *  - import FD ADDRESS: map the DMA-BUF for DMA of the function at ADDRESS
 *  - map: map it again, after it was revoked
 *  - hold: keep what is mapped when it is revoked next, as a peer that is stuck does
 *  - fence: have whoever waits for the users of the buffer wait, as anybody may
 *  - let_go: end both
 *
 * and reads as what the DMA-BUF is mapped at, or 'none', and how often it was taken away.
 */
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

MODULE_IMPORT_NS("DMA_BUF");

/**
 * struct importer - What one peer has
 * @lock: nests outside the reservation lock
 * @attach: NULL until something is imported
 * @sgt: NULL while nothing is mapped; the reservation lock covers this and the rest
 * @hold: keep it when it is revoked
 * @fence: NULL unless somebody may wait for it
 * @revoked: how often it was
 */
struct importer {
	struct mutex lock;	/* covers @attach */
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	bool hold;
	struct dma_fence *fence;
	unsigned int revoked;
};

static void unmap(struct importer *importer)
{
	if (importer->sgt)
		dma_buf_unmap_attachment(importer->attach, importer->sgt,
					 DMA_BIDIRECTIONAL);
	importer->sgt = NULL;
}

static void invalidate(struct dma_buf_attachment *attach)
{
	struct importer *importer = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (!importer->sgt)
		return;
	importer->revoked++;
	if (!importer->hold)
		unmap(importer);
}

static const struct dma_buf_attach_ops attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = invalidate,
};

static int map(struct importer *importer)
{
	struct sg_table *sgt;

	if (importer->sgt)
		return -EBUSY;
	sgt = dma_buf_map_attachment(importer->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	importer->sgt = sgt;
	return 0;
}

static const char *fence_name(struct dma_fence *fence)
{
	return "dmabuf_importer";
}

static const struct dma_fence_ops fence_ops = {
	.get_driver_name = fence_name,
	.get_timeline_name = fence_name,
};

static DEFINE_SPINLOCK(fence_lock);

static int add_fence(struct importer *importer)
{
	struct dma_resv *resv = importer->attach->dmabuf->resv;
	struct dma_fence *fence;
	int ret;

	if (importer->fence)
		return -EBUSY;
	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		return ret;
	fence = kzalloc_obj(*fence);
	if (!fence)
		return -ENOMEM;
	dma_fence_init(fence, &fence_ops, &fence_lock, dma_fence_context_alloc(1), 1);
	dma_resv_add_fence(resv, fence, DMA_RESV_USAGE_BOOKKEEP);
	importer->fence = fence;
	return 0;
}

static void end_fence(struct importer *importer)
{
	if (!importer->fence)
		return;
	dma_fence_signal(importer->fence);
	dma_fence_put(importer->fence);
	importer->fence = NULL;
}

static int import(struct importer *importer, const char *args)
{
	unsigned int fd, domain, bus, slot, function;
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	struct pci_dev *dev;

	if (sscanf(args, "%u %x:%x:%x.%x", &fd, &domain, &bus, &slot, &function) != 5)
		return -EINVAL;
	if (importer->attach)
		return -EBUSY;
	dev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, function));
	if (!dev)
		return -ENODEV;
	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf)) {
		pci_dev_put(dev);
		return PTR_ERR(dmabuf);
	}
	/* Whoever holds an attachment has the device stay */
	attach = dma_buf_dynamic_attach(dmabuf, &dev->dev, &attach_ops, importer);
	if (IS_ERR(attach)) {
		dma_buf_put(dmabuf);
		pci_dev_put(dev);
		return PTR_ERR(attach);
	}
	importer->attach = attach;
	return 0;
}

static int command(struct importer *importer, const char *text)
{
	int ret = 0;

	if (!strncmp(text, "import ", 7)) {
		ret = import(importer, text + 7);
		if (ret)
			return ret;
		text = "map";
	}
	if (!importer->attach)
		return -EINVAL;

	/* Who waits for the fence has the reservation lock */
	if (sysfs_streq(text, "let_go"))
		end_fence(importer);
	dma_resv_lock(importer->attach->dmabuf->resv, NULL);
	if (sysfs_streq(text, "map")) {
		ret = map(importer);
	} else if (sysfs_streq(text, "hold")) {
		importer->hold = true;
	} else if (sysfs_streq(text, "fence")) {
		ret = add_fence(importer);
	} else if (sysfs_streq(text, "let_go")) {
		importer->hold = false;
		unmap(importer);
	} else {
		ret = -EINVAL;
	}
	dma_resv_unlock(importer->attach->dmabuf->resv);
	return ret;
}

static ssize_t importer_write(struct file *file, const char __user *buf, size_t count,
			      loff_t *ppos)
{
	struct importer *importer = file->private_data;
	char text[64];
	int ret;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = 0;

	guard(mutex)(&importer->lock);
	ret = command(importer, text);
	return ret ?: count;
}

static ssize_t importer_read(struct file *file, char __user *buf, size_t count,
			     loff_t *ppos)
{
	struct importer *importer = file->private_data;
	char text[64];
	int len;

	guard(mutex)(&importer->lock);
	if (!importer->attach)
		return 0;
	dma_resv_lock(importer->attach->dmabuf->resv, NULL);
	if (importer->sgt)
		len = scnprintf(text, sizeof(text), "%#llx %u\n",
				(u64)sg_dma_address(importer->sgt->sgl),
				importer->revoked);
	else
		len = scnprintf(text, sizeof(text), "none %u\n", importer->revoked);
	dma_resv_unlock(importer->attach->dmabuf->resv);
	return simple_read_from_buffer(buf, count, ppos, text, len);
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *importer = kzalloc_obj(*importer);

	if (!importer)
		return -ENOMEM;
	mutex_init(&importer->lock);
	file->private_data = importer;
	return 0;
}

static int importer_release(struct inode *inode, struct file *file)
{
	struct importer *importer = file->private_data;
	struct dma_buf_attachment *attach = importer->attach;

	if (attach) {
		struct dma_buf *dmabuf = attach->dmabuf;
		struct pci_dev *dev = to_pci_dev(attach->dev);

		end_fence(importer);
		dma_resv_lock(dmabuf->resv, NULL);
		unmap(importer);
		dma_resv_unlock(dmabuf->resv);
		dma_buf_detach(dmabuf, attach);
		dma_buf_put(dmabuf);
		pci_dev_put(dev);
	}
	mutex_destroy(&importer->lock);
	kfree(importer);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.read = importer_read,
	.write = importer_write,
	.release = importer_release,
};

static struct dentry *importer_file;

static int __init dmabuf_importer_init(void)
{
	importer_file = debugfs_create_file("dmabuf_importer", 0600, NULL, NULL,
					    &importer_fops);
	return 0;
}
module_init(dmabuf_importer_init);

static void __exit dmabuf_importer_exit(void)
{
	debugfs_remove(importer_file);
}
module_exit(dmabuf_importer_exit);

MODULE_DESCRIPTION("A peer that maps BARs exported as DMA-BUFs");
MODULE_LICENSE("GPL");

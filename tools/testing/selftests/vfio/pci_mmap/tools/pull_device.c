// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pull a device out of its slot, before anybody knows: pull_device BDF
 *
 * The slot has to be one of QEMU's pcie-root-port.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "qemu.h"

int main(int argc, char **argv)
{
	int port, ret;

	if (argc != 2) {
		fprintf(stderr, "use: pull_device BDF\n");
		return 2;
	}
	port = port_open(argv[1]);
	ret = port < 0 ? port : port_pull(port);
	if (ret) {
		fprintf(stderr, "pull_device: %s: %s\n", argv[1], strerror(-ret));
		return 1;
	}
	close(port);
	return 0;
}

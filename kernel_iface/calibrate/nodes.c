/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "nodes.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define BITS_PER_LONG (8 * sizeof(unsigned long))

int nodes_bind(void *start, size_t bytes, unsigned int node)
{
	unsigned long mask[NODES_MAX / BITS_PER_LONG] = { 0 };

	if (node >= NODES_MAX)
		return -EINVAL;
	mask[node / BITS_PER_LONG] |= 1UL << (node % BITS_PER_LONG);
	/* the kernel takes one bit less than it is told */
	return syscall(SYS_mbind, start, bytes, MPOL_BIND, mask, (unsigned long)NODES_MAX + 1, 0) ?
		       -errno : 0;
}

int nodes_move(void *start, size_t unit_bytes, size_t nr, int node, uint64_t *elapsed_ns,
	       size_t *nr_there)
{
	void **pages = calloc(nr, sizeof(*pages));
	int *wanted = calloc(nr, sizeof(*wanted)), *status = calloc(nr, sizeof(*status));
	uint64_t started_ns;
	int err = -ENOMEM;

	*nr_there = 0;
	*elapsed_ns = 0;
	if (!pages || !wanted || !status)
		goto out;
	for (size_t i = 0; i < nr; i++) {
		pages[i] = (uint8_t *)start + i * unit_bytes;
		wanted[i] = node;
		status[i] = -ENOENT;
	}
	started_ns = bench_now_ns();
	/* a positive result is the number of pages that could not be moved: the status tells */
	err = syscall(SYS_move_pages, 0, nr, pages, node < 0 ? NULL : wanted, status,
		      MPOL_MF_MOVE) < 0 ? -errno : 0;
	*elapsed_ns = bench_now_ns() - started_ns;
	for (size_t i = 0; !err && i < nr; i++)
		*nr_there += node < 0 ? status[i] >= 0 : status[i] == node;
out:
	free(pages);
	free(wanted);
	free(status);
	return err;
}

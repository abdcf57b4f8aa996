/* SPDX-License-Identifier: Apache-2.0 */
/* NUMA nodes of the caller's own memory, by system call: no library is needed. */
#ifndef DT_NODES_H
#define DT_NODES_H

#include <stddef.h>
#include <stdint.h>

#define NODES_MAX 1024

/* Pages of [@start, @start + @bytes) will come from @node alone.  Returns 0 or -errno. */
int nodes_bind(void *start, size_t bytes, unsigned int node);

/*
 * Move @nr units of @unit_bytes to @node, or with @node < 0 look where they are.  Each unit is
 * named by its first page, which for a huge page moves all of it.  @elapsed_ns and @nr_there (how
 * many are on @node now, or in memory at all) are filled.  Returns 0 or -errno.
 */
int nodes_move(void *start, size_t unit_bytes, size_t nr, int node, uint64_t *elapsed_ns,
	       size_t *nr_there);

#endif

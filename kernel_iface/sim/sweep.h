/* SPDX-License-Identifier: Apache-2.0 */
/* A sweep: a window that passes over memory in order, and what it leaves behind. */
#ifndef DT_SWEEP_H
#define DT_SWEEP_H

#include <stddef.h>
#include <stdint.h>

struct workload;

/* Accesses to each page in one passage of the window: 95 % of the pages see at least one. */
#define SWEEP_ACCESSES 3.0

/* The blocks that the window covers now. */
struct window {
	size_t first;
	size_t last;
};

struct sweep {
	size_t first_block;
	size_t nr_blocks;
	/* what the window covers, besides what it passes in a tick */
	size_t window_blocks;
	double pass_us;
	/* the rate of a block that the window does not cover */
	double (*rate_behind)(const struct workload *w, size_t block);
};

/* Move @window to where it stands when @progress, from 0 to 1, of the pass is over. */
void sweep_to(struct workload *w, const struct sweep *sweep, struct window *window,
	      double progress, uint64_t now_us);
/* Take the window away. */
void sweep_end(struct workload *w, const struct sweep *sweep, struct window *window,
	       uint64_t now_us);

#endif

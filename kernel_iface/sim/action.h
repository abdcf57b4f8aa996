/* SPDX-License-Identifier: Apache-2.0 */
/* What DAMOS actions do to the blocks of one tenant. */
#ifndef DT_ACTION_H
#define DT_ACTION_H

#include "memory.h"
#include "pagefilter.h"

struct action_result {
	double pages_applied;
	double pages_passed;
	/* CPU time of the thread that acts */
	double elapsed_us;
};

/*
 * Part of one block: @share of its pages, of which an action takes @part of what is there.  Where
 * pages are found by physical address @tier is the one that was looked at, else NR_TIERS.
 */
struct extent {
	double share;
	double part;
	enum tier tier;
	uint32_t memcg;
	/* the scheme's filters are asked for each page */
	bool filtered;
};

void action_apply(struct memory *memory, size_t block, const struct extent *extent,
		  const struct scheme *scheme, uint64_t now_us, struct action_result *result);

/*
 * Describe the addresses of @unit, a block or a frame, from the share @from to the share @to.
 * Pages inside it have no place: when a walk acts on one part and then on the next, the second
 * must not take again from what the first left.
 */
void extent_walk(struct extent *extent, struct walked *walked, size_t unit, double from,
		 double to, uint64_t now_us);

/* For reclaim and khugepaged: @share of the block's pages, whatever they are; of fast memory. */
double action_page_out(struct memory *memory, size_t block, double share, uint64_t now_us,
		       double *elapsed_us);
double action_migrate(struct memory *memory, size_t block, double share, enum tier to,
		      uint64_t now_us, double *elapsed_us);
/* Returns pages that became huge; 0 where they cannot. */
double action_collapse(struct memory *memory, size_t block, double share, uint64_t now_us,
		       double *elapsed_us);

#endif

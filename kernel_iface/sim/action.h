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
 * Part of one block: from the share @from of its addresses to the share @to.  Where pages are
 * found by physical address @tier is the one that was looked at, else NR_TIERS.
 */
struct extent {
	double from;
	double to;
	enum tier tier;
	uint32_t memcg;
	/* the scheme's filters are asked for each page */
	bool filtered;
};

void action_apply(struct memory *memory, size_t block, const struct extent *extent,
		  const struct scheme *scheme, uint64_t now_us, struct action_result *result);

/* For reclaim, khugepaged and memory blocks: @share of the block's pages, whatever they are. */
double action_page_out(struct memory *memory, size_t block, double share, uint64_t now_us);
double action_migrate(struct memory *memory, size_t block, double share, enum tier to,
		      uint64_t now_us, double *elapsed_us);
/* Returns pages that became huge; 0 where they cannot. */
double action_collapse(struct memory *memory, size_t block, double share, uint64_t now_us,
		       double *elapsed_us);

#endif

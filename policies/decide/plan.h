/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From knobs to what one tenant wants of its host; as in kernel_iface/plan.py.
 *
 * A node is told by its place among the host's tiers, the fastest first.
 */
#ifndef DT_PLAN_H
#define DT_PLAN_H

#include <stddef.h>

#include "knobs.h"
#include "scheme.h"

#define PLAN_MAX_SCHEMES 8
/* Address ranges of one scheme: a filter each, and one is left for what else there may be. */
#define PLAN_MAX_RANGES (SCHEME_MAX_FILTERS - 1)

struct plan {
	/* for the tenant's own addresses; page-out, where there is any, is the first */
	uint32_t nr_schemes;
	struct scheme schemes[PLAN_MAX_SCHEMES];
	/* for each node's physical memory, towards the next one */
	bool demotes;
	bool promotes;
	struct scheme demote;
	struct scheme promote;
	/* memory that stays online and free, and a cap on the memory clock */
	bool has_power;
	uint64_t spare_bytes;
	double clock_cap;
};

struct address_range {
	uint64_t start;
	uint64_t end;
};

/* What a plan depends on beside the knobs: the last snapshot, and what is forecast. */
struct plan_input {
	uint64_t sample_us;
	uint64_t aggr_us;
	/* of the host, whether online or not */
	uint64_t memory_bytes;
	uint64_t fast_total_bytes;
	uint64_t fast_free_bytes;
	/* what will be used within the horizon, and before the decision after the next */
	size_t nr_protected;
	struct address_range protected[PLAN_MAX_RANGES];
	size_t nr_ahead;
	struct address_range ahead[PLAN_MAX_RANGES];
};

void plan_make(const struct knobs *knobs, unsigned groups, const struct plan_input *input,
	       struct plan *plan);

/* The least age, in aggregations, at which @plan pages out; UINT32_MAX where it does not. */
uint32_t plan_acted_age(const struct plan *plan);

#endif

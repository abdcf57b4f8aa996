/* SPDX-License-Identifier: Apache-2.0 */
/* What the metrics of quota goals are on a simulated host. */
#include "context.h"

#include <math.h>

#include "pagefilter.h"
#include "quota.h"

#define BP 1e4


static double node_used_share(const struct machine *m, int32_t nid)
{
	const bool known = nid == TIER_FAST || nid == TIER_SLOW;
	const double max = known ? machine_online_pages(m, (enum tier)nid) : 0.0;
	const double free = nid == TIER_FAST ? machine_free_pages(m) : max - m->pages[TIER_SLOW];

	return max > 0.0 ? fmin(fmax(1.0 - free / max, 0.0), 1.0) : 0.0;
}

static double node_memcg_share(const struct world *w, const struct quota_goal *goal)
{
	const bool known = goal->nid == TIER_FAST || goal->nid == TIER_SLOW;
	const double max = known ? machine_online_pages(&w->machine, (enum tier)goal->nid) : 0.0;

	if (max <= 0.0 || goal->memcg >= w->nr_tenants)
		return 0.0;
	return fmin(w->tenants[goal->memcg].memory.tier[goal->nid] / max, 1.0);
}

static double active_share(const struct world *w)
{
	double active = 0.0, resident = 0.0;

	for (size_t t = 0; t < w->nr_tenants; t++) {
		const struct memory *m = &w->tenants[t].memory;

		for (size_t i = 0; i < m->nr_blocks; i++) {
			const double pages = block_resident(&m->blocks[i]) * m->pages_per_block;

			active += pages * page_active_share(&m->blocks[i]);
			resident += pages;
		}
	}
	return resident > 0.0 ? active / resident : 0.0;
}

/* Of the pages that the scheme's pattern matches, those on the goal's node. */
static double eligible_share(const struct context *c, const struct damon_ctx *ctx,
			     const struct scheme *scheme, int32_t nid)
{
	const struct frames *f = c->frames;
	const double frame_bytes = f->pages_per_frame * DT_PAGE_BYTES;
	double there = 0.0, all = 0.0;

	for (size_t i = 0; i < ctx->nr_regions; i++) {
		const struct damon_region *r = &ctx->regions[i];
		const double start = (double)(r->start - PADDR_START) / frame_bytes;
		const double end = (double)(r->end - PADDR_START) / frame_bytes;

		if (!damos_pattern_matches(ctx, r, scheme))
			continue;
		for (size_t k = (size_t)start; (double)k < end && k < f->nr_frames; k++) {
			const double part = fmin(end, (double)(k + 1)) - fmax(start, (double)k);
			const double pages = part * (double)f->used[k];

			all += pages;
			there += (k < f->nr_fast ? TIER_FAST : TIER_SLOW) == nid ? pages : 0.0;
		}
	}
	return all > 0.0 ? there / all : 0.0;
}

uint64_t context_goal_value(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
			    const struct quota_goal *goal)
{
	const struct context *c = data;
	const struct world *w = c->world;

	switch (goal->metric) {
	case DAMOS_GOAL_SOME_MEM_PSI_US:
		return (uint64_t)w->pressure_us;
	case DAMOS_GOAL_NODE_MEM_USED_BP:
		return (uint64_t)(BP * node_used_share(&w->machine, goal->nid));
	case DAMOS_GOAL_NODE_MEM_FREE_BP:
		return (uint64_t)(BP * (1.0 - node_used_share(&w->machine, goal->nid)));
	case DAMOS_GOAL_NODE_MEMCG_USED_BP:
		return (uint64_t)(BP * node_memcg_share(w, goal));
	case DAMOS_GOAL_NODE_MEMCG_FREE_BP:
		return (uint64_t)(BP * (1.0 - node_memcg_share(w, goal)));
	case DAMOS_GOAL_ACTIVE_MEM_BP:
		return (uint64_t)(BP * active_share(w));
	case DAMOS_GOAL_INACTIVE_MEM_BP:
		return (uint64_t)(BP * (1.0 - active_share(w)));
	case DAMOS_GOAL_NODE_ELIGIBLE_MEM_BP:
		return c->spec.ops_id == DAMON_OPS_PADDR ?
			       (uint64_t)(BP * eligible_share(c, ctx, scheme, goal->nid)) : 0;
	default:
		return goal->current_value;
	}
}

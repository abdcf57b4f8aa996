/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <string.h>

/* How many regions may be written before room is made again. */
#define GAP 16

/* Move what was not read yet away from what is written. */
static bool open_gap(struct region_walk *w)
{
	struct damon_ctx *ctx = w->ctx;

	if (!damon_reserve(ctx, ctx->nr_regions + GAP))
		return false;
	memmove(&ctx->regions[w->read + GAP], &ctx->regions[w->read],
		(ctx->nr_regions - w->read) * sizeof(*ctx->regions));
	w->read += GAP;
	ctx->nr_regions += GAP;
	return true;
}

bool walk_next_pending(struct region_walk *w)
{
	if (w->write == w->read && !open_gap(w)) {
		w->out_of_memory = true;
		return false;
	}
	w->ctx->regions[w->write] = w->ctx->spare[--w->nr_pending];
	return true;
}

bool walk_split(struct region_walk *w, uint64_t sz)
{
	struct damon_region *r, *rest;

	if (!damon_reserve(w->ctx, w->nr_pending + 1)) {
		w->out_of_memory = true;
		return false;
	}
	r = walk_region(w);
	rest = &w->ctx->spare[w->nr_pending++];
	*rest = *r;
	rest->start = r->end = r->start + sz;
	return true;
}

void walk_end(struct region_walk *w)
{
	w->ctx->nr_regions = w->write;
}

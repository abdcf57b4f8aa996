/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over all regions that may cut the region at hand: what is cut off comes next.
 *
 * Regions that were seen are written down again behind the walk; cut-off rests wait on a stack
 * in the spare array, so that nothing moves unless a walk makes more regions than it found.
 */
#ifndef DT_WALK_H
#define DT_WALK_H

#include "monitor.h"

struct region_walk {
	struct damon_ctx *ctx;
	size_t read;
	size_t write;
	size_t nr_pending;
	/* neighbours that tell the same are joined up to this size */
	uint64_t join_limit;
	bool out_of_memory;
};

static inline struct damon_region *walk_region(const struct region_walk *w)
{
	return &w->ctx->regions[w->write];
}

/* The rare part of walk_next: take the rest that was cut off last. */
bool walk_next_pending(struct region_walk *w);
/* Keep @sz bytes of the region at hand; false when memory is out. */
bool walk_split(struct region_walk *w, uint64_t sz);
/* All regions were seen. */
void walk_end(struct region_walk *w);

/* Bring up the next region; false after the last one. */
static inline bool walk_next(struct region_walk *w)
{
	struct damon_region *regions = w->ctx->regions;

	if (w->nr_pending)
		return walk_next_pending(w);
	if (w->read == w->ctx->nr_regions)
		return false;
	if (w->write != w->read)
		regions[w->write] = regions[w->read];
	w->read++;
	return true;
}

static inline bool walk_is_last_of_target(const struct region_walk *w)
{
	return !w->nr_pending &&
	       (w->read == w->ctx->nr_regions ||
		w->ctx->regions[w->read].target != walk_region(w)->target);
}

static inline bool same_information(const struct damon_region *a, const struct damon_region *b)
{
	return a->age == b->age && a->last_nr_accesses == b->last_nr_accesses &&
	       a->nr_accesses == b->nr_accesses;
}

/* Done with the region at hand: write it down, or join it to the one before. */
static inline void walk_keep(struct region_walk *w)
{
	struct damon_region *r = walk_region(w), *prev = r - 1;

	if (w->write && same_information(prev, r) && prev->end == r->start &&
	    prev->target == r->target && r->end - prev->start <= w->join_limit)
		prev->end = r->end;
	else
		w->write++;
}

#endif

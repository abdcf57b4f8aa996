/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "schemes.h"

static const char *broken_order(const struct damon_region *before, const struct damon_region *r)
{
	if (before->target > r->target)
		return "regions are sorted by target";
	if (before->target == r->target && before->end > r->start)
		return "regions are sorted and disjoint";
	return NULL;
}

static const char *broken_region(const struct damon_ctx *ctx, const struct damon_region *r)
{
	const uint64_t samples = damon_nr_samples_per_aggr(&ctx->attrs);

	if (r->start >= r->end)
		return "no region is empty";
	if (r->nr_accesses > samples || r->last_nr_accesses > samples)
		return "nr_accesses is at most the samples of an aggregation";
	if (ctx->within_limit && region_sz(r) > ctx->sz_limit)
		return "no region is above the size limit";
	return NULL;
}

const char *damon_broken_invariant(const struct damon_ctx *ctx)
{
	const char *broken = NULL;
	uint64_t total = 0;

	for (size_t i = 0; !broken && i < ctx->nr_regions; i++) {
		const struct damon_region *r = &ctx->regions[i];

		broken = i ? broken_order(r - 1, r) : NULL;
		if (!broken)
			broken = broken_region(ctx, r);
		total += region_sz(r);
	}
	if (!broken && total != ctx->total_sz)
		broken = "the sizes of regions add up to what was set";
	return broken;
}

const char *damos_broken_invariant(const struct damos *s)
{
	if (s->window_tried_sz > s->esz && !s->scheme.fail_charge_denom)
		return "a quota is not exceeded in a charge window";
	return NULL;
}

void damon_verify(const char *broken, const char *function)
{
	if (!broken)
		return;
	fprintf(stderr, "damon-tuner: %s: this does not hold: %s\n", function, broken);
	abort();
}

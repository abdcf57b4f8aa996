/* SPDX-License-Identifier: Apache-2.0 */
/* The array of regions: its memory, the ranges of a target, and what holds for all regions. */
#include "monitor.h"

#include <stdlib.h>
#include <string.h>

void damon_init_ctx(struct damon_ctx *ctx, const struct damon_attrs *attrs, uint64_t seed)
{
	struct damon_region *regions = ctx->regions, *spare = ctx->spare;
	size_t capacity = ctx->capacity;

	memset(ctx, 0, sizeof(*ctx));
	ctx->regions = regions;
	ctx->spare = spare;
	ctx->capacity = capacity;
	ctx->attrs = *attrs;
	ctx->min_region_sz = DAMON_MIN_REGION_SZ;
	ctx->next_aggr_sample = damon_nr_samples_per_aggr(attrs);
	ctx->next_update_sample = attrs->update_us / attrs->sample_us;
	ctx->next_tune_sample = u64_mul(ctx->next_aggr_sample, attrs->intervals_goal.aggrs);
	rng_seed(&ctx->rng, seed);
}

void damon_destroy_ctx(struct damon_ctx *ctx)
{
	free(ctx->regions);
	free(ctx->spare);
	memset(ctx, 0, sizeof(*ctx));
}

bool damon_reserve(struct damon_ctx *ctx, size_t nr)
{
	struct damon_region *regions, *spare;
	size_t capacity = ctx->capacity ? ctx->capacity : 64;

	if (nr <= ctx->capacity)
		return true;
	if (nr > SIZE_MAX / 2 / sizeof(*regions))
		return false;
	while (capacity < nr)
		capacity *= 2;
	regions = realloc(ctx->regions, capacity * sizeof(*regions));
	if (!regions)
		return false;
	ctx->regions = regions;
	spare = realloc(ctx->spare, capacity * sizeof(*spare));
	if (!spare)
		return false;
	ctx->spare = spare;
	ctx->capacity = capacity;
	return true;
}

void damon_regions_changed(struct damon_ctx *ctx)
{
	uint64_t common = ctx->min_region_sz;

	ctx->total_sz = 0;
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		ctx->total_sz += region_sz(&ctx->regions[i]);
		common |= ctx->regions[i].start | ctx->regions[i].end;
	}
	/* the lowest bit of all borders and of what cuts are aligned to */
	ctx->sz_shift = (unsigned)__builtin_ctzll(common);
	ctx->within_limit = false;
}

size_t damon_first_region(const struct damon_ctx *ctx, uint32_t target)
{
	size_t low = 0, high = ctx->nr_regions;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ctx->regions[middle].target < target)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replace the regions [first, last) by @nr that were written to the spare array. */
static bool replace_regions(struct damon_ctx *ctx, size_t first, size_t last, size_t nr)
{
	const size_t after = ctx->nr_regions - last;

	if (!damon_reserve(ctx, first + nr + after))
		return false;
	if (after)
		memmove(&ctx->regions[first + nr], &ctx->regions[last],
			after * sizeof(*ctx->regions));
	if (nr)
		memcpy(&ctx->regions[first], ctx->spare, nr * sizeof(*ctx->regions));
	ctx->nr_regions = first + nr + after;
	damon_regions_changed(ctx);
	return true;
}

static struct damon_region new_region(uint32_t target, uint64_t start, uint64_t end)
{
	return (struct damon_region){ .start = start, .end = end, .target = target };
}

bool damon_set_regions(struct damon_ctx *ctx, uint32_t target, const uint64_t *ranges, size_t nr)
{
	const size_t first = damon_first_region(ctx, target);
	const size_t last = damon_first_region(ctx, target + 1);

	if (!damon_reserve(ctx, nr))
		return false;
	for (size_t i = 0; i < nr; i++)
		ctx->spare[i] = new_region(target, ranges[2 * i], ranges[2 * i + 1]);
	return replace_regions(ctx, first, last, nr);
}

static bool damon_intersect(const struct damon_region *r, const uint64_t *range)
{
	return r->end > range[0] && range[1] > r->start;
}

static bool in_any_range(const struct damon_region *r, const uint64_t *ranges, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (damon_intersect(r, &ranges[2 * i]))
			return true;
	return false;
}

/* Drop what no range touches; returns how many of the regions [first, last) are left. */
static size_t drop_outside(struct damon_ctx *ctx, size_t first, size_t last,
			   const uint64_t *ranges, size_t nr)
{
	size_t w = first;

	for (size_t i = first; i < last; i++)
		if (in_any_range(&ctx->regions[i], ranges, nr))
			ctx->regions[w++] = ctx->regions[i];
	return w - first;
}

/* Write the regions [first, last], which fill [start, end) but for holes, to @out. */
static size_t fill_range(struct damon_region *first, struct damon_region *last, uint64_t start,
			 uint64_t end, struct damon_region *out)
{
	size_t w = 0;

	first->start = start;
	last->end = end;
	for (struct damon_region *r = first; r <= last; r++) {
		if (w && out[w - 1].end != r->start) {
			out[w] = new_region(r->target, out[w - 1].end, r->start);
			w++;
		}
		out[w++] = *r;
	}
	return w;
}

bool damon_update_target_ranges(struct damon_ctx *ctx, uint32_t target, const uint64_t *ranges,
				size_t nr)
{
	const size_t first = damon_first_region(ctx, target);
	const size_t last = damon_first_region(ctx, target + 1);
	size_t nr_left, i = first, w = 0;

	/* a hole before each region that is left, and a new region for each range */
	if (!damon_reserve(ctx, 2 * (last - first) + nr))
		return false;
	nr_left = drop_outside(ctx, first, last, ranges, nr);
	for (size_t k = 0; k < nr; k++) {
		const uint64_t start = align_down(ranges[2 * k], ctx->min_region_sz);
		const uint64_t end = align_up(ranges[2 * k + 1], ctx->min_region_sz);
		struct damon_region *inner_first = NULL, *inner_last = NULL;

		for (; i < first + nr_left; i++) {
			struct damon_region *r = &ctx->regions[i];

			if (damon_intersect(r, &ranges[2 * k])) {
				inner_first = inner_first ? inner_first : r;
				inner_last = r;
			}
			if (r->start >= ranges[2 * k + 1])
				break;
		}
		if (inner_first)
			w += fill_range(inner_first, inner_last, start, end, &ctx->spare[w]);
		else
			ctx->spare[w++] = new_region(target, start, end);
	}
	return replace_regions(ctx, first, last, w);
}

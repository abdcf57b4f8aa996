/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#include <stdlib.h>
#include <string.h>

#define BP 10000ULL

static uint64_t abs_diff(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

const char *damon_validate_attrs(const struct damon_attrs *attrs)
{
	if (!attrs->sample_us)
		return "sample_us must be at least 1";
	if (attrs->sample_us > attrs->aggr_us)
		return "sample_us must not exceed aggr_us";
	if (attrs->aggr_us > DAMON_MAX_AGGR_US)
		return "aggr_us must be at most 2^40";
	if (attrs->min_nr_regions < 3)
		return "min_nr_regions must be at least 3";
	if (attrs->min_nr_regions > attrs->max_nr_regions)
		return "min_nr_regions must not exceed max_nr_regions";
	return NULL;
}

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

static void swap_in_spare(struct damon_ctx *ctx, size_t nr)
{
	struct damon_region *old = ctx->regions;

	ctx->regions = ctx->spare;
	ctx->spare = old;
	ctx->nr_regions = nr;
}

bool damon_set_regions(struct damon_ctx *ctx, const uint64_t *ranges, size_t nr)
{
	if (!damon_reserve(ctx, nr))
		return false;
	for (size_t i = 0; i < nr; i++)
		ctx->regions[i] = (struct damon_region){
			.start = ranges[2 * i], .end = ranges[2 * i + 1] };
	ctx->nr_regions = nr;
	return true;
}

/* Cut regions above the limit from the left, so that at least min_nr_regions exist. */
bool damon_apply_min_nr_regions(struct damon_ctx *ctx)
{
	uint64_t total = 0, limit, pieces = 0;
	size_t w = 0;

	for (size_t i = 0; i < ctx->nr_regions; i++)
		total += region_sz(&ctx->regions[i]);
	limit = u64_max(total / ctx->attrs.min_nr_regions, ctx->min_region_sz);
	limit = align_down(limit + ctx->min_region_sz - 1, ctx->min_region_sz);
	ctx->sz_limit = limit;

	for (size_t i = 0; i < ctx->nr_regions; i++) {
		uint64_t sz = region_sz(&ctx->regions[i]);

		pieces += sz <= limit ? 1 : (sz + limit - 1) / limit;
	}
	if (pieces == ctx->nr_regions)
		return true;
	if (!damon_reserve(ctx, pieces))
		return false;
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		struct damon_region r = ctx->regions[i];

		for (; region_sz(&r) > limit; r.start += limit) {
			ctx->spare[w] = r;
			ctx->spare[w++].end = r.start + limit;
		}
		ctx->spare[w++] = r;
	}
	swap_in_spare(ctx, w);
	return true;
}

static void update_region_age(struct damon_region *r, uint64_t threshold)
{
	if (abs_diff(r->nr_accesses, r->last_nr_accesses) > threshold)
		r->age = 0;
	else if (!r->nr_accesses != !r->last_nr_accesses)
		r->age = 0;
	else
		r->age++;
}

/* The left region keeps its last_nr_accesses, as in the kernel. */
static void damon_merge_two_regions(struct damon_region *l, const struct damon_region *r)
{
	uint64_t sz_l = region_sz(l), sz_r = region_sz(r);

	if (l->nr_accesses != r->nr_accesses)
		l->nr_accesses = (uint32_t)((l->nr_accesses * sz_l + r->nr_accesses * sz_r) /
					    (sz_l + sz_r));
	if (l->age != r->age)
		l->age = (uint32_t)((l->age * sz_l + r->age * sz_r) / (sz_l + sz_r));
	l->end = r->end;
}

/* One pass in address order; ages move only in the first pass of an aggregation. */
void damon_merge_regions_of(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit,
			    bool update_age)
{
	struct damon_region *prev = NULL;
	size_t w = 0;

	for (size_t i = 0; i < ctx->nr_regions; i++) {
		struct damon_region *r = &ctx->regions[i];

		if (update_age)
			update_region_age(r, threshold);
		if (prev && prev->end == r->start &&
		    abs_diff(prev->nr_accesses, r->nr_accesses) <= threshold &&
		    region_sz(prev) + region_sz(r) <= sz_limit) {
			damon_merge_two_regions(prev, r);
			continue;
		}
		prev = &ctx->regions[w++];
		*prev = *r;
	}
	ctx->nr_regions = w;
}

/* Merge with a growing threshold until the number of regions is within its bound. */
void kdamond_merge_regions(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit)
{
	uint64_t max_threshold = damon_nr_samples_per_aggr(&ctx->attrs);

	damon_merge_regions_of(ctx, threshold, sz_limit, true);
	while (ctx->nr_regions > ctx->attrs.max_nr_regions && threshold < max_threshold) {
		threshold = threshold < max_threshold / 2 ? u64_max(1, 2 * threshold) :
							    max_threshold;
		damon_merge_regions_of(ctx, threshold, sz_limit, false);
	}
}

/* A random tenth of @sz to cut at; 0 when the cut would leave nothing on one side. */
static uint64_t random_cut(struct damon_ctx *ctx, uint64_t sz)
{
	uint64_t sz_sub = align_down((1 + rng_below(&ctx->rng, 9)) * sz / 10, ctx->min_region_sz);

	return sz_sub < sz ? sz_sub : 0;
}

/* Write @r to @out in up to 3 pieces: the left one is cut again, the right ones are final. */
static size_t split_region(struct damon_ctx *ctx, const struct damon_region *r, uint64_t nr_subs,
			   struct damon_region *out)
{
	uint64_t first_end = r->end;
	struct damon_region right[2];
	size_t nr_right = 0, w = 0;

	while (--nr_subs && first_end - r->start > 2 * ctx->min_region_sz) {
		uint64_t sz_sub = random_cut(ctx, first_end - r->start);

		if (!sz_sub)
			continue;
		right[nr_right] = *r;
		right[nr_right].start = r->start + sz_sub;
		right[nr_right++].end = first_end;
		first_end = r->start + sz_sub;
	}
	out[w] = *r;
	out[w++].end = first_end;
	while (nr_right)
		out[w++] = right[--nr_right];
	return w;
}

/* Split every region in up to @nr_subs (2 or 3) pieces. */
bool damon_split_regions_of(struct damon_ctx *ctx, uint64_t nr_subs)
{
	size_t w = 0;

	if (!damon_reserve(ctx, ctx->nr_regions * nr_subs))
		return false;
	for (size_t i = 0; i < ctx->nr_regions; i++)
		w += split_region(ctx, &ctx->regions[i], nr_subs, &ctx->spare[w]);
	swap_in_spare(ctx, w);
	return true;
}

/* Split in two one in every @step regions, from a rotating offset. */
static bool damon_split_some_regions(struct damon_ctx *ctx, uint64_t step)
{
	size_t next = ctx->split_rotation++ % step, w = 0;

	if (!damon_reserve(ctx, 2 * ctx->nr_regions))
		return false;
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		const struct damon_region *r = &ctx->regions[i];
		uint64_t sz_sub = 0;

		if (i == next) {
			next += step;
			if (region_sz(r) >= 2 * ctx->min_region_sz)
				sz_sub = random_cut(ctx, region_sz(r));
		}
		ctx->spare[w] = *r;
		if (sz_sub) {
			ctx->spare[w].end = r->start + sz_sub;
			ctx->spare[++w] = *r;
			ctx->spare[w].start = r->start + sz_sub;
		}
		w++;
	}
	swap_in_spare(ctx, w);
	return true;
}

bool kdamond_split_regions(struct damon_ctx *ctx)
{
	const uint64_t nr = ctx->nr_regions, max = ctx->attrs.max_nr_regions;
	bool ok = true;

	if (nr < max && nr > max / 2)
		ok = damon_split_some_regions(ctx, max / (max - nr));
	else if (nr < max)
		ok = damon_split_regions_of(
			ctx, nr == ctx->last_nr_regions && nr < max / 3 ? 3 : 2);
	ctx->last_nr_regions = nr;
	return ok;
}

uint32_t damon_mvsum(uint64_t nr_accesses, uint64_t last_nr_accesses, uint64_t left_bp)
{
	if (left_bp == BP)
		return (uint32_t)last_nr_accesses;
	return (uint32_t)(nr_accesses + last_nr_accesses * left_bp / BP);
}

uint64_t damon_left_bp(const struct damon_ctx *ctx)
{
	if (ctx->passed_samples >= ctx->next_aggr_sample)
		return 0;
	return (ctx->next_aggr_sample - ctx->passed_samples) * BP /
	       damon_nr_samples_per_aggr(&ctx->attrs);
}

void damon_set_attrs(struct damon_ctx *ctx, const struct damon_attrs *attrs)
{
	const uint64_t old_nr = damon_nr_samples_per_aggr(&ctx->attrs);
	const uint64_t new_nr = damon_nr_samples_per_aggr(attrs);
	const bool aggregating = ctx->passed_samples < ctx->next_aggr_sample;

	for (size_t i = 0; i < ctx->nr_regions; i++) {
		struct damon_region *r = &ctx->regions[i];

		r->nr_accesses = aggregating ? 0 :
			(uint32_t)(r->nr_accesses * BP / old_nr * new_nr / BP);
		r->last_nr_accesses =
			(uint32_t)(r->last_nr_accesses * BP / old_nr * new_nr / BP);
		r->age = (uint32_t)(r->age * ctx->attrs.aggr_us / attrs->aggr_us);
	}
	ctx->attrs = *attrs;
	ctx->next_aggr_sample = ctx->passed_samples + new_nr;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor.h"

#define BP 10000ULL

static void swap_in_spare(struct damon_ctx *ctx, size_t nr)
{
	struct damon_region *old = ctx->regions;

	ctx->regions = ctx->spare;
	ctx->spare = old;
	ctx->nr_regions = nr;
}

uint64_t damon_region_sz_limit(const struct damon_ctx *ctx)
{
	return u64_max(ctx->total_sz / ctx->attrs.min_nr_regions, ctx->min_region_sz);
}

/* How many regions there will be when none is above @limit. */
static uint64_t nr_pieces(const struct damon_ctx *ctx, uint64_t limit)
{
	uint64_t pieces = ctx->nr_regions;

	for (size_t i = 0; i < ctx->nr_regions; i++)
		pieces += (region_sz(&ctx->regions[i]) - 1) / limit;
	return pieces;
}

/* Cut regions above the limit from the left, so that at least min_nr_regions exist. */
bool damon_apply_min_nr_regions(struct damon_ctx *ctx)
{
	const uint64_t limit = align_up(damon_region_sz_limit(ctx), ctx->min_region_sz);
	uint64_t pieces;
	size_t w = 0;

	/* nothing grows beyond the limit that it is held to */
	if (ctx->within_limit && ctx->sz_limit == limit)
		return true;
	ctx->sz_limit = limit;
	pieces = nr_pieces(ctx, limit);
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
	ctx->within_limit = true;
	return true;
}

/*
 * floor((a * sz_a + b * sz_b) / (sz_a + sz_b)); the sizes are not 0, and mostly so small that
 * nothing overflows.
 */
static inline uint32_t weighted_mean(uint32_t a, uint64_t sz_a, uint32_t b, uint64_t sz_b)
{
	const uint64_t sz = sz_a + sz_b;

	if (sz <= UINT32_MAX)
		return (uint32_t)((a * sz_a + b * sz_b) / sz);
	return (uint32_t)(((unsigned __int128)a * sz_a + (unsigned __int128)b * sz_b) / sz);
}

/* Sum of probe hits by their probes' weights. */
static uint64_t damon_probe_hits_wsum(const struct damon_ctx *ctx, const uint8_t *hits)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < ctx->nr_probes; i++)
		sum += (uint64_t)hits[i] * ctx->probes[i].weight;
	return sum;
}

static inline uint64_t merge_score(const struct damon_ctx *ctx, const struct damon_region *r,
				   bool attributes)
{
	return attributes ? damon_probe_hits_wsum(ctx, r->probe_hits) : r->nr_accesses;
}

static inline uint64_t last_merge_score(const struct damon_ctx *ctx,
					const struct damon_region *r, bool attributes)
{
	return attributes ? damon_probe_hits_wsum(ctx, r->last_probe_hits) : r->last_nr_accesses;
}

uint64_t damon_max_merge_score(const struct damon_ctx *ctx)
{
	uint64_t max = 0;

	for (size_t i = 0; i < ctx->nr_regions; i++)
		max = u64_max(max, merge_score(ctx, &ctx->regions[i], ctx->attributes_only));
	return max;
}

/* Scores and thresholds are far from where their sums would not fit. */
static inline bool within(uint64_t a, uint64_t b, uint64_t threshold)
{
	return a - b + threshold <= 2 * threshold;
}

static inline uint32_t next_age(uint32_t age, uint64_t score, uint64_t last, uint64_t threshold)
{
	const bool steady = within(score, last, threshold) & (!score == !last);

	return (age + 1) & -(uint32_t)steady;
}

/* The left region keeps its last counts, as in the kernel; @r is @age old. */
static inline void damon_merge_two_regions(const struct damon_ctx *ctx, struct damon_region *l,
					   const struct damon_region *r, uint32_t age)
{
	const uint64_t sz_l = region_sz(l) >> ctx->sz_shift, sz_r = region_sz(r) >> ctx->sz_shift;

	l->nr_accesses = weighted_mean(l->nr_accesses, sz_l, r->nr_accesses, sz_r);
	l->age = weighted_mean(l->age, sz_l, age, sz_r);
	for (size_t i = 0; i < ctx->nr_probes; i++)
		l->probe_hits[i] = (uint8_t)weighted_mean(l->probe_hits[i], sz_l,
							  r->probe_hits[i], sz_r);
	l->end = r->end;
}

/*
 * One pass in address order.  Whether neighbours merge is close to random, so that it is
 * decided by one branch; what is constant in a pass makes variants of it.  A region is copied
 * before its new age is written: a wide load behind a narrow store would have to wait for it.
 */
static inline __attribute__((always_inline)) void
merge_pass(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit, bool update_age,
	   bool attributes)
{
	struct damon_region *prev = ctx->regions;
	const struct damon_region *end = ctx->regions + ctx->nr_regions;
	uint64_t prev_score = 0;

	for (struct damon_region *r = ctx->regions; r < end; r++) {
		const uint64_t score = merge_score(ctx, r, attributes);
		uint32_t age = r->age;

		if (update_age)
			age = next_age(age, score, last_merge_score(ctx, r, attributes), threshold);
		/* the first region does not begin where it ends */
		if ((prev->end == r->start) & (prev->target == r->target) &
		    within(prev_score, score, threshold) & (r->end - prev->start <= sz_limit)) {
			damon_merge_two_regions(ctx, prev, r, age);
			prev_score = merge_score(ctx, prev, attributes);
			continue;
		}
		prev += r != ctx->regions;
		*prev = *r;
		prev->age = age;
		prev_score = score;
	}
	if (ctx->nr_regions)
		ctx->nr_regions = (size_t)(prev - ctx->regions) + 1;
}

/* Ages move only in the first pass of an aggregation. */
void damon_merge_regions_of(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit,
			    bool update_age)
{
	if (ctx->attributes_only)
		merge_pass(ctx, threshold, sz_limit, update_age, true);
	else if (update_age)
		merge_pass(ctx, threshold, sz_limit, true, false);
	else
		merge_pass(ctx, threshold, sz_limit, false, false);
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

void kdamond_reset_aggregated(struct damon_ctx *ctx)
{
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		struct damon_region *r = &ctx->regions[i];

		r->last_nr_accesses = r->nr_accesses;
		r->nr_accesses = 0;
		for (size_t k = 0; k < DAMON_MAX_PROBES; k++) {
			r->last_probe_hits[k] = r->probe_hits[k];
			r->probe_hits[k] = 0;
		}
	}
}

/* A random tenth of @sz to cut at; 0 when the cut would leave nothing on one side. */
static uint64_t random_cut(struct damon_ctx *ctx, uint64_t sz)
{
	uint64_t sz_sub = align_down((1 + rng_below(&ctx->rng, 9)) * sz / 10, ctx->min_region_sz);

	return sz_sub < sz ? sz_sub : 0;
}

/* Write @r to @out, cut at @nr addresses given from the right; returns the number of pieces. */
static inline size_t write_pieces(const struct damon_region *r, const uint64_t *cuts, size_t nr,
				  struct damon_region *out)
{
	struct damon_region *piece = out;

	*piece = *r;
	while (nr--) {
		piece->end = cuts[nr];
		*++piece = *r;
		piece->start = cuts[nr];
	}
	return (size_t)(piece - out) + 1;
}

/* Split every region in up to @nr_subs (2 or 3) pieces: the left one is cut again. */
bool damon_split_regions_of(struct damon_ctx *ctx, uint64_t nr_subs)
{
	size_t w = 0;

	if (!damon_reserve(ctx, ctx->nr_regions * nr_subs))
		return false;
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		const struct damon_region *r = &ctx->regions[i];
		uint64_t cuts[2], left = region_sz(r);
		size_t nr = 0;

		for (uint64_t k = 1; k < nr_subs && left > 2 * ctx->min_region_sz; k++) {
			const uint64_t sz_sub = random_cut(ctx, left);

			if (sz_sub)
				cuts[nr++] = r->start + (left = sz_sub);
		}
		w += write_pieces(r, cuts, nr, &ctx->spare[w]);
	}
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
		uint64_t sz_sub = 0, cut;

		if (i == next) {
			next += step;
			if (region_sz(r) >= 2 * ctx->min_region_sz)
				sz_sub = random_cut(ctx, region_sz(r));
		}
		cut = r->start + sz_sub;
		w += write_pieces(r, &cut, sz_sub != 0, &ctx->spare[w]);
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

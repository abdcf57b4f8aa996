/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DAMON's monitor: regions of one target and how they are merged, split and aged.
 *
 * Functions carry the names of the kernel functions whose work they do.  The kernel that is
 * modelled is 7.3.
 */
#ifndef DT_MONITOR_H
#define DT_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rng.h"

#define DAMON_MIN_REGION_SZ 4096ULL
/* Intervals are added up and multiplied by counts: no longer than this, nothing overflows. */
#define DAMON_MAX_AGGR_US (1ULL << 40)
/* As far as addresses go, so that nine times a region's size is still a number. */
#define DAMON_MAX_ADDR (1ULL << 60)

struct damon_region {
	uint64_t start;
	uint64_t end;
	uint32_t nr_accesses;
	uint32_t last_nr_accesses;
	uint32_t age;
};

struct damon_attrs {
	uint64_t sample_us;
	uint64_t aggr_us;
	uint64_t update_us;
	uint64_t min_nr_regions;
	uint64_t max_nr_regions;
};

/* Regions are sorted by address and disjoint.  @spare is what the next rewrite fills. */
struct damon_ctx {
	struct damon_attrs attrs;
	uint64_t min_region_sz;
	uint64_t sz_limit;
	struct damon_region *regions;
	struct damon_region *spare;
	size_t nr_regions;
	size_t capacity;
	uint64_t split_rotation;
	uint64_t last_nr_regions;
	uint64_t passed_samples;
	uint64_t next_aggr_sample;
	struct rng rng;
};

static inline uint64_t region_sz(const struct damon_region *r)
{
	return r->end - r->start;
}

static inline uint64_t damon_nr_samples_per_aggr(const struct damon_attrs *attrs)
{
	return attrs->aggr_us / attrs->sample_us;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* @a is a power of two. */
static inline uint64_t align_down(uint64_t x, uint64_t a)
{
	return x & ~(a - 1);
}

/* a * n / d without overflow of the product, truncating as the kernel does. */
static inline uint64_t mult_frac(uint64_t a, uint64_t n, uint64_t d)
{
	return a / d * n + a % d * n / d;
}

/* NULL, or what is wrong with @attrs. */
const char *damon_validate_attrs(const struct damon_attrs *attrs);

void damon_init_ctx(struct damon_ctx *ctx, const struct damon_attrs *attrs, uint64_t seed);
void damon_destroy_ctx(struct damon_ctx *ctx);

/* Make room for @nr regions in both arrays.  False when memory is out. */
bool damon_reserve(struct damon_ctx *ctx, size_t nr);
/* @ranges holds @nr pairs of start and end.  False when memory is out. */
bool damon_set_regions(struct damon_ctx *ctx, const uint64_t *ranges, size_t nr);

void damon_merge_regions_of(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit,
			    bool update_age);
void kdamond_merge_regions(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit);
/* False when memory is out; the regions are then as before. */
bool damon_split_regions_of(struct damon_ctx *ctx, uint64_t nr_subs);
bool kdamond_split_regions(struct damon_ctx *ctx);
bool damon_apply_min_nr_regions(struct damon_ctx *ctx);
uint32_t damon_mvsum(uint64_t nr_accesses, uint64_t last_nr_accesses, uint64_t left_bp);
/* Share of the running aggregation that is still to come, in basis points. */
uint64_t damon_left_bp(const struct damon_ctx *ctx);
/* Change intervals and bounds while running; counts and ages are converted. */
void damon_set_attrs(struct damon_ctx *ctx, const struct damon_attrs *attrs);

#endif

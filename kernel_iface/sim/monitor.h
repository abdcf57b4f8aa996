/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DAMON's monitor: the regions of all targets of a context, and how they are merged, split and
 * aged.
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
#define DAMON_MAX_PROBES 4
#define DAMON_MAX_PROBE_FILTERS 4

struct damon_region {
	uint64_t start;
	uint64_t end;
	uint32_t target;
	uint32_t nr_accesses;
	uint32_t last_nr_accesses;
	uint32_t age;
	uint8_t probe_hits[DAMON_MAX_PROBES];
	uint8_t last_probe_hits[DAMON_MAX_PROBES];
};

/* Tune the intervals so that @access_bp of the possible accesses are seen; @aggrs 0: do not. */
struct damon_intervals_goal {
	uint64_t access_bp;
	uint64_t aggrs;
	uint64_t min_sample_us;
	uint64_t max_sample_us;
};

struct damon_attrs {
	uint64_t sample_us;
	uint64_t aggr_us;
	uint64_t update_us;
	uint64_t min_nr_regions;
	uint64_t max_nr_regions;
	struct damon_intervals_goal intervals_goal;
};

enum damon_ops_id { DAMON_OPS_VADDR, DAMON_OPS_FVADDR, DAMON_OPS_PADDR, NR_DAMON_OPS };

enum damon_probe_filter_type { DAMON_PROBE_ANON, DAMON_PROBE_MEMCG, NR_DAMON_PROBE_FILTERS };

struct damon_probe_filter {
	enum damon_probe_filter_type type;
	bool matching;
	bool allow;
	uint32_t memcg;
};

/* What else to look at in a sampled page.  A weight other than 0 takes the accesses' place. */
struct damon_probe {
	uint32_t weight;
	uint32_t nr_filters;
	struct damon_probe_filter filters[DAMON_MAX_PROBE_FILTERS];
};

/*
 * Regions are sorted by target and address, and disjoint in each target.  @spare is what the
 * next rewrite fills.
 */
struct damon_ctx {
	struct damon_attrs attrs;
	enum damon_ops_id ops_id;
	uint64_t min_region_sz;
	uint64_t sz_limit;
	/* all regions together; set with the regions, as nothing else changes it */
	uint64_t total_sz;
	struct damon_region *regions;
	struct damon_region *spare;
	size_t nr_regions;
	size_t capacity;
	/* what all sizes have in common, as a power of two; 0 where that is not known */
	unsigned sz_shift;
	/* no region is larger than sz_limit */
	bool within_limit;
	/* some probe has a weight */
	bool attributes_only;
	size_t nr_probes;
	struct damon_probe probes[DAMON_MAX_PROBES];
	uint64_t split_rotation;
	uint64_t last_nr_regions;
	uint64_t passed_samples;
	uint64_t next_aggr_sample;
	uint64_t next_update_sample;
	uint64_t next_tune_sample;
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

static inline uint64_t u64_add(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static inline uint64_t u64_mul(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static inline uint64_t abs_diff(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* @a is a power of two. */
static inline uint64_t align_down(uint64_t x, uint64_t a)
{
	return x & ~(a - 1);
}

static inline uint64_t align_up(uint64_t x, uint64_t a)
{
	return align_down(x + a - 1, a);
}

/* a * n / d, truncating as the kernel does; what does not fit is the largest number. */
static inline uint64_t mult_frac(uint64_t a, uint64_t n, uint64_t d)
{
	uint64_t product;
	unsigned __int128 wide;

	if (!__builtin_mul_overflow(a, n, &product))
		return product / d;
	wide = (unsigned __int128)a * n / d;
	return wide > UINT64_MAX ? UINT64_MAX : (uint64_t)wide;
}

/* NULL, or what is wrong with @attrs. */
const char *damon_validate_attrs(const struct damon_attrs *attrs);
/* NULL, or what is wrong with @probes under @attrs. */
const char *damon_validate_probes(const struct damon_attrs *attrs,
				  const struct damon_probe *probes, size_t nr);

void damon_init_ctx(struct damon_ctx *ctx, const struct damon_attrs *attrs, uint64_t seed);
void damon_destroy_ctx(struct damon_ctx *ctx);
void damon_set_probes(struct damon_ctx *ctx, const struct damon_probe *probes, size_t nr);

/* Make room for @nr regions in both arrays.  False when memory is out. */
bool damon_reserve(struct damon_ctx *ctx, size_t nr);
/* To be called after regions were written by hand: sums up what is known about all of them. */
void damon_regions_changed(struct damon_ctx *ctx);
/* Index of the first region of @target or of a later one. */
size_t damon_first_region(const struct damon_ctx *ctx, uint32_t target);
/*
 * Replace the regions of @target by one for each of the @nr pairs of start and end, which are
 * in order and apart.  False when memory is out.
 */
bool damon_set_regions(struct damon_ctx *ctx, uint32_t target, const uint64_t *ranges, size_t nr);
/*
 * Fit the regions of @target into new ranges: what lies outside is dropped, the outermost
 * regions in a range are stretched to its borders, and holes are filled.  No range drops all.
 */
bool damon_update_target_ranges(struct damon_ctx *ctx, uint32_t target, const uint64_t *ranges,
				size_t nr);

void damon_merge_regions_of(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit,
			    bool update_age);
void kdamond_merge_regions(struct damon_ctx *ctx, uint64_t threshold, uint64_t sz_limit);
/* The highest count, or weighted sum of probe hits, that a region has. */
uint64_t damon_max_merge_score(const struct damon_ctx *ctx);
/* False when memory is out; the regions are then as before. */
bool damon_split_regions_of(struct damon_ctx *ctx, uint64_t nr_subs);
bool kdamond_split_regions(struct damon_ctx *ctx);
/* Begin a new aggregation: what was counted becomes the last count. */
void kdamond_reset_aggregated(struct damon_ctx *ctx);
/* The largest size that leaves min_nr_regions, not rounded. */
uint64_t damon_region_sz_limit(const struct damon_ctx *ctx);
bool damon_apply_min_nr_regions(struct damon_ctx *ctx);
uint32_t damon_mvsum(uint64_t nr_accesses, uint64_t last_nr_accesses, uint64_t left_bp);
/* Share of the running aggregation that is still to come, in basis points. */
uint64_t damon_left_bp(const struct damon_ctx *ctx);
/* Change intervals and bounds while running; counts and ages are converted. */
void damon_set_attrs(struct damon_ctx *ctx, const struct damon_attrs *attrs);

#endif

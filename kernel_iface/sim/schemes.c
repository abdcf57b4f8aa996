/* SPDX-License-Identifier: Apache-2.0 */
#include "schemes.h"

#include <math.h>
#include <string.h>

#define MAX_SUBSCORE 100
#define MAX_AGE_IN_LOG 32
/* Until a page-out was timed, DAMOS assumes this many bytes per millisecond. */
#define INITIAL_BYTES_PER_MS (4096ULL * 1024ULL)

const char *damos_validate(const struct scheme *scheme)
{
	if (scheme->min_sz_bytes > scheme->max_sz_bytes)
		return "min_sz_bytes must not exceed max_sz_bytes";
	if (scheme->min_nr_accesses > scheme->max_nr_accesses)
		return "min_nr_accesses must not exceed max_nr_accesses";
	if (scheme->min_age > scheme->max_age)
		return "min_age must not exceed max_age";
	if (scheme->wmark_metric != DAMOS_WMARK_NONE && !scheme->wmark_interval_us)
		return "watermarks need an interval_us of at least 1";
	return NULL;
}

static void damos_set_next_apply_sample(struct damos *s, const struct damon_ctx *ctx)
{
	uint64_t interval_us = s->scheme.apply_interval_us ? s->scheme.apply_interval_us :
							     ctx->attrs.aggr_us;

	s->next_apply_sample = ctx->passed_samples + interval_us / ctx->attrs.sample_us;
}

void damos_init(struct damos *s, const struct scheme *scheme, const struct damon_ctx *ctx)
{
	memset(s, 0, sizeof(*s));
	s->scheme = *scheme;
	s->activated = true;
	damos_set_next_apply_sample(s, ctx);
}

void damos_commit(struct damos *s, const struct scheme *scheme)
{
	s->scheme = *scheme;
	s->activated = true;
}

uint64_t damos_wmark_wait_us(struct damos *s, uint64_t free_permille)
{
	const struct scheme *p = &s->scheme;

	if (p->wmark_metric == DAMOS_WMARK_NONE)
		return 0;
	if (free_permille > p->wmark_high_permille || free_permille < p->wmark_low_permille) {
		s->activated = false;
		return p->wmark_interval_us;
	}
	if (!s->activated && free_permille >= p->wmark_mid_permille)
		return p->wmark_interval_us;
	s->activated = true;
	return 0;
}

static int floor_log2(uint64_t x)
{
	return 63 - __builtin_clzll(x);
}

uint32_t damon_hot_score(const struct damon_region *r, uint32_t nr_accesses,
			 const struct damon_attrs *attrs, uint32_t weight_nr_accesses,
			 uint32_t weight_age)
{
	const uint64_t age_s = r->age * attrs->aggr_us / 1000000;
	const int64_t frequency = (int64_t)mult_frac(nr_accesses, MAX_SUBSCORE,
						     damon_nr_samples_per_aggr(attrs));
	const int64_t weights = (int64_t)weight_nr_accesses + weight_age;
	int64_t age_log = 0, hotness;

	if (age_s)
		age_log = floor_log2(age_s) + 1;
	if (age_log > MAX_AGE_IN_LOG)
		age_log = MAX_AGE_IN_LOG;
	if (!frequency)
		age_log = -age_log;
	hotness = weight_nr_accesses * frequency +
		  weight_age * ((age_log + MAX_AGE_IN_LOG) * MAX_SUBSCORE / MAX_AGE_IN_LOG / 2);
	if (weights)
		hotness /= weights;
	hotness = hotness * DAMOS_MAX_SCORE / MAX_SUBSCORE;
	return hotness > DAMOS_MAX_SCORE ? DAMOS_MAX_SCORE : (uint32_t)hotness;
}

static uint32_t scheme_score(const struct damon_ctx *ctx, const struct damon_region *r,
			     uint32_t nr_accesses, const struct scheme *p)
{
	if (p->action != DAMOS_PAGEOUT)
		return DAMOS_MAX_SCORE;
	return DAMOS_MAX_SCORE - damon_hot_score(r, nr_accesses, &ctx->attrs,
						 p->weight_nr_accesses_permille,
						 p->weight_age_permille);
}

static bool damos_quota_is_set(const struct damos *s)
{
	return s->esz || s->scheme.quota_sz_bytes || s->scheme.quota_time_ms;
}

static bool damos_quota_is_full(const struct damos *s, uint64_t min_region_sz)
{
	if (!damos_quota_is_set(s))
		return false;
	return s->charged_sz >= s->esz || s->esz - s->charged_sz < min_region_sz;
}

static bool pattern_matches(const struct damon_region *r, uint32_t nr_accesses,
			    const struct scheme *p)
{
	const uint64_t sz = region_sz(r);

	return p->min_sz_bytes <= sz && sz <= p->max_sz_bytes &&
	       p->min_nr_accesses <= nr_accesses && nr_accesses <= p->max_nr_accesses &&
	       p->min_age <= r->age && r->age <= p->max_age;
}

static void damos_set_effective_quota(struct damos *s, uint64_t min_region_sz)
{
	double bytes_per_ms = INITIAL_BYTES_PER_MS, bytes;

	s->esz = s->scheme.quota_sz_bytes;
	if (!s->scheme.quota_time_ms)
		return;
	if (s->total_charged_us > 0.0)
		bytes_per_ms = floor((double)s->total_charged_sz * 1e3 / s->total_charged_us);
	bytes = bytes_per_ms * (double)s->scheme.quota_time_ms;
	s->esz = u64_max(bytes < 0x1p64 ? (uint64_t)bytes : UINT64_MAX, min_region_sz);
	if (s->scheme.quota_sz_bytes)
		s->esz = u64_min(s->esz, s->scheme.quota_sz_bytes);
}

static void roll_charge_window(struct damos *s, uint64_t min_region_sz, uint64_t now_us)
{
	if (!s->window_open) {
		s->window_open = true;
		s->charged_from_us = now_us;
		damos_set_effective_quota(s, min_region_sz);
	}
	if ((now_us - s->charged_from_us) / 1000 < s->scheme.quota_reset_interval_ms)
		return;
	if (damos_quota_is_full(s, min_region_sz))
		s->stats.qt_exceeds++;
	s->total_charged_sz += s->charged_sz;
	s->charged_from_us = now_us;
	s->charged_sz = 0;
	damos_set_effective_quota(s, min_region_sz);
}

/* Raise the bar so that only the highest scores, up to the quota, are acted on. */
static void damos_adjust_quota(const struct damon_ctx *ctx, struct damos *s, uint64_t left_bp,
			       uint64_t now_us)
{
	uint64_t histogram[DAMOS_MAX_SCORE + 1] = { 0 }, cumulated = 0;
	uint32_t score = 0;

	if (!damos_quota_is_set(s))
		return;
	roll_charge_window(s, ctx->min_region_sz, now_us);
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		const struct damon_region *r = &ctx->regions[i];
		uint32_t nr = damon_mvsum(r->nr_accesses, r->last_nr_accesses, left_bp), this;

		if (!pattern_matches(r, nr, &s->scheme))
			continue;
		this = scheme_score(ctx, r, nr, &s->scheme);
		histogram[this] += region_sz(r);
		if (this > score)
			score = this;
	}
	for (;; score--) {
		cumulated += histogram[score];
		if (cumulated >= s->esz || !score)
			break;
	}
	s->min_score = score;
}

/* Cut region @i in two at @sz bytes; both halves keep counts and age.  Room was reserved. */
static void damon_split_region_at(struct damon_ctx *ctx, size_t i, uint64_t sz)
{
	struct damon_region *r = &ctx->regions[i];

	memmove(r + 1, r, (ctx->nr_regions - i) * sizeof(*r));
	ctx->nr_regions++;
	r[0].end = r[0].start + sz;
	r[1].start = r[0].end;
}

/* True when region @i, or its start, was charged in the previous window already. */
static bool damos_skip_charged_region(struct damon_ctx *ctx, size_t i, struct damos *s)
{
	const struct damon_region *r = &ctx->regions[i];
	const uint64_t m = ctx->min_region_sz;
	bool skip = false;

	if (!s->charge_addr_from)
		return false;
	if (r->end <= s->charge_addr_from) {
		skip = true;
	} else if (r->start < s->charge_addr_from) {
		uint64_t sz = u64_max(align_down(s->charge_addr_from - r->start, m), m);

		skip = true;
		if (sz < region_sz(r))
			damon_split_region_at(ctx, i, sz);
	}
	if (i == ctx->nr_regions - 1)
		s->charge_addr_from = 0;
	return skip;
}

static void damos_apply_scheme(struct damon_ctx *ctx, size_t i, struct damos *s,
			       const struct damos_ops *ops)
{
	struct damon_region *r = &ctx->regions[i];
	uint64_t sz = region_sz(r), applied = 0;
	double elapsed_us = 0.0;

	if (damos_quota_is_set(s) && sz > s->esz - s->charged_sz) {
		sz = align_down(s->esz - s->charged_sz, ctx->min_region_sz);
		damon_split_region_at(ctx, i, sz);
	}
	applied = ops->apply(ops->data, s->scheme.action, r->start, r->end, &elapsed_us);
	s->total_charged_us += elapsed_us;
	s->charged_sz += sz;
	if (damos_quota_is_full(s, ctx->min_region_sz))
		s->charge_addr_from = r->end;
	if (s->scheme.action != DAMOS_STAT)
		r->age = 0;
	s->stats.nr_tried++;
	s->stats.sz_tried_bytes += sz;
	s->stats.nr_applied += applied > 0;
	s->stats.sz_applied_bytes += applied;
}

static void damos_try_scheme(struct damon_ctx *ctx, size_t i, struct damos *s,
			     const struct damos_ops *ops, uint64_t left_bp)
{
	const struct damon_region *r;
	uint32_t nr;

	if (ctx->passed_samples < s->next_apply_sample || !s->activated)
		return;
	if (damos_quota_is_full(s, ctx->min_region_sz))
		return;
	if (damos_skip_charged_region(ctx, i, s))
		return;
	r = &ctx->regions[i];
	nr = damon_mvsum(r->nr_accesses, r->last_nr_accesses, left_bp);
	if (!pattern_matches(r, nr, &s->scheme))
		return;
	if (damos_quota_is_set(s) && scheme_score(ctx, r, nr, &s->scheme) < s->min_score)
		return;
	damos_apply_scheme(ctx, i, s, ops);
}

static bool same_information(const struct damon_region *a, const struct damon_region *b)
{
	return a->age == b->age && a->nr_accesses == b->nr_accesses &&
	       a->last_nr_accesses == b->last_nr_accesses;
}

/* Walk the regions; slices that a quota cut off are joined again where nothing is lost. */
static bool damos_apply_target(struct damon_ctx *ctx, struct damos *schemes, size_t nr_schemes,
			       const struct damos_ops *ops, uint64_t left_bp)
{
	size_t w = 0;

	/* Each scheme splits at most twice: where its last window ended and where this one does. */
	if (!damon_reserve(ctx, ctx->nr_regions + 2 * nr_schemes))
		return false;
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		struct damon_region *r = &ctx->regions[i], *prev = w ? &ctx->regions[w - 1] : NULL;

		for (size_t k = 0; k < nr_schemes; k++)
			damos_try_scheme(ctx, i, &schemes[k], ops, left_bp);
		if (prev && prev->end == r->start && same_information(prev, r) &&
		    r->end - prev->start <= ctx->sz_limit) {
			prev->end = r->end;
			continue;
		}
		ctx->regions[w++] = *r;
	}
	ctx->nr_regions = w;
	return true;
}

bool kdamond_apply_schemes(struct damon_ctx *ctx, struct damos *schemes, size_t nr_schemes,
			   const struct damos_ops *ops, uint64_t now_us)
{
	const uint64_t left_bp = damon_left_bp(ctx);
	bool any_due = false;

	for (size_t k = 0; k < nr_schemes; k++) {
		struct damos *s = &schemes[k];

		if (ctx->passed_samples < s->next_apply_sample || !s->activated)
			continue;
		any_due = true;
		damos_adjust_quota(ctx, s, left_bp, now_us);
	}
	if (!any_due)
		return true;
	if (!damos_apply_target(ctx, schemes, nr_schemes, ops, left_bp))
		return false;
	for (size_t k = 0; k < nr_schemes; k++) {
		schemes[k].stats.effective_quota_bytes = schemes[k].esz;
		if (ctx->passed_samples >= schemes[k].next_apply_sample)
			damos_set_next_apply_sample(&schemes[k], ctx);
	}
	return true;
}

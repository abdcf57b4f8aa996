/* SPDX-License-Identifier: Apache-2.0 */
#include "schemes.h"

#include <string.h>

#include "quota.h"
#include "score.h"
#include "verify.h"

void damos_set_next_apply_sample(struct damos *s, const struct damon_ctx *ctx)
{
	uint64_t interval_us = s->scheme.apply_interval_us ? s->scheme.apply_interval_us :
							     ctx->attrs.aggr_us;

	s->next_apply_sample = u64_add(ctx->passed_samples, interval_us / ctx->attrs.sample_us);
}

static void forget_pressure(struct damos *s)
{
	for (size_t i = 0; i < SCHEME_MAX_GOALS; i++)
		s->last_psi_total_us[i] = UINT64_MAX;
}

void damos_commit(struct damos *s, const struct scheme *scheme)
{
	s->scheme = *scheme;
	s->activated = true;
	s->defaults = damos_filter_defaults(scheme);
	forget_pressure(s);
}

void damos_init(struct damos *s, const struct scheme *scheme, const struct damon_ctx *ctx)
{
	memset(s, 0, sizeof(*s));
	damos_commit(s, scheme);
	damos_set_next_apply_sample(s, ctx);
}

void damos_commit_goals(struct damos *s, const struct scheme *scheme)
{
	s->scheme.nr_goals = scheme->nr_goals;
	memcpy(s->scheme.goals, scheme->goals, sizeof(s->scheme.goals));
	forget_pressure(s);
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

static bool damos_is_due(const struct damos *s, const struct damon_ctx *ctx)
{
	return ctx->passed_samples >= s->next_apply_sample && s->activated;
}

/* What one round of applying schemes shares. */
struct apply_round {
	struct region_walk walk;
	const struct damos_env *env;
	uint64_t left_bp;
	struct damos *due[SIM_MAX_SCHEMES];
	enum score_kind kind[SIM_MAX_SCHEMES];
	size_t nr_due;
};

static inline uint32_t nr_accesses_of(const struct damon_region *r, uint64_t left_bp)
{
	return left_bp ? damon_mvsum(r->nr_accesses, r->last_nr_accesses, left_bp) :
			 r->nr_accesses;
}

static inline bool pattern_matches(const struct damon_region *r, uint32_t nr_accesses,
				   const struct scheme *p)
{
	const uint64_t sz = region_sz(r);

	return p->min_nr_accesses <= nr_accesses && nr_accesses <= p->max_nr_accesses &&
	       p->min_age <= r->age && r->age <= p->max_age &&
	       p->min_sz_bytes <= sz && sz <= p->max_sz_bytes;
}

static uint32_t scheme_score(const struct damon_ctx *ctx, const struct damon_region *r,
			     uint32_t nr_accesses, const struct scheme *p, enum score_kind kind)
{
	uint32_t hot;

	if (kind == SCORE_ALL)
		return DAMOS_MAX_SCORE;
	hot = damon_hot_score(nr_accesses, r->age, &ctx->attrs, p->weight_nr_accesses_permille,
			      p->weight_age_permille);
	return kind == SCORE_HOT ? hot : DAMOS_MAX_SCORE - hot;
}

struct histogram {
	uint64_t sz[DAMOS_MAX_SCORE + 1];
	uint32_t max_score;
};

static inline void add_region(struct histogram *h, const struct damon_ctx *ctx,
			      const struct damon_region *r, uint32_t nr, const struct scheme *p,
			      enum score_kind kind)
{
	const uint32_t score = scheme_score(ctx, r, nr, p, kind);

	h->sz[score] += region_sz(r);
	if (score > h->max_score)
		h->max_score = score;
}

static void add_all_regions(struct histogram *h, const struct damon_ctx *ctx,
			    const struct damos *s, enum score_kind kind, uint64_t left_bp)
{
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		const struct damon_region *r = &ctx->regions[i];
		const uint32_t nr = nr_accesses_of(r, left_bp);

		if (pattern_matches(r, nr, &s->scheme))
			add_region(h, ctx, r, nr, &s->scheme, kind);
	}
}

/* As add_all_regions, without what filters of the core leave out; they may cut regions. */
static bool add_filtered_regions(struct histogram *h, struct damon_ctx *ctx,
				 const struct damos *s, enum score_kind kind, uint64_t left_bp)
{
	struct region_walk w = { .ctx = ctx };

	for (; walk_next(&w); w.write++) {
		const uint32_t nr = nr_accesses_of(walk_region(&w), left_bp);
		bool allowed;

		if (pattern_matches(walk_region(&w), nr, &s->scheme) &&
		    !damos_core_filter_out(&s->scheme, &s->defaults, &w, &allowed))
			add_region(h, ctx, walk_region(&w), nr, &s->scheme, kind);
	}
	walk_end(&w);
	return !w.out_of_memory;
}

/* The score from which on regions fit into the quota, taken from the top. */
static uint32_t min_score_for(const struct histogram *h, uint64_t esz)
{
	uint64_t cumulated = 0;
	uint32_t score = h->max_score;

	for (;; score--) {
		cumulated += h->sz[score];
		if (cumulated >= esz || !score)
			return score;
	}
}

/* Raise the bar so that only the highest scores, up to the quota, are acted on. */
static bool damos_adjust_quota(struct damon_ctx *ctx, struct damos *s, uint64_t left_bp,
			       const struct damos_env *env)
{
	const enum score_kind kind = damos_score_kind(ctx->ops_id, s->scheme.action);
	struct histogram h;

	if (!damos_quota_is_set(s))
		return true;
	damos_roll_charge_window(s, ctx, env);
	s->stats.effective_quota_bytes = s->esz;
	/* nobody asks for the score in a window that is used up */
	if (!s->defaults.any_core && damos_quota_is_full(s, ctx->min_region_sz))
		return true;
	memset(&h, 0, sizeof(h));
	if (!s->defaults.any_core)
		add_all_regions(&h, ctx, s, kind, left_bp);
	else if (!add_filtered_regions(&h, ctx, s, kind, left_bp))
		return false;
	s->min_score = min_score_for(&h, s->esz);
	return true;
}

/* True when the region at hand, or its start, was charged in the previous window already. */
static bool damos_skip_charged_region(struct region_walk *w, struct damos *s)
{
	const struct damon_region *r = walk_region(w);
	const uint64_t m = w->ctx->min_region_sz;
	bool skip = false;

	if (!s->resumes)
		return false;
	if (r->target != s->resume_target)
		return true;
	if (r->end <= s->resume_addr) {
		skip = true;
	} else if (r->start < s->resume_addr) {
		uint64_t sz = u64_max(align_down(s->resume_addr - r->start, m), m);

		skip = true;
		if (sz < region_sz(r))
			walk_split(w, sz);
	}
	if (walk_is_last_of_target(w))
		s->resumes = false;
	return skip;
}

static void damos_update_stat(struct damos *s, uint64_t sz, const struct damos_result *result)
{
	s->stats.nr_tried++;
	s->stats.sz_tried_bytes += sz;
	s->stats.nr_applied += result->applied_bytes > 0;
	s->stats.sz_applied_bytes += result->applied_bytes;
	s->stats.sz_ops_filter_passed_bytes += result->filter_passed_bytes;
}

static void damos_apply_scheme(struct apply_round *round, struct damos *s)
{
	struct region_walk *w = &round->walk;
	struct damon_ctx *ctx = w->ctx;
	const bool quota_is_set = damos_quota_is_set(s);
	struct damos_result result = { 0 };
	struct damon_region *r;
	uint64_t sz;

	if (quota_is_set && region_sz(walk_region(w)) > s->esz - s->charged_sz &&
	    !walk_split(w, align_down(s->esz - s->charged_sz, ctx->min_region_sz)))
		return;
	if (s->defaults.any_core &&
	    damos_core_filter_out(&s->scheme, &s->defaults, w, &result.core_allowed))
		return;
	r = walk_region(w);
	sz = region_sz(r);
	if (damon_ops_has_action(ctx->ops_id, s->scheme.action))
		round->env->ops->apply(round->env->data, ctx, &s->scheme, r, &result);
	damos_charge_quota(s, sz, &result);
	if (quota_is_set)
		DT_VERIFY_CHARGE(s);
	if (damos_quota_is_full(s, ctx->min_region_sz)) {
		s->resumes = true;
		s->resume_target = r->target;
		s->resume_addr = r->end;
	}
	if (s->scheme.action != DAMOS_STAT)
		r->age = 0;
	damos_update_stat(s, sz, &result);
}

static bool damos_valid_target(const struct apply_round *round, size_t k)
{
	const struct damon_region *r = walk_region(&round->walk);
	const uint32_t nr = nr_accesses_of(r, round->left_bp);
	const struct damos *s = round->due[k];

	if (!pattern_matches(r, nr, &s->scheme))
		return false;
	return !s->min_score || !damos_quota_is_set(s) ||
	       scheme_score(round->walk.ctx, r, nr, &s->scheme, round->kind[k]) >= s->min_score;
}

static void damos_try_scheme(struct apply_round *round, size_t k)
{
	struct damos *s = round->due[k];

	if (damos_quota_is_full(s, round->walk.ctx->min_region_sz))
		return;
	if (damos_skip_charged_region(&round->walk, s))
		return;
	if (s->scheme.max_nr_snapshots && s->scheme.max_nr_snapshots <= s->stats.nr_snapshots)
		return;
	if (damos_valid_target(round, k))
		damos_apply_scheme(round, s);
	if (walk_is_last_of_target(&round->walk))
		s->stats.nr_snapshots++;
}

/* A target that is gone cannot be where charging goes on. */
static void forget_gone_target(const struct damon_ctx *ctx, struct damos *s)
{
	size_t i;

	if (!s->resumes)
		return;
	i = damon_first_region(ctx, s->resume_target);
	s->resumes = i < ctx->nr_regions && ctx->regions[i].target == s->resume_target;
}

/* Walk the regions; slices that a quota cut off are joined again where nothing is lost. */
static bool damos_apply_all(struct apply_round *round)
{
	struct region_walk *w = &round->walk;

	while (walk_next(w)) {
		for (size_t k = 0; k < round->nr_due; k++)
			damos_try_scheme(round, k);
		walk_keep(w);
	}
	walk_end(w);
	DT_VERIFY(w->ctx);
	return !w->out_of_memory;
}

static void take_turn(struct apply_round *round, struct damos *s)
{
	const struct damon_ctx *ctx = round->walk.ctx;

	forget_gone_target(ctx, s);
	/* a quota that is full now stays so for this round */
	if (damos_quota_is_full(s, ctx->min_region_sz))
		return;
	round->kind[round->nr_due] = damos_score_kind(ctx->ops_id, s->scheme.action);
	round->due[round->nr_due++] = s;
}

bool kdamond_apply_schemes(struct damon_ctx *ctx, struct damos *schemes, size_t nr_schemes,
			   const struct damos_env *env)
{
	struct apply_round round = { .env = env, .left_bp = damon_left_bp(ctx) };
	bool any_due = false;

	round.walk = (struct region_walk){ .ctx = ctx };
	for (size_t k = 0; k < nr_schemes; k++) {
		if (!damos_is_due(&schemes[k], ctx))
			continue;
		any_due = true;
		if (!damos_adjust_quota(ctx, &schemes[k], round.left_bp, env))
			return false;
		take_turn(&round, &schemes[k]);
	}
	if (!any_due)
		return true;
	round.walk.join_limit = damon_region_sz_limit(ctx);
	if (!damos_apply_all(&round))
		return false;
	for (size_t k = 0; k < nr_schemes; k++)
		if (ctx->passed_samples >= schemes[k].next_apply_sample)
			damos_set_next_apply_sample(&schemes[k], ctx);
	return true;
}

bool damos_pattern_matches(const struct damon_ctx *ctx, const struct damon_region *r,
			   const struct scheme *scheme)
{
	return pattern_matches(r, nr_accesses_of(r, damon_left_bp(ctx)), scheme);
}

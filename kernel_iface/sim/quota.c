/* SPDX-License-Identifier: Apache-2.0 */
#include "quota.h"

#include "feedback.h"

#define BP 10000ULL
/* Until an action was timed, DAMOS assumes this many bytes per millisecond. */
#define INITIAL_BYTES_PER_MS (4096ULL * 1024ULL)

/* Pressure since the last look; the first look must not move the quota. */
static uint64_t psi_since_last_us(struct damos *s, size_t i, uint64_t total_us)
{
	const uint64_t last_us = s->last_psi_total_us[i];

	s->last_psi_total_us[i] = total_us;
	if (last_us != UINT64_MAX)
		return total_us - last_us;
	if (s->scheme.goal_tuner == DAMOS_TUNER_TEMPORAL && s->esz)
		return 0;
	return s->scheme.goals[i].target_value;
}

static uint64_t goal_current_value(struct damos *s, size_t i, struct damon_ctx *ctx,
				   const struct damos_env *env)
{
	const struct quota_goal *goal = &s->scheme.goals[i];
	uint64_t value;

	if (goal->metric == DAMOS_GOAL_USER_INPUT)
		return goal->current_value;
	value = env->ops->goal_value(env->data, ctx, &s->scheme, goal);
	if (goal->metric == DAMOS_GOAL_SOME_MEM_PSI_US)
		return psi_since_last_us(s, i, value);
	return value;
}

/* The highest score of all goals, as it makes the scheme least aggressive. */
static uint64_t damos_quota_score(struct damos *s, struct damon_ctx *ctx,
				  const struct damos_env *env)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < s->scheme.nr_goals; i++) {
		const uint64_t value = goal_current_value(s, i, ctx, env);

		highest = u64_max(highest,
				  mult_frac(value, BP, s->scheme.goals[i].target_value));
	}
	return highest;
}

/* Whether the goals leave any quota, and no more than one that does all at once. */
static uint64_t temporal_esz_bp(const struct damos *s, uint64_t score)
{
	if (score >= BP)
		return 0;
	return s->scheme.quota_sz_bytes ? u64_mul(s->scheme.quota_sz_bytes, BP) : UINT64_MAX;
}

static uint64_t goals_esz(struct damos *s, struct damon_ctx *ctx, const struct damos_env *env)
{
	const uint64_t score = damos_quota_score(s, ctx, env);

	if (s->scheme.goal_tuner == DAMOS_TUNER_TEMPORAL)
		s->esz_bp = temporal_esz_bp(s, score);
	else
		s->esz_bp = damon_feed_loop_next_input(u64_max(s->esz_bp, BP), score);
	return s->esz_bp / BP;
}

static uint64_t time_esz(const struct damos *s, uint64_t min_region_sz)
{
	const uint64_t total_ns = (uint64_t)(s->total_charged_us * 1e3);
	uint64_t bytes_per_ms = INITIAL_BYTES_PER_MS;

	if (total_ns)
		bytes_per_ms = mult_frac(s->total_charged_sz, 1000000, total_ns);
	return u64_max(u64_mul(bytes_per_ms, s->scheme.quota_time_ms), min_region_sz);
}

static void damos_set_effective_quota(struct damos *s, struct damon_ctx *ctx,
				      const struct damos_env *env)
{
	uint64_t esz = UINT64_MAX;

	if (!s->scheme.quota_time_ms && !s->scheme.nr_goals) {
		s->esz = s->scheme.quota_sz_bytes;
		return;
	}
	if (s->scheme.nr_goals)
		esz = goals_esz(s, ctx, env);
	if (s->scheme.quota_time_ms)
		esz = u64_min(esz, time_esz(s, ctx->min_region_sz));
	if (s->scheme.quota_sz_bytes)
		esz = u64_min(esz, s->scheme.quota_sz_bytes);
	s->esz = esz;
}

static void open_charge_window(struct damos *s, struct damon_ctx *ctx,
			       const struct damos_env *env)
{
	s->window_open = true;
	s->charged_from_us = env->now_us;
	s->window_tried_sz = 0;
	damos_set_effective_quota(s, ctx, env);
}

void damos_roll_charge_window(struct damos *s, struct damon_ctx *ctx, const struct damos_env *env)
{
	if (!s->window_open)
		open_charge_window(s, ctx, env);
	if ((env->now_us - s->charged_from_us) / 1000 < s->scheme.quota_reset_interval_ms)
		return;
	if (damos_quota_is_full(s, ctx->min_region_sz))
		s->stats.qt_exceeds++;
	s->total_charged_sz = u64_add(s->total_charged_sz, s->charged_sz);
	s->charged_sz = 0;
	open_charge_window(s, ctx, env);
}

void damos_charge_quota(struct damos *s, uint64_t sz, const struct damos_result *result)
{
	const uint64_t applied = result->applied_bytes;
	uint64_t charge = sz;

	if (s->scheme.fail_charge_denom && applied <= sz)
		charge = u64_add(applied, mult_frac(sz - applied, s->scheme.fail_charge_num,
						    s->scheme.fail_charge_denom));
	s->charged_sz = u64_add(s->charged_sz, charge);
	s->window_tried_sz += sz;
	s->total_charged_us += result->elapsed_us;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tuning.h"

#include "feedback.h"

/* What the feedback loop starts from; its answer is a share of this. */
#define FEEDBACK_INPUT 100000000ULL

/* Observed access events over those asked for, in basis points. */
static uint64_t damon_get_intervals_score(const struct damon_ctx *ctx)
{
	const uint64_t samples = damon_nr_samples_per_aggr(&ctx->attrs);
	unsigned __int128 events = 0, target, score;

	for (size_t i = 0; i < ctx->nr_regions; i++)
		events += (unsigned __int128)region_sz(&ctx->regions[i]) *
			  ctx->regions[i].nr_accesses;
	target = (unsigned __int128)ctx->total_sz * samples * ctx->attrs.intervals_goal.access_bp /
		 10000;
	score = events * 10000 / (target ? target : 1);
	return score > UINT64_MAX ? UINT64_MAX : (uint64_t)score;
}

/* At most doubled, and at most halved, in one step. */
static uint64_t damon_get_intervals_adaptation_bp(const struct damon_ctx *ctx)
{
	const uint64_t score = damon_get_intervals_score(ctx);
	const uint64_t bp = damon_feed_loop_next_input(FEEDBACK_INPUT, score) / 10000;

	return bp <= 10000 ? 5000 + bp / 2 : bp;
}

bool damon_tuned_attrs(const struct damon_ctx *ctx, struct damon_attrs *attrs)
{
	const struct damon_intervals_goal *goal = &ctx->attrs.intervals_goal;
	const uint64_t adaptation_bp = damon_get_intervals_adaptation_bp(ctx);

	if (adaptation_bp == 10000)
		return false;
	*attrs = ctx->attrs;
	attrs->sample_us = u64_min(goal->max_sample_us, attrs->sample_us * adaptation_bp / 10000);
	attrs->sample_us = u64_max(goal->min_sample_us, attrs->sample_us);
	attrs->aggr_us = attrs->sample_us * damon_nr_samples_per_aggr(&ctx->attrs);
	return true;
}

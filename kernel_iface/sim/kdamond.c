/* SPDX-License-Identifier: Apache-2.0 */
#include "kdamond.h"

#include "tuning.h"
#include "verify.h"

void kdamond_init(struct kdamond *k, const struct damon_ops *ops, void *data,
		  const struct damon_attrs *attrs, uint64_t seed)
{
	struct damon_ctx ctx = k->ctx;

	damon_init_ctx(&ctx, attrs, seed);
	*k = (struct kdamond){ .ctx = ctx, .ops = ops, .data = data,
			       .command_sample = UINT64_MAX };
}

bool kdamond_start(struct kdamond *k, uint64_t now_us)
{
	k->sampled_us = k->ran_us = now_us;
	k->unchecked = true;
	return damon_apply_min_nr_regions(&k->ctx);
}

/*
 * Schemes act only at samples, so that it does not matter that the change is in place earlier.
 * What counts in samples begins with the next one; a sleeping kdamond takes none before it
 * serves commands.
 */
void kdamond_commit_schemes(struct kdamond *k, const struct scheme *schemes, size_t nr)
{
	const bool samples = k->running && !k->asleep_until_us && !k->held;

	for (size_t i = 0; i < nr; i++) {
		if (i < k->nr_schemes) {
			damos_commit(&k->schemes[i], &schemes[i]);
			continue;
		}
		damos_init(&k->schemes[i], &schemes[i], &k->ctx);
		if (samples)
			k->schemes[i].next_apply_sample =
				u64_add(k->schemes[i].next_apply_sample, 1);
	}
	k->nr_schemes = nr;
}

void kdamond_commit_goals(struct kdamond *k, const struct scheme *schemes, size_t nr)
{
	for (size_t i = 0; i < nr && i < k->nr_schemes; i++)
		damos_commit_goals(&k->schemes[i], &schemes[i]);
}

static bool damon_attrs_equals(const struct damon_attrs *a, const struct damon_attrs *b)
{
	const struct damon_intervals_goal *ga = &a->intervals_goal, *gb = &b->intervals_goal;

	return a->sample_us == b->sample_us && a->aggr_us == b->aggr_us &&
	       a->update_us == b->update_us && a->min_nr_regions == b->min_nr_regions &&
	       a->max_nr_regions == b->max_nr_regions && ga->access_bp == gb->access_bp &&
	       ga->aggrs == gb->aggrs && ga->min_sample_us == gb->min_sample_us &&
	       ga->max_sample_us == gb->max_sample_us;
}

/* A paused kdamond looks for commands once in a sampling interval. */
static void await_next_sample(struct kdamond *k)
{
	const uint64_t sample_us = k->ctx.attrs.sample_us;

	k->command_sample = u64_min(k->command_sample, k->ctx.passed_samples + 1);
	if (k->held)
		k->tick_us = k->sampled_us +
			((k->ran_us - k->sampled_us) / sample_us + 1) * sample_us;
}

void kdamond_commit_attrs(struct kdamond *k, const struct damon_attrs *attrs)
{
	k->has_new_attrs = true;
	k->new_attrs = *attrs;
	await_next_sample(k);
}

void kdamond_commit_pause(struct kdamond *k, bool paused, uint64_t now_us)
{
	k->paused = paused;
	k->ran_us = u64_max(k->ran_us, now_us);
	await_next_sample(k);
}

static void set_attrs(struct kdamond *k, const struct damon_attrs *attrs)
{
	damon_set_attrs(&k->ctx, attrs);
	for (size_t i = 0; i < k->nr_schemes; i++)
		damos_set_next_apply_sample(&k->schemes[i], &k->ctx);
}

static void serve_commands(struct kdamond *k)
{
	k->command_sample = UINT64_MAX;
	if (k->has_new_attrs && !damon_attrs_equals(&k->ctx.attrs, &k->new_attrs))
		set_attrs(k, &k->new_attrs);
	k->has_new_attrs = false;
}

/* Number of the next sample at which something is due. */
static uint64_t next_due_sample(const struct kdamond *k)
{
	const struct damon_ctx *ctx = &k->ctx;
	uint64_t next = u64_min(ctx->next_aggr_sample, k->command_sample);

	for (size_t i = 0; i < k->nr_schemes; i++)
		if (k->schemes[i].activated)
			next = u64_min(next, k->schemes[i].next_apply_sample);
	if (k->ops->update)
		next = u64_min(next, ctx->next_update_sample);
	return u64_max(next, ctx->passed_samples + !k->unserved);
}

uint64_t kdamond_next_event_us(const struct kdamond *k)
{
	const struct damon_ctx *ctx = &k->ctx;

	if (k->held)
		return k->command_sample == UINT64_MAX ? UINT64_MAX : k->tick_us;
	if (k->asleep_until_us)
		return k->asleep_until_us;
	if (k->unchecked && !k->unserved)
		return k->sampled_us;
	return u64_add(k->sampled_us,
		       u64_mul(next_due_sample(k) - ctx->passed_samples, ctx->attrs.sample_us));
}

void kdamond_catch_up(struct kdamond *k, uint64_t now_us)
{
	struct damon_ctx *ctx = &k->ctx;
	uint64_t nr;

	if (k->held || k->asleep_until_us || (k->unchecked && !k->unserved))
		return;
	if (now_us <= k->sampled_us)
		return;
	nr = (now_us - k->sampled_us) / ctx->attrs.sample_us;
	/* what is due at a sample must be done before the next one */
	nr = u64_min(nr, next_due_sample(k) - ctx->passed_samples);
	if (!nr)
		return;
	k->ops->check_accesses(k->data, ctx, nr);
	ctx->passed_samples += nr;
	k->sampled_us += nr * ctx->attrs.sample_us;
	k->unserved = k->unchecked = true;
	DT_VERIFY(ctx);
}

/* Sleep, or go on to sleep, until the watermarks are looked at again. */
static void kdamond_wait_activation(struct kdamond *k, uint64_t now_us)
{
	uint64_t min_wait_us = k->nr_schemes ? UINT64_MAX : 0, free_permille = 0;
	bool asked = false;

	k->unchecked = false;
	k->running = true;
	for (size_t i = 0; i < k->nr_schemes; i++) {
		struct damos *s = &k->schemes[i];

		if (s->scheme.wmark_metric != DAMOS_WMARK_NONE && !asked) {
			free_permille = k->ops->free_mem_permille(k->data);
			asked = true;
		}
		min_wait_us = u64_min(min_wait_us, damos_wmark_wait_us(s, free_permille));
	}
	k->asleep_until_us = min_wait_us ? u64_add(now_us, min_wait_us) : 0;
	/* samples are taken from here on */
	if (!min_wait_us)
		k->sampled_us = now_us;
}

static void tune_intervals(struct kdamond *k)
{
	struct damon_ctx *ctx = &k->ctx;
	struct damon_attrs attrs;

	if (!ctx->attrs.intervals_goal.aggrs || ctx->passed_samples < ctx->next_tune_sample)
		return;
	/* a command may have moved it; the aggregation that is tuned by is complete */
	ctx->next_aggr_sample = k->turn_aggr_sample;
	ctx->next_tune_sample = u64_add(ctx->next_tune_sample,
		u64_mul(damon_nr_samples_per_aggr(&ctx->attrs), ctx->attrs.intervals_goal.aggrs));
	if (damon_tuned_attrs(ctx, &attrs))
		set_attrs(k, &attrs);
}

/* The second half of the loop: schemes, then the end of the aggregation, then updates. */
static bool serve_schemes(struct kdamond *k, uint64_t now_us)
{
	struct damon_ctx *ctx = &k->ctx;
	const struct damos_env env = { k->ops, k->data, now_us };

	if (!kdamond_apply_schemes(ctx, k->schemes, k->nr_schemes, &env))
		return false;
	if (ctx->passed_samples >= k->turn_aggr_sample) {
		tune_intervals(k);
		ctx->next_aggr_sample = k->turn_aggr_sample +
					damon_nr_samples_per_aggr(&ctx->attrs);
		kdamond_reset_aggregated(ctx);
		if (!kdamond_split_regions(ctx))
			return false;
		DT_VERIFY(ctx);
	}
	if (!k->ops->update || ctx->passed_samples < k->turn_update_sample)
		return true;
	ctx->next_update_sample = u64_add(k->turn_update_sample,
					  ctx->attrs.update_us / ctx->attrs.sample_us);
	if (!k->ops->update(k->data, ctx))
		return false;
	DT_VERIFY(ctx);
	return true;
}

/* What kdamond does after a sample at which something is due, in its order. */
static bool serve_sample(struct kdamond *k)
{
	struct damon_ctx *ctx = &k->ctx;

	k->unserved = false;
	k->turn_aggr_sample = ctx->next_aggr_sample;
	k->turn_update_sample = ctx->next_update_sample;
	if (ctx->passed_samples >= k->turn_aggr_sample) {
		k->region_aggregations += (double)ctx->nr_regions;
		kdamond_merge_regions(ctx, damon_max_merge_score(ctx) / 10, ctx->sz_limit);
		if (!damon_apply_min_nr_regions(ctx))
			return false;
		DT_VERIFY(ctx);
	}
	serve_commands(k);
	k->held = k->paused;
	return k->held || serve_schemes(k, k->sampled_us);
}

static bool serve_event(struct kdamond *k, uint64_t event_us)
{
	if (k->held) {
		k->sampled_us = event_us;
		serve_commands(k);
		k->held = k->paused;
		return k->held || serve_schemes(k, event_us);
	}
	if (k->asleep_until_us) {
		serve_commands(k);
		if (k->paused)
			await_next_sample(k);
		kdamond_wait_activation(k, event_us);
		return true;
	}
	if (k->unchecked && !k->unserved) {
		kdamond_wait_activation(k, k->sampled_us);
		return true;
	}
	kdamond_catch_up(k, event_us);
	return serve_sample(k);
}

bool kdamond_run(struct kdamond *k, uint64_t now_us)
{
	uint64_t event_us;

	while ((event_us = kdamond_next_event_us(k)) <= now_us)
		if (!serve_event(k, event_us))
			return false;
	k->ran_us = now_us;
	kdamond_catch_up(k, now_us);
	if (k->unserved) {
		/* nothing was due at these samples */
		k->unserved = false;
		kdamond_wait_activation(k, k->sampled_us);
	}
	return true;
}

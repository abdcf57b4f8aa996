/* SPDX-License-Identifier: Apache-2.0 */
/* Monitoring attributes: which are admitted, and what changing them does to the regions. */
#include "monitor.h"

#include <string.h>

#define BP 10000ULL

static const char *validate_intervals_goal(const struct damon_attrs *attrs)
{
	const struct damon_intervals_goal *goal = &attrs->intervals_goal;

	if (!goal->aggrs)
		return NULL;
	if (goal->min_sample_us > goal->max_sample_us)
		return "intervals_goal: min_sample_us must not exceed max_sample_us";
	if (!goal->min_sample_us)
		return "intervals_goal: min_sample_us must be at least 1";
	if (attrs->sample_us < goal->min_sample_us || attrs->sample_us > goal->max_sample_us)
		return "intervals_goal: sample_us must lie between min_sample_us and max_sample_us";
	if (goal->max_sample_us > DAMON_MAX_AGGR_US / damon_nr_samples_per_aggr(attrs))
		return "intervals_goal: max_sample_us would make aggregations longer than 2^40";
	if (goal->access_bp > BP)
		return "intervals_goal: access_bp must be at most 10000";
	return NULL;
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
	return validate_intervals_goal(attrs);
}

static bool any_weight(const struct damon_probe *probes, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (probes[i].weight)
			return true;
	return false;
}

const char *damon_validate_probes(const struct damon_attrs *attrs,
				  const struct damon_probe *probes, size_t nr)
{
	const uint64_t samples = damon_nr_samples_per_aggr(attrs);
	uint64_t sum = 0;

	if (nr > DAMON_MAX_PROBES)
		return "at most 4 probes";
	for (size_t i = 0; i < nr; i++)
		if (probes[i].nr_filters > DAMON_MAX_PROBE_FILTERS)
			return "at most 4 filters a probe";
	if (!any_weight(probes, nr))
		return NULL;
	if (samples > UINT8_MAX)
		return "probes with weights need at most 255 samples per aggregation";
	for (size_t i = 0; i < nr; i++)
		sum += probes[i].weight * samples;
	return sum > UINT32_MAX ? "the probes' weights times the samples of an aggregation must "
				  "add up to less than 2^32" : NULL;
}

void damon_set_probes(struct damon_ctx *ctx, const struct damon_probe *probes, size_t nr)
{
	if (nr)
		memcpy(ctx->probes, probes, nr * sizeof(*probes));
	ctx->nr_probes = nr;
	ctx->attributes_only = any_weight(probes, nr);
	for (size_t i = 0; i < ctx->nr_regions; i++) {
		struct damon_region *r = &ctx->regions[i];

		/* what a probe that is gone has counted must not count for one to come */
		memset(&r->probe_hits[nr], 0, DAMON_MAX_PROBES - nr);
		memset(&r->last_probe_hits[nr], 0, DAMON_MAX_PROBES - nr);
	}
}

static uint64_t convert_count(uint64_t nr, uint64_t old_samples, uint64_t new_samples)
{
	return nr * BP / old_samples * new_samples / BP;
}

static void update_probe_hits(struct damon_region *r, uint64_t old_nr, uint64_t new_nr,
			      bool aggregating)
{
	for (size_t i = 0; i < DAMON_MAX_PROBES; i++) {
		r->last_probe_hits[i] =
			(uint8_t)convert_count(r->last_probe_hits[i], old_nr, new_nr);
		r->probe_hits[i] = aggregating ? 0 :
			(uint8_t)convert_count(r->probe_hits[i], old_nr, new_nr);
	}
}

void damon_set_attrs(struct damon_ctx *ctx, const struct damon_attrs *attrs)
{
	const uint64_t old_nr = damon_nr_samples_per_aggr(&ctx->attrs);
	const uint64_t new_nr = damon_nr_samples_per_aggr(attrs);
	const bool aggregating = ctx->passed_samples < ctx->next_aggr_sample;

	for (size_t i = 0; i < ctx->nr_regions; i++) {
		struct damon_region *r = &ctx->regions[i];

		update_probe_hits(r, old_nr, new_nr, aggregating);
		r->nr_accesses = aggregating ? 0 :
			(uint32_t)convert_count(r->nr_accesses, old_nr, new_nr);
		r->last_nr_accesses = (uint32_t)convert_count(r->last_nr_accesses, old_nr, new_nr);
		r->age = (uint32_t)(r->age * ctx->attrs.aggr_us / attrs->aggr_us);
	}
	ctx->attrs = *attrs;
	ctx->within_limit = false;
	ctx->next_aggr_sample = ctx->passed_samples + new_nr;
	ctx->next_update_sample = u64_add(ctx->passed_samples, attrs->update_us / attrs->sample_us);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <math.h>
#include <string.h>

#define PAGE_BYTES 4096
#define HUGE_PAGE_BYTES (2ULL << 20)
#define QUOTA_RESET_INTERVAL_MS 1000
#define BP 1e4
/*
 * Promotion goes on until so much of the free target is used up: where the two goals overlap,
 * hot and cold pages keep changing places.
 */
#define PROMOTE_INTO_SHARE 0.6
/* Spreading by weight begins here: above it all hot pages are for the fast node. */
#define ALL_FAST_SHARE 0.99
#define WEIGHTS 1000
/* Of the heat that earns a huge page, what advises against one; and so of the age that splits. */
#define LUKEWARM_SHARE 0.25

static uint32_t age_of(double age_s, const struct plan_input *in)
{
	return (uint32_t)ceil(age_s * 1e6 / (double)in->aggr_us);
}

static uint32_t samples_of(double share, const struct plan_input *in)
{
	const double nr = ceil(share * (double)(in->aggr_us / in->sample_us));

	return (uint32_t)fmax(nr, 1.0);
}

static struct scheme scheme_of(enum damos_action action, double quota_bytes_per_s)
{
	const double quota = quota_bytes_per_s * QUOTA_RESET_INTERVAL_MS / 1e3;

	return (struct scheme){
		.action = action,
		.min_sz_bytes = PAGE_BYTES,
		.max_sz_bytes = UINT64_MAX,
		.max_nr_accesses = UINT32_MAX,
		.max_age = UINT32_MAX,
		.quota_sz_bytes = (uint64_t)fmax(quota, PAGE_BYTES),
		.quota_reset_interval_ms = QUOTA_RESET_INTERVAL_MS,
		.target_nid = SCHEME_NO_NODE,
	};
}

/* What was not accessed for some time; the longest first. */
static struct scheme cold(enum damos_action action, double age_s, double quota_bytes_per_s,
			  const struct plan_input *in)
{
	struct scheme s = scheme_of(action, quota_bytes_per_s);

	s.max_nr_accesses = 0;
	s.min_age = age_of(age_s, in);
	s.weight_age_permille = 1000;
	return s;
}

/* What is accessed in so many samples; the hottest first. */
static struct scheme hot(enum damos_action action, double share, double quota_bytes_per_s,
			 const struct plan_input *in)
{
	struct scheme s = scheme_of(action, quota_bytes_per_s);

	s.min_nr_accesses = samples_of(share, in);
	s.weight_nr_accesses_permille = 1000;
	return s;
}

static struct scheme *add(struct plan *plan, struct scheme scheme)
{
	plan->schemes[plan->nr_schemes] = scheme;
	return &plan->schemes[plan->nr_schemes++];
}

static void add_goal(struct scheme *s, enum damos_goal_metric metric, double target,
		     enum damos_goal_tuner tuner)
{
	s->goal_tuner = tuner;
	s->goals[s->nr_goals++] = (struct quota_goal){
		.metric = metric,
		.target_value = (uint64_t)fmax(round(target), 1.0),
	};
}

static void add_ranges(struct scheme *s, const struct address_range *ranges, size_t nr, bool allow)
{
	for (size_t i = 0; i < nr; i++)
		s->filters[s->nr_filters++] = (struct damos_filter){
			.type = DAMOS_FILTER_ADDR,
			.matching = true,
			.allow = allow,
			.addr_start = ranges[i].start,
			.addr_end = ranges[i].end,
		};
}

static void plan_reclaim(const double *knob, unsigned groups, const struct plan_input *in,
			 struct plan *plan)
{
	struct scheme *s = add(plan, cold(DAMOS_PAGEOUT, knob[KNOB_MIN_AGE_S],
					  knob[KNOB_QUOTA_BYTES_PER_S], in));

	if (groups & GROUP_BIT(GROUP_GOALS))
		add_goal(s, DAMOS_GOAL_SOME_MEM_PSI_US,
			 knob[KNOB_PSI_TARGET_US_PER_S] * QUOTA_RESET_INTERVAL_MS / 1e3,
			 DAMOS_TUNER_CONSIST);
	add_ranges(s, in->protected, in->nr_protected, false);
}

/* In use, but too rarely for a huge page. */
static struct scheme lukewarm(enum damos_action action, double share, double age_s,
			      double quota_bytes_per_s, const struct plan_input *in)
{
	struct scheme s = scheme_of(action, quota_bytes_per_s);

	s.min_nr_accesses = 1;
	s.max_nr_accesses = samples_of(share * LUKEWARM_SHARE, in);
	s.min_age = age_of(age_s * LUKEWARM_SHARE, in);
	s.weight_age_permille = 1000;
	return s;
}

/*
 * Advice goes first: a huge page is not made where advice against it is in force.  What one scheme
 * acts on is young again to all, so that no two of them are for the same regions.
 */
static void plan_thp(const double *knob, const struct plan_input *in, struct plan *plan)
{
	const double share = knob[KNOB_HUGE_MIN_SAMPLES_SHARE];
	const double quota = knob[KNOB_HUGE_QUOTA_BYTES_PER_S];
	const double age_s = knob[KNOB_SPLIT_MIN_AGE_S];

	add(plan, hot(DAMOS_HUGEPAGE, share, quota, in))->min_sz_bytes = HUGE_PAGE_BYTES;
	add(plan, hot(DAMOS_COLLAPSE, share, quota, in))->min_sz_bytes = HUGE_PAGE_BYTES;
	if (samples_of(share, in) > samples_of(share * LUKEWARM_SHARE, in))
		add(plan, lukewarm(DAMOS_NOHUGEPAGE, share, age_s, quota, in));
	/* only reclaim takes a huge page apart and gives back what of it was never used */
	add_ranges(add(plan, cold(DAMOS_PAGEOUT, age_s, quota, in)), in->protected,
		   in->nr_protected, false);
}

static void hold_only(struct scheme *s, bool young)
{
	s->filters[s->nr_filters++] = (struct damos_filter){
		.type = DAMOS_FILTER_YOUNG, .matching = young, .allow = true
	};
}

static void plan_demotion(const double *knob, unsigned groups, const struct plan_input *in,
			  struct plan *plan)
{
	const double free = knob[KNOB_FAST_FREE_SHARE];
	const bool enough = (double)in->fast_free_bytes >= free * (double)in->fast_total_bytes;
	double quota = knob[KNOB_DEMOTE_QUOTA_BYTES_PER_S];

	if (enough && !(groups & GROUP_BIT(GROUP_GOALS)))
		quota = QUOTA_FLOOR_BYTES_PER_S;
	plan->demotes = true;
	plan->demote = cold(DAMOS_MIGRATE_COLD, knob[KNOB_DEMOTE_MIN_AGE_S], quota, in);
	hold_only(&plan->demote, false);
	if (groups & GROUP_BIT(GROUP_GOALS))
		add_goal(&plan->demote, DAMOS_GOAL_NODE_MEM_FREE_BP, free * BP,
			 DAMOS_TUNER_TEMPORAL);
}

static void plan_promotion(const double *knob, unsigned groups, const struct plan_input *in,
			   struct plan *plan)
{
	const double used = 1.0 - PROMOTE_INTO_SHARE * knob[KNOB_FAST_FREE_SHARE];

	plan->promotes = true;
	plan->promote = hot(DAMOS_MIGRATE_HOT, knob[KNOB_PROMOTE_MIN_SAMPLES_SHARE],
			    knob[KNOB_PROMOTE_QUOTA_BYTES_PER_S], in);
	hold_only(&plan->promote, true);
	if (groups & GROUP_BIT(GROUP_GOALS))
		add_goal(&plan->promote, DAMOS_GOAL_NODE_MEM_USED_BP, used * BP,
			 DAMOS_TUNER_TEMPORAL);
}

/* By virtual address only, where DAMON knows weighted destinations. */
static void plan_spread(const double *knob, const struct plan_input *in, struct plan *plan)
{
	const uint32_t fast = (uint32_t)round(knob[KNOB_FAST_WEIGHT_SHARE] * WEIGHTS);
	struct scheme *s = add(plan, hot(DAMOS_MIGRATE_HOT, knob[KNOB_PROMOTE_MIN_SAMPLES_SHARE],
					 knob[KNOB_PROMOTE_QUOTA_BYTES_PER_S], in));

	s->nr_dests = 2;
	s->dests[0] = (struct damos_dest){ 0, fast };
	s->dests[1] = (struct damos_dest){ 1, WEIGHTS - fast };
}

static void plan_tiers(const double *knob, unsigned groups, const struct plan_input *in,
		       struct plan *plan)
{
	plan_demotion(knob, groups, in, plan);
	if (knob[KNOB_FAST_WEIGHT_SHARE] < ALL_FAST_SHARE)
		plan_spread(knob, in, plan);
	else
		plan_promotion(knob, groups, in, plan);
}

static void plan_prefetch(const double *knob, const struct plan_input *in, struct plan *plan)
{
	struct scheme s = scheme_of(DAMOS_WILLNEED, knob[KNOB_PREFETCH_QUOTA_BYTES_PER_S]);

	s.max_nr_accesses = 0;
	add_ranges(&s, in->ahead, in->nr_ahead, true);
	if (in->nr_ahead)
		add(plan, s);
}

void plan_make(const struct knobs *knobs, unsigned groups, const struct plan_input *in,
	       struct plan *plan)
{
	const double *knob = knobs->value;

	memset(plan, 0, sizeof(*plan));
	if (groups & GROUP_BIT(GROUP_RECLAIM))
		plan_reclaim(knob, groups, in, plan);
	if (groups & GROUP_BIT(GROUP_THP))
		plan_thp(knob, in, plan);
	/* a host with one tier has nowhere to move anything */
	if (groups & GROUP_BIT(GROUP_TIERING) && in->fast_total_bytes)
		plan_tiers(knob, groups, in, plan);
	if (groups & GROUP_BIT(GROUP_PREDICTION))
		plan_prefetch(knob, in, plan);
	if (groups & GROUP_BIT(GROUP_POWER)) {
		plan->has_power = true;
		plan->spare_bytes = (uint64_t)(knob[KNOB_SPARE_SHARE] * (double)in->memory_bytes);
		plan->clock_cap = knob[KNOB_CLOCK_CAP];
	}
}

uint32_t plan_acted_age(const struct plan *plan)
{
	uint32_t age = UINT32_MAX;

	for (uint32_t i = 0; i < plan->nr_schemes; i++)
		if (plan->schemes[i].action == DAMOS_PAGEOUT && plan->schemes[i].min_age < age)
			age = plan->schemes[i].min_age;
	return age;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "score.h"

#define MAX_SUBSCORE 100
#define MAX_AGE_IN_LOG 32

/* Which end of the scale an action is for; actions for which it does not matter take all. */
enum score_kind damos_score_kind(enum damon_ops_id id, enum damos_action action)
{
	const bool paddr = id == DAMON_OPS_PADDR;

	switch (action) {
	case DAMOS_PAGEOUT:
	case DAMOS_MIGRATE_COLD:
		return SCORE_COLD;
	case DAMOS_MIGRATE_HOT:
		return SCORE_HOT;
	case DAMOS_LRU_DEPRIO:
		return paddr ? SCORE_COLD : SCORE_ALL;
	case DAMOS_LRU_PRIO:
		return paddr ? SCORE_HOT : SCORE_ALL;
	default:
		return SCORE_ALL;
	}
}

/* Share of the samples that found an access, 0 to 100. */
static uint32_t frequency_subscore(uint32_t nr_accesses, const struct damon_attrs *attrs)
{
	return nr_accesses ? (uint32_t)((uint64_t)nr_accesses * MAX_SUBSCORE /
					damon_nr_samples_per_aggr(attrs)) : 0;
}

/* Logarithm of the age: the longer, the hotter or the colder, 0 to 100. */
static uint32_t age_subscore(uint32_t age, uint64_t aggr_us, bool accessed)
{
	const uint64_t age_s = age * aggr_us / 1000000;
	int log = age_s ? 64 - __builtin_clzll(age_s) : 0;

	if (log > MAX_AGE_IN_LOG)
		log = MAX_AGE_IN_LOG;
	if (!accessed)
		log = -log;
	return (uint32_t)(log + MAX_AGE_IN_LOG) * MAX_SUBSCORE / MAX_AGE_IN_LOG / 2;
}

uint32_t damon_hot_score(uint32_t nr_accesses, uint32_t age, const struct damon_attrs *attrs,
			 uint32_t weight_nr_accesses, uint32_t weight_age)
{
	const uint32_t frequency = frequency_subscore(nr_accesses, attrs);
	const uint64_t weights = (uint64_t)weight_nr_accesses + weight_age;
	const uint64_t weighted = (uint64_t)weight_nr_accesses * frequency +
		(uint64_t)weight_age * age_subscore(age, attrs->aggr_us, frequency > 0);
	uint64_t hotness;

	if (!weights)
		return 0;
	hotness = (weighted | weights) <= UINT32_MAX ? (uint32_t)weighted / (uint32_t)weights :
					   weighted / weights;
	hotness = hotness * DAMOS_MAX_SCORE / MAX_SUBSCORE;
	return hotness > DAMOS_MAX_SCORE ? DAMOS_MAX_SCORE : (uint32_t)hotness;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which schemes are admitted. */
#include "schemes.h"

static const char *validate_pattern(const struct scheme *scheme)
{
	if (scheme->min_sz_bytes > scheme->max_sz_bytes)
		return "min_sz_bytes must not exceed max_sz_bytes";
	if (scheme->min_nr_accesses > scheme->max_nr_accesses)
		return "min_nr_accesses must not exceed max_nr_accesses";
	if (scheme->min_age > scheme->max_age)
		return "min_age must not exceed max_age";
	return NULL;
}

static const char *validate_goals(const struct scheme *scheme)
{
	if (scheme->nr_goals > SCHEME_MAX_GOALS)
		return "goals: at most 4 a scheme";
	for (size_t i = 0; i < scheme->nr_goals; i++)
		if (!scheme->goals[i].target_value)
			return "goals: target_value must be at least 1";
	return NULL;
}

static const char *validate_filters(const struct scheme *scheme)
{
	const char *wrong = NULL;

	if (scheme->nr_filters > SCHEME_MAX_FILTERS)
		return "filters: at most 8 a scheme";
	for (size_t i = 0; !wrong && i < scheme->nr_filters; i++)
		wrong = damos_validate_filter(&scheme->filters[i]);
	return wrong;
}

const char *damos_validate(const struct scheme *scheme)
{
	const char *wrong = validate_pattern(scheme);

	if (!wrong)
		wrong = validate_goals(scheme);
	if (!wrong)
		wrong = validate_filters(scheme);
	if (!wrong && scheme->nr_dests > SCHEME_MAX_DESTS)
		wrong = "dests: at most 4 a scheme";
	if (!wrong && scheme->wmark_metric != DAMOS_WMARK_NONE && !scheme->wmark_interval_us)
		wrong = "watermarks need an interval_us of at least 1";
	return wrong;
}

const char *damos_validate_for_ops(const struct scheme *scheme, enum damon_ops_id id)
{
	for (size_t i = 0; i < scheme->nr_goals; i++)
		if (scheme->goals[i].metric == DAMOS_GOAL_NODE_ELIGIBLE_MEM_BP &&
		    id != DAMON_OPS_PADDR)
			return "goals: node_eligible_mem_bp needs the operations set paddr";
	return NULL;
}

bool damon_ops_has_action(enum damon_ops_id id, enum damos_action action)
{
	switch (action) {
	case DAMOS_PAGEOUT:
	case DAMOS_MIGRATE_HOT:
	case DAMOS_MIGRATE_COLD:
	case DAMOS_STAT:
		return true;
	case DAMOS_LRU_PRIO:
	case DAMOS_LRU_DEPRIO:
		return id == DAMON_OPS_PADDR;
	default:
		return id != DAMON_OPS_PADDR;
	}
}

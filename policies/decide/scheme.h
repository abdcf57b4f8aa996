/* SPDX-License-Identifier: Apache-2.0 */
/* A DAMON-based operation scheme as a policy states it; fields as in kernel_iface/host.py. */
#ifndef DT_SCHEME_H
#define DT_SCHEME_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEME_MAX_GOALS 4
#define SCHEME_MAX_FILTERS 8
#define SCHEME_MAX_DESTS 4
/* No node is asked for. */
#define SCHEME_NO_NODE (-1)

enum damos_action {
	DAMOS_WILLNEED,
	DAMOS_COLD,
	DAMOS_PAGEOUT,
	DAMOS_HUGEPAGE,
	DAMOS_NOHUGEPAGE,
	DAMOS_COLLAPSE,
	DAMOS_LRU_PRIO,
	DAMOS_LRU_DEPRIO,
	DAMOS_MIGRATE_HOT,
	DAMOS_MIGRATE_COLD,
	DAMOS_STAT,
	NR_DAMOS_ACTIONS
};

enum damos_wmark_metric { DAMOS_WMARK_NONE, DAMOS_WMARK_FREE_MEM_RATE, NR_DAMOS_WMARK_METRICS };

enum damos_goal_metric {
	DAMOS_GOAL_USER_INPUT,
	DAMOS_GOAL_SOME_MEM_PSI_US,
	DAMOS_GOAL_NODE_MEM_USED_BP,
	DAMOS_GOAL_NODE_MEM_FREE_BP,
	DAMOS_GOAL_NODE_MEMCG_USED_BP,
	DAMOS_GOAL_NODE_MEMCG_FREE_BP,
	DAMOS_GOAL_ACTIVE_MEM_BP,
	DAMOS_GOAL_INACTIVE_MEM_BP,
	DAMOS_GOAL_NODE_ELIGIBLE_MEM_BP,
	NR_DAMOS_GOAL_METRICS
};

enum damos_goal_tuner { DAMOS_TUNER_CONSIST, DAMOS_TUNER_TEMPORAL, NR_DAMOS_TUNERS };

/* Those up to unmapped are for the operations set to judge, page by page. */
enum damos_filter_type {
	DAMOS_FILTER_ANON,
	DAMOS_FILTER_ACTIVE,
	DAMOS_FILTER_MEMCG,
	DAMOS_FILTER_YOUNG,
	DAMOS_FILTER_HUGEPAGE_SIZE,
	DAMOS_FILTER_UNMAPPED,
	DAMOS_FILTER_ADDR,
	DAMOS_FILTER_TARGET,
	NR_DAMOS_FILTER_TYPES
};

/* @current_value is an input for user_input only; a container is named by its number. */
struct quota_goal {
	enum damos_goal_metric metric;
	uint64_t target_value;
	uint64_t current_value;
	int32_t nid;
	uint32_t memcg;
};

/* Decides by @allow on memory for which being of the type equals @matching. */
struct damos_filter {
	enum damos_filter_type type;
	bool matching;
	bool allow;
	uint32_t memcg;
	uint32_t target;
	uint64_t addr_start;
	uint64_t addr_end;
	uint64_t min_bytes;
	uint64_t max_bytes;
};

struct damos_dest {
	int32_t nid;
	uint32_t weight;
};

struct scheme {
	enum damos_action action;
	uint64_t min_sz_bytes;
	uint64_t max_sz_bytes;
	uint32_t min_nr_accesses;
	uint32_t max_nr_accesses;
	uint32_t min_age;
	uint32_t max_age;
	uint64_t apply_interval_us;
	uint64_t max_nr_snapshots;

	uint64_t quota_time_ms;
	uint64_t quota_sz_bytes;
	uint64_t quota_reset_interval_ms;
	uint32_t weight_sz_permille;
	uint32_t weight_nr_accesses_permille;
	uint32_t weight_age_permille;
	/* bytes that were tried and not applied are charged by this fraction; 0: in full */
	uint32_t fail_charge_num;
	uint32_t fail_charge_denom;
	enum damos_goal_tuner goal_tuner;
	uint32_t nr_goals;
	struct quota_goal goals[SCHEME_MAX_GOALS];

	enum damos_wmark_metric wmark_metric;
	uint64_t wmark_interval_us;
	uint64_t wmark_high_permille;
	uint64_t wmark_mid_permille;
	uint64_t wmark_low_permille;

	uint32_t nr_filters;
	struct damos_filter filters[SCHEME_MAX_FILTERS];

	/* where migrations go: one node, or several by weight */
	int32_t target_nid;
	uint32_t nr_dests;
	struct damos_dest dests[SCHEME_MAX_DESTS];
};

struct scheme_stats {
	uint64_t nr_tried;
	uint64_t sz_tried_bytes;
	uint64_t nr_applied;
	uint64_t sz_applied_bytes;
	uint64_t sz_ops_filter_passed_bytes;
	uint64_t qt_exceeds;
	uint64_t nr_snapshots;
	uint64_t effective_quota_bytes;
};

#endif

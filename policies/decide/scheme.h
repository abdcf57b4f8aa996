/* SPDX-License-Identifier: Apache-2.0 */
/* A DAMON-based operation scheme as a policy states it; fields as in kernel_iface/host.py. */
#ifndef DT_SCHEME_H
#define DT_SCHEME_H

#include <stdint.h>

enum damos_action { DAMOS_STAT, DAMOS_PAGEOUT, NR_DAMOS_ACTIONS };
enum damos_wmark_metric { DAMOS_WMARK_NONE, DAMOS_WMARK_FREE_MEM_RATE, NR_DAMOS_WMARK_METRICS };

struct scheme {
	enum damos_action action;
	uint64_t min_sz_bytes;
	uint64_t max_sz_bytes;
	uint32_t min_nr_accesses;
	uint32_t max_nr_accesses;
	uint32_t min_age;
	uint32_t max_age;
	uint64_t apply_interval_us;

	uint64_t quota_time_ms;
	uint64_t quota_sz_bytes;
	uint64_t quota_reset_interval_ms;
	uint32_t weight_sz_permille;
	uint32_t weight_nr_accesses_permille;
	uint32_t weight_age_permille;

	enum damos_wmark_metric wmark_metric;
	uint64_t wmark_interval_us;
	uint64_t wmark_high_permille;
	uint64_t wmark_mid_permille;
	uint64_t wmark_low_permille;
};

struct scheme_stats {
	uint64_t nr_tried;
	uint64_t sz_tried_bytes;
	uint64_t nr_applied;
	uint64_t sz_applied_bytes;
	uint64_t qt_exceeds;
	uint64_t effective_quota_bytes;
};

#endif

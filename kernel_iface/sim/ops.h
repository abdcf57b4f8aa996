/* SPDX-License-Identifier: Apache-2.0 */
/* What DAMON needs of whose memory it monitors. */
#ifndef DT_OPS_H
#define DT_OPS_H

#include "monitor.h"
#include "scheme.h"

/* What came of acting on a region; all 0 before. */
struct damos_result {
	uint64_t applied_bytes;
	uint64_t filter_passed_bytes;
	double elapsed_us;
	/* told, not asked: a filter of the core let the region in, and no others count */
	bool core_allowed;
};

struct damon_ops {
	/* draw @nr_samples access checks, or probes, of all regions and add up what was seen */
	void (*check_accesses)(void *data, struct damon_ctx *ctx, uint64_t nr_samples);
	/* carry the scheme's action out; called only for actions that the operations set has */
	void (*apply)(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
		      const struct damon_region *r, struct damos_result *result);
	/* microseconds of pressure so far for some_mem_psi_us; else what is, in basis points */
	uint64_t (*goal_value)(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
			       const struct quota_goal *goal);
	uint64_t (*free_mem_permille)(void *data);
	/* follow the targets' ranges; false when memory is out; NULL where ranges are fixed */
	bool (*update)(void *data, struct damon_ctx *ctx);
};

/* An operations set, its host, and the time there. */
struct damos_env {
	const struct damon_ops *ops;
	void *data;
	uint64_t now_us;
};

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DAMOS: which regions a scheme acts on and how much of them, as Linux 7.3 does it.
 *
 * Time is counted in sampling intervals for the apply schedule and in microseconds for quota
 * windows and watermarks.
 */
#ifndef DT_SCHEMES_H
#define DT_SCHEMES_H

#include "monitor.h"
#include "scheme.h"

#define DAMOS_MAX_SCORE 99

struct damos {
	struct scheme scheme;
	struct scheme_stats stats;
	uint64_t next_apply_sample;
	bool activated;

	/* quota: the running charge window, and all windows before it */
	uint64_t esz;
	uint64_t charged_sz;
	uint64_t charged_from_us;
	bool window_open;
	uint64_t total_charged_sz;
	double total_charged_us;
	uint32_t min_score;
	/* where the previous window's charging stopped; 0 when there is no such place */
	uint64_t charge_addr_from;
};

/* How the operations set acts on memory. */
struct damos_ops {
	void *data;
	/* Returns bytes applied; adds the CPU time spent to @elapsed_us. */
	uint64_t (*apply)(void *data, enum damos_action action, uint64_t start, uint64_t end,
			  double *elapsed_us);
};

/* NULL, or what is wrong with @scheme. */
const char *damos_validate(const struct scheme *scheme);

void damos_init(struct damos *s, const struct scheme *scheme, const struct damon_ctx *ctx);
/* Commit new parameters to a running scheme: statistics and charge state stay. */
void damos_commit(struct damos *s, const struct scheme *scheme);
/* Microseconds to wait until the watermarks are looked at again; 0 when active. */
uint64_t damos_wmark_wait_us(struct damos *s, uint64_t free_permille);
uint32_t damon_hot_score(const struct damon_region *r, uint32_t nr_accesses,
			 const struct damon_attrs *attrs, uint32_t weight_nr_accesses,
			 uint32_t weight_age);
/* Apply every scheme that is due.  False when memory is out. */
bool kdamond_apply_schemes(struct damon_ctx *ctx, struct damos *schemes, size_t nr_schemes,
			   const struct damos_ops *ops, uint64_t now_us);

#endif

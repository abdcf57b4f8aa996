/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DAMOS: which regions a scheme acts on and how much of them, as Linux 7.3 does it.
 *
 * Time is counted in sampling intervals for the apply schedule and in microseconds for quota
 * windows and watermarks.
 */
#ifndef DT_SCHEMES_H
#define DT_SCHEMES_H

#include "filters.h"
#include "ops.h"

#define SIM_MAX_SCHEMES 16

struct damos {
	struct scheme scheme;
	struct scheme_stats stats;
	uint64_t next_apply_sample;
	bool activated;
	struct filter_defaults defaults;

	/* quota: the running charge window, and all windows before it */
	uint64_t esz;
	uint64_t esz_bp;
	uint64_t charged_sz;
	uint64_t charged_from_us;
	bool window_open;
	uint64_t window_tried_sz;
	uint64_t total_charged_sz;
	double total_charged_us;
	uint32_t min_score;
	/* each goal's pressure at its last evaluation; the largest number before the first */
	uint64_t last_psi_total_us[SCHEME_MAX_GOALS];
	/* where the previous window's charging stopped, if it did */
	bool resumes;
	uint32_t resume_target;
	uint64_t resume_addr;
};

/* NULL, or what is wrong with @scheme. */
const char *damos_validate(const struct scheme *scheme);
/* NULL, or what of @scheme the operations set does not admit. */
const char *damos_validate_for_ops(const struct scheme *scheme, enum damon_ops_id id);
/* Whether the operations set carries @action out; others are counted and do nothing. */
bool damon_ops_has_action(enum damon_ops_id id, enum damos_action action);

void damos_init(struct damos *s, const struct scheme *scheme, const struct damon_ctx *ctx);
/* Commit new parameters to a running scheme: statistics and charge state stay. */
void damos_commit(struct damos *s, const struct scheme *scheme);
/* Commit only the goals of @scheme; pressure is measured anew. */
void damos_commit_goals(struct damos *s, const struct scheme *scheme);
void damos_set_next_apply_sample(struct damos *s, const struct damon_ctx *ctx);
/* Microseconds to wait until the watermarks are looked at again; 0 when active. */
uint64_t damos_wmark_wait_us(struct damos *s, uint64_t free_permille);
/* Whether @r, as it counts now, is what @scheme looks for. */
bool damos_pattern_matches(const struct damon_ctx *ctx, const struct damon_region *r,
			   const struct scheme *scheme);
/* Apply every scheme that is due.  False when memory is out. */
bool kdamond_apply_schemes(struct damon_ctx *ctx, struct damos *schemes, size_t nr_schemes,
			   const struct damos_env *env);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* How much a scheme may do: charge windows and the effective size quota. */
#ifndef DT_QUOTA_H
#define DT_QUOTA_H

#include "schemes.h"

static inline bool damos_quota_is_set(const struct damos *s)
{
	return s->esz || s->scheme.quota_sz_bytes || s->scheme.quota_time_ms ||
	       s->scheme.nr_goals;
}

static inline bool damos_quota_is_full(const struct damos *s, uint64_t min_region_sz)
{
	if (!damos_quota_is_set(s))
		return false;
	return s->charged_sz >= s->esz || s->esz - s->charged_sz < min_region_sz;
}

/* Open the first window, or the next one when the running one is over. */
void damos_roll_charge_window(struct damos *s, struct damon_ctx *ctx, const struct damos_env *env);
/* Charge @sz bytes that were tried. */
void damos_charge_quota(struct damos *s, uint64_t sz, const struct damos_result *result);

#endif

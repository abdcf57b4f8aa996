/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of a scheme that DAMOS itself judges, region by region: address and target. */
#ifndef DT_FILTERS_H
#define DT_FILTERS_H

#include "scheme.h"
#include "walk.h"

static inline bool damos_filter_for_ops(enum damos_filter_type type)
{
	return type != DAMOS_FILTER_ADDR && type != DAMOS_FILTER_TARGET;
}

/* What a scheme's filters come to when none of them decides. */
struct filter_defaults {
	bool any_core;
	bool core_reject;
	bool ops_reject;
};

/* NULL, or what is wrong with @filter. */
const char *damos_validate_filter(const struct damos_filter *filter);
struct filter_defaults damos_filter_defaults(const struct scheme *scheme);
/*
 * Whether the region at hand is left out.  A region that lies across the border of an address
 * filter is cut there first.  @allowed tells whether a filter let it in.
 */
bool damos_core_filter_out(const struct scheme *scheme, const struct filter_defaults *defaults,
			   struct region_walk *w, bool *allowed);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters that are drawn from ranges at every reset, so that training sees many hosts. */
#ifndef DT_PARAM_H
#define DT_PARAM_H

#include <stdbool.h>

#include "rng.h"

struct param {
	const char *name;
	double lo;
	double hi;
	/* what values may be asked for at all */
	double min;
	double max;
	/* drawn log-uniformly instead of uniformly */
	bool log;
};

struct range {
	double lo;
	double hi;
};

static inline double param_draw(const struct param *p, const struct range *r, struct rng *rng)
{
	if (p->log && r->lo > 0.0)
		return rng_log_between(rng, r->lo, r->hi);
	return rng_between(rng, r->lo, r->hi);
}

#endif

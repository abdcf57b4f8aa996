/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no policy can cross: hard limits, a rate of change, and a circuit breaker on pressure.
 *
 * The guard is independent of the network and wraps training too, so that a policy learns with
 * the guard that it will live under.
 */
#ifndef DT_GUARD_H
#define DT_GUARD_H

#include "observe.h"

enum guard_reason {
	GUARD_LIMIT = 1 << 0,	  /* a knob was outside the hard limits */
	GUARD_RATE = 1 << 1,	  /* the minimum age fell faster than it may */
	GUARD_PRESSURE = 1 << 2,  /* memory pressure above the breaker's threshold */
	GUARD_SLOWDOWN = 1 << 3,  /* faults cost far more than the budget */
	GUARD_HOLD = 1 << 4,	  /* still backing off */
	GUARD_NONSENSE = 1 << 5,  /* the policy's answer was not a number */
};

struct guard_limits {
	double min_age_s;
	double max_quota_bytes_per_s;
	/* by how much the minimum age may be divided in one decision */
	double max_age_division;
	double pressure_max;
	double slowdown_floor;
	double slowdown_budgets;
	double hold_s;
	double hold_max_s;
	double calm_s;
};

struct guard {
	struct guard_limits limits;
	double hold_left_s;
	double next_hold_s;
	double calm_for_s;
};

void guard_init(struct guard *guard);
/* Called once a decision with the newest rates.  Returns what tripped, as reasons. */
unsigned guard_watch(struct guard *guard, const struct rates *rates, double budget);
/* Bound @knobs, which follow @last.  Returns what was changed, as reasons. */
unsigned guard_bound(const struct guard *guard, const struct knobs *last, struct knobs *knobs);
/* How much of the longest hold is left, from 0 to 1. */
double guard_hold(const struct guard *guard);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What no policy can cross: hard limits, a rate of change, less page-out for as long as it is
 * over budget, and a circuit breaker.
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
	GUARD_BREACH = 1 << 6,	  /* over the budget for more than one interval */
	/* what a snapshot does not show trips the breaker from outside */
	GUARD_SWAP = 1 << 7,	  /* swap is almost full */
	GUARD_FAST_NODE = 1 << 8, /* the fastest memory is almost full */
	GUARD_REFAULTS = 1 << 9,  /* the host takes back what it has just paged out */
	GUARD_SCORE = 1 << 10,	  /* the application says that it is slow */
};

#define NR_GUARD_REASONS 11
/* A host may be told to bear less pressure than the breaker does. */
#define GUARD_OUTSIDE                                                                          \
	(GUARD_PRESSURE | GUARD_SWAP | GUARD_FAST_NODE | GUARD_REFAULTS | GUARD_SCORE)

/* By the number of the bit. */
extern const char *const guard_reason_names[NR_GUARD_REASONS];

/* What an operator may narrow. */
struct guard_limits {
	double min_age_s;
	double max_quota_bytes_per_s;
	/* by how much the minimum age may be divided in one decision */
	double max_age_division;
};

struct guard {
	struct guard_limits limits;
	double hold_left_s;
	double next_hold_s;
	double calm_for_s;
	/* intervals over budget in a row, and the mildest of each knob in force since they began */
	unsigned nr_breaches;
	struct knobs mildest;
};

extern const struct guard_limits guard_default_limits;

void guard_init(struct guard *guard);
/* What is wrong with @limits, NULL when nothing is: they may be narrower than the defaults. */
const char *guard_check_limits(const struct guard_limits *limits);
/*
 * Called once a decision with the newest rates and the knobs that were @in_force.  @tripped are
 * reasons of GUARD_OUTSIDE.  Returns what tripped, as reasons.
 */
unsigned guard_watch(struct guard *guard, const struct rates *rates, double budget,
		     const struct knobs *in_force, unsigned tripped);
/*
 * Bound @knobs, which follow @last.  While page-out stays off, or a breach lasts, everything else
 * that costs speed stops as well.  Returns what was changed, as reasons.
 */
unsigned guard_bound(const struct guard *guard, const struct knobs *last, struct knobs *knobs);
/* How much of the longest hold is left, from 0 to 1. */
double guard_hold(const struct guard *guard);

#endif

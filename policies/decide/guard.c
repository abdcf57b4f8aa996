/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <math.h>

/* The breaker: what trips it, and for how long it stops page-out. */
#define PRESSURE_MAX 0.25
#define SLOWDOWN_FLOOR 0.10
#define SLOWDOWN_BUDGETS 5.0
#define HOLD_S 10.0
#define HOLD_MAX_S 320.0
#define CALM_S 120.0

/* One interval over budget may be a burst that is over; this many in a row are not. */
#define LASTING_BREACHES 2
#define BREACH_DIVISION 2.0

const struct guard_limits guard_default_limits = {
	.min_age_s = 2.0,
	.max_quota_bytes_per_s = 4294967296.0,
	.max_age_division = 4.0,
};

const char *const guard_reason_names[NR_GUARD_REASONS] = {
	"limit",  "rate", "pressure",  "slowdown", "hold",  "nonsense",
	"breach", "swap", "fast_node", "refaults", "score",
};

void guard_init(struct guard *g)
{
	*g = (struct guard){ .limits = guard_default_limits, .next_hold_s = HOLD_S };
}

const char *guard_check_limits(const struct guard_limits *l)
{
	const struct guard_limits *widest = &guard_default_limits;

	/* written so that NaN is refused */
	if (!(l->min_age_s >= widest->min_age_s && l->min_age_s <= MAX_AGE_S))
		return "min_age_s must be from 2 to 3600 seconds";
	if (!(l->max_quota_bytes_per_s >= QUOTA_FLOOR_BYTES_PER_S &&
	      l->max_quota_bytes_per_s <= widest->max_quota_bytes_per_s))
		return "max_quota_bytes_per_s must be from 4096 to 4294967296 (4 GiB/s)";
	if (!(l->max_age_division >= 1.0 && l->max_age_division <= widest->max_age_division))
		return "max_age_division must be from 1 to 4";
	return NULL;
}

static void watch_breach(struct guard *g, const struct rates *r, double budget,
			 const struct knobs *in_force)
{
	double *age = &g->mildest.value[KNOB_MIN_AGE_S];
	double *quota = &g->mildest.value[KNOB_QUOTA_BYTES_PER_S];

	/* two snapshots of one instant say nothing of an interval */
	if (r->dt_s <= 0.0)
		return;
	if (r->slowdown <= budget) {
		g->nr_breaches = 0;
		return;
	}
	if (!g->nr_breaches++)
		g->mildest = *in_force;
	*age = fmax(*age, in_force->value[KNOB_MIN_AGE_S]);
	*quota = fmin(*quota, in_force->value[KNOB_QUOTA_BYTES_PER_S]);
}

static void watch_breaker(struct guard *g, double dt_s, bool tripped)
{
	g->hold_left_s = fmax(g->hold_left_s - dt_s, 0.0);
	if (tripped) {
		if (g->hold_left_s <= 0.0) {
			g->hold_left_s = g->next_hold_s;
			g->next_hold_s = fmin(2.0 * g->next_hold_s, HOLD_MAX_S);
		}
		g->calm_for_s = 0.0;
	} else {
		g->calm_for_s += dt_s;
		if (g->calm_for_s >= CALM_S)
			g->next_hold_s = HOLD_S;
	}
}

unsigned guard_watch(struct guard *g, const struct rates *r, double budget,
		     const struct knobs *in_force, unsigned tripped)
{
	unsigned reasons = tripped & GUARD_OUTSIDE;

	if (r->pressure > PRESSURE_MAX)
		reasons |= GUARD_PRESSURE;
	if (r->slowdown > fmax(SLOWDOWN_FLOOR, SLOWDOWN_BUDGETS * budget))
		reasons |= GUARD_SLOWDOWN;
	watch_breaker(g, r->dt_s, reasons != 0);
	watch_breach(g, r, budget, in_force);
	if (g->hold_left_s > 0.0)
		reasons |= GUARD_HOLD;
	if (g->nr_breaches >= LASTING_BREACHES)
		reasons |= GUARD_BREACH;
	return reasons;
}

static double bound(double value, double lo, double hi, unsigned reason, unsigned *reasons)
{
	if (value >= lo && value <= hi)
		return value;
	*reasons |= reason;
	return value < lo ? lo : hi;
}

static bool is_nonsense(const struct knobs *knobs)
{
	for (enum knob k = 0; k < NR_KNOBS; k++)
		if (!isfinite(knobs->value[k]))
			return true;
	return false;
}

/* What does least of all knobs but those of page-out, which have limits of their own. */
static void be_careful(const struct knobs *last, struct knobs *knobs)
{
	for (enum knob k = 0; k < NR_KNOBS; k++) {
		if (knob_table[k].group == GROUP_RECLAIM)
			continue;
		if (isfinite(knob_table[k].careful))
			knobs->value[k] = knob_table[k].careful;
		else if (!isfinite(knobs->value[k]))
			knobs->value[k] = last->value[k];
	}
}

static unsigned bound_reclaim(const struct guard *g, const struct knobs *last,
			      struct knobs *knobs)
{
	const struct guard_limits *l = &g->limits;
	double *age = &knobs->value[KNOB_MIN_AGE_S];
	double *quota = &knobs->value[KNOB_QUOTA_BYTES_PER_S];
	unsigned reasons = 0;

	*age = bound(*age, last->value[KNOB_MIN_AGE_S] / l->max_age_division, MAX_AGE_S, GUARD_RATE,
		     &reasons);
	*age = bound(*age, l->min_age_s, MAX_AGE_S, GUARD_LIMIT, &reasons);
	*quota = bound(*quota, QUOTA_FLOOR_BYTES_PER_S, l->max_quota_bytes_per_s, GUARD_LIMIT,
		       &reasons);
	if (g->nr_breaches >= LASTING_BREACHES) {
		const double half = g->mildest.value[KNOB_QUOTA_BYTES_PER_S] / BREACH_DIVISION;

		*age = fmax(*age, g->mildest.value[KNOB_MIN_AGE_S]);
		*quota = fmax(fmin(*quota, half), QUOTA_FLOOR_BYTES_PER_S);
	}
	if (g->hold_left_s > 0.0)
		*quota = QUOTA_FLOOR_BYTES_PER_S;
	return reasons;
}

unsigned guard_bound(const struct guard *g, const struct knobs *last, struct knobs *knobs)
{
	if (is_nonsense(knobs)) {
		knobs->value[KNOB_MIN_AGE_S] = MAX_AGE_S;
		knobs->value[KNOB_QUOTA_BYTES_PER_S] = QUOTA_FLOOR_BYTES_PER_S;
		be_careful(last, knobs);
		return GUARD_NONSENSE;
	}
	if (g->hold_left_s > 0.0 || g->nr_breaches >= LASTING_BREACHES)
		be_careful(last, knobs);
	return bound_reclaim(g, last, knobs);
}

double guard_hold(const struct guard *g)
{
	return g->hold_left_s / HOLD_MAX_S;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "guard.h"

#include <math.h>

/* DAMOS acts on no less than a page: this quota is as good as none. */
#define QUOTA_FLOOR_BYTES_PER_S 4096.0
#define MAX_AGE_S 3600.0

static const struct guard_limits default_limits = {
	.min_age_s = 2.0,
	.max_quota_bytes_per_s = 4294967296.0,
	.max_age_division = 4.0,
	.pressure_max = 0.25,
	.slowdown_floor = 0.10,
	.slowdown_budgets = 5.0,
	.hold_s = 10.0,
	.hold_max_s = 320.0,
	.calm_s = 120.0,
};

void guard_init(struct guard *g)
{
	*g = (struct guard){ .limits = default_limits, .next_hold_s = default_limits.hold_s };
}

unsigned guard_watch(struct guard *g, const struct rates *r, double budget)
{
	const struct guard_limits *l = &g->limits;
	unsigned reasons = 0;

	if (r->pressure > l->pressure_max)
		reasons |= GUARD_PRESSURE;
	if (r->slowdown > fmax(l->slowdown_floor, l->slowdown_budgets * budget))
		reasons |= GUARD_SLOWDOWN;

	g->hold_left_s = fmax(g->hold_left_s - r->dt_s, 0.0);
	if (reasons) {
		if (g->hold_left_s <= 0.0) {
			g->hold_left_s = g->next_hold_s;
			g->next_hold_s = fmin(2.0 * g->next_hold_s, l->hold_max_s);
		}
		g->calm_for_s = 0.0;
	} else {
		g->calm_for_s += r->dt_s;
		if (g->calm_for_s >= l->calm_s)
			g->next_hold_s = l->hold_s;
	}
	if (g->hold_left_s > 0.0)
		reasons |= GUARD_HOLD;
	return reasons;
}

static double bound(double value, double lo, double hi, unsigned reason, unsigned *reasons)
{
	if (value >= lo && value <= hi)
		return value;
	*reasons |= reason;
	return value < lo ? lo : hi;
}

unsigned guard_bound(const struct guard *g, const struct knobs *last, struct knobs *knobs)
{
	const struct guard_limits *l = &g->limits;
	double *age = &knobs->value[KNOB_MIN_AGE_S];
	double *quota = &knobs->value[KNOB_QUOTA_BYTES_PER_S];
	unsigned reasons = 0;

	if (!isfinite(*age) || !isfinite(*quota)) {
		*age = MAX_AGE_S;
		*quota = QUOTA_FLOOR_BYTES_PER_S;
		return GUARD_NONSENSE;
	}
	*age = bound(*age, last->value[KNOB_MIN_AGE_S] / l->max_age_division, MAX_AGE_S, GUARD_RATE,
		     &reasons);
	*age = bound(*age, l->min_age_s, MAX_AGE_S, GUARD_LIMIT, &reasons);
	*quota = bound(*quota, QUOTA_FLOOR_BYTES_PER_S, l->max_quota_bytes_per_s, GUARD_LIMIT,
		       &reasons);
	if (g->hold_left_s > 0.0)
		*quota = QUOTA_FLOOR_BYTES_PER_S;
	return reasons;
}

double guard_hold(const struct guard *g)
{
	return g->hold_left_s / g->limits.hold_max_s;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "knobs.h"

#include <math.h>
#include <stdbool.h>

const char *const knob_group_names[NR_KNOB_GROUPS] = {
	[GROUP_RECLAIM] = "reclaim",	   [GROUP_GOALS] = "goals",
	[GROUP_TIERING] = "tiering",	   [GROUP_THP] = "thp",
	[GROUP_POWER] = "power",	   [GROUP_PREDICTION] = "prediction",
	[GROUP_ATTRIBUTES] = "attributes", [GROUP_ADAPTIVE] = "adaptive",
};

#define FLOOR QUOTA_FLOOR_BYTES_PER_S

/* What can be capped at all or not at all is so on half of its scale. */
const struct knob_about knob_table[NR_KNOBS] = {
	[KNOB_MIN_AGE_S] = { "min_age_s", GROUP_RECLAIM, 2.0, 1200.0, 0.0, 60.0, MAX_AGE_S },
	[KNOB_QUOTA_BYTES_PER_S] = { "quota_bytes_per_s", GROUP_RECLAIM, 1e-5, 1e-1, 0.0, 3e-3,
				     FLOOR },
	[KNOB_PSI_TARGET_US_PER_S] = { "psi_target_us_per_s", GROUP_GOALS, 10.0, 1e5, 0.0, 1e3,
				       10.0 },
	[KNOB_PROMOTE_MIN_SAMPLES_SHARE] = { "promote_min_samples_share", GROUP_TIERING, 0.05, 1.0,
					     0.0, 0.2, NAN },
	[KNOB_PROMOTE_QUOTA_BYTES_PER_S] = { "promote_quota_bytes_per_s", GROUP_TIERING, 1e-4, 1e-1,
					     0.0, 1e-2, NAN },
	[KNOB_DEMOTE_MIN_AGE_S] = { "demote_min_age_s", GROUP_TIERING, 1.0, 300.0, 0.0, 30.0,
				    MAX_AGE_S },
	[KNOB_DEMOTE_QUOTA_BYTES_PER_S] = { "demote_quota_bytes_per_s", GROUP_TIERING, 1e-4, 1e-1,
					    0.0, 1e-2, FLOOR },
	[KNOB_FAST_FREE_SHARE] = { "fast_free_share", GROUP_TIERING, 2e-3, 1.0, 0.0, 2e-2, NAN },
	[KNOB_FAST_WEIGHT_SHARE] = { "fast_weight_share", GROUP_TIERING, 0.5, 2.0, 1.0, 1.0, 1.0 },
	[KNOB_HUGE_MIN_SAMPLES_SHARE] = { "huge_min_samples_share", GROUP_THP, 0.05, 1.0, 0.0, 0.5,
					  1.0 },
	[KNOB_SPLIT_MIN_AGE_S] = { "split_min_age_s", GROUP_THP, 5.0, 600.0, 0.0, 120.0,
				   MAX_AGE_S },
	[KNOB_HUGE_QUOTA_BYTES_PER_S] = { "huge_quota_bytes_per_s", GROUP_THP, 1e-4, 1e-1, 0.0,
					  1e-3, FLOOR },
	[KNOB_SPARE_SHARE] = { "spare_share", GROUP_POWER, 0.02, 1.0, 0.0, 1.0, 1.0 },
	[KNOB_CLOCK_CAP] = { "clock_cap", GROUP_POWER, 0.5, 2.0, 1.0, 1.0, 1.0 },
	[KNOB_PROTECT_HORIZON_S] = { "protect_horizon_s", GROUP_PREDICTION, 1.0, 120.0, 0.0, 10.0,
				     120.0 },
	[KNOB_PREFETCH_QUOTA_BYTES_PER_S] = { "prefetch_quota_bytes_per_s", GROUP_PREDICTION, 1e-4,
					      1e-1, 0.0, 1e-2, NAN },
};

static bool is_in_bytes(enum knob knob)
{
	switch (knob) {
	case KNOB_QUOTA_BYTES_PER_S:
	case KNOB_PROMOTE_QUOTA_BYTES_PER_S:
	case KNOB_DEMOTE_QUOTA_BYTES_PER_S:
	case KNOB_HUGE_QUOTA_BYTES_PER_S:
	case KNOB_PREFETCH_QUOTA_BYTES_PER_S:
		return true;
	default:
		return false;
	}
}

static double unit_of(enum knob knob, double tenant_bytes)
{
	return is_in_bytes(knob) ? tenant_bytes : 1.0;
}

static bool is_on(enum knob knob, unsigned groups)
{
	return groups & GROUP_BIT(knob_table[knob].group);
}

size_t knobs_count(unsigned groups)
{
	size_t nr = 0;

	for (enum knob k = 0; k < NR_KNOBS; k++)
		nr += is_on(k, groups);
	return nr;
}

struct knobs knobs_initial(double tenant_bytes)
{
	struct knobs knobs;

	for (enum knob k = 0; k < NR_KNOBS; k++)
		knobs.value[k] = knob_table[k].initial * unit_of(k, tenant_bytes);
	return knobs;
}

static double decode(enum knob knob, double action, double tenant_bytes)
{
	const struct knob_about *about = &knob_table[knob];
	const double x = fmin(fmax(action, -1.0), 1.0);
	const double value = about->lo * pow(about->hi / about->lo, (x + 1.0) / 2.0);

	/* fmin and fmax swallow NaN, and the guard must see it */
	if (!isfinite(action))
		return NAN;
	return (about->most > 0.0 ? fmin(value, about->most) : value) *
	       unit_of(knob, tenant_bytes);
}

/* From a hundredth of what the budget bears to a hundred times it. */
static double decode_relative(double action, double bearable_bytes_per_s)
{
	if (!isfinite(action))
		return NAN;
	return fmax(bearable_bytes_per_s * pow(100.0, fmin(fmax(action, -1.0), 1.0)),
		    QUOTA_FLOOR_BYTES_PER_S);
}

struct knobs knobs_decode(const float *action, unsigned groups, const struct knob_scale *scale)
{
	struct knobs knobs = knobs_initial(scale->tenant_bytes);

	for (enum knob k = 0; k < NR_KNOBS; k++) {
		if (!is_on(k, groups))
			continue;
		if (k == KNOB_QUOTA_BYTES_PER_S && groups & GROUP_BIT(GROUP_ADAPTIVE))
			knobs.value[k] = decode_relative((double)*action++,
							 scale->bearable_bytes_per_s);
		else
			knobs.value[k] = decode(k, (double)*action++, scale->tenant_bytes);
	}
	return knobs;
}

float knob_encode(enum knob knob, double value, double tenant_bytes)
{
	const struct knob_about *about = &knob_table[knob];
	const double share = value / fmax(unit_of(knob, tenant_bytes), 1.0);
	const double x = 2.0 * log(fmax(share, 1e-300) / about->lo) / log(about->hi / about->lo) -
			 1.0;

	return (float)fmin(fmax(x, -1.0), 1.0);
}

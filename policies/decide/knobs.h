/* SPDX-License-Identifier: Apache-2.0 */
/* Knobs in physical units, and how an action becomes knobs. */
#ifndef DT_KNOBS_H
#define DT_KNOBS_H

#include <stddef.h>

#include "groups.h"

/* DAMOS acts on no less than a page: this quota is as good as none. */
#define QUOTA_FLOOR_BYTES_PER_S 4096.0
#define MAX_AGE_S 3600.0

enum knob {
	KNOB_MIN_AGE_S,
	KNOB_QUOTA_BYTES_PER_S,
	KNOB_PSI_TARGET_US_PER_S,
	KNOB_PROMOTE_MIN_SAMPLES_SHARE,
	KNOB_PROMOTE_QUOTA_BYTES_PER_S,
	KNOB_DEMOTE_MIN_AGE_S,
	KNOB_DEMOTE_QUOTA_BYTES_PER_S,
	KNOB_FAST_FREE_SHARE,
	KNOB_FAST_WEIGHT_SHARE,
	KNOB_HUGE_MIN_SAMPLES_SHARE,
	KNOB_SPLIT_MIN_AGE_S,
	KNOB_HUGE_QUOTA_BYTES_PER_S,
	KNOB_SPARE_SHARE,
	KNOB_CLOCK_CAP,
	KNOB_PROTECT_HORIZON_S,
	KNOB_PREFETCH_QUOTA_BYTES_PER_S,
	NR_KNOBS
};

/* Those of groups that are off stand where they stand initially. */
struct knobs {
	double value[NR_KNOBS];
};

struct knob_about {
	const char *name;
	enum knob_group group;
	/* the logarithmic scale; quotas are in shares of the tenant's memory a second, so that size
	 * drops out */
	double lo;
	double hi;
	/* what is above this is this; 0: the scale ends where the knob does */
	double most;
	/* where a policy that has not decided yet stands, on that scale */
	double initial;
	/* what does least, in the knob's own unit; NAN: whatever it is, it does no harm */
	double careful;
};

extern const struct knob_about knob_table[NR_KNOBS];

/* How many knobs @groups have: the size of an action. */
size_t knobs_count(unsigned groups);

/* What a policy that has not decided yet stands at, for a tenant of @tenant_bytes. */
struct knobs knobs_initial(double tenant_bytes);
/* What knobs are in shares or multiples of. */
struct knob_scale {
	double tenant_bytes;
	/* the quota of page-out that the budget bears, for GROUP_ADAPTIVE */
	double bearable_bytes_per_s;
};

/*
 * @action in [-1, 1] a knob of @groups, in the order of enum knob, on log scales; values outside
 * are clamped, and what is no number stays NaN.
 */
struct knobs knobs_decode(const float *action, unsigned groups, const struct knob_scale *scale);
/* A knob on its scale, clamped to [-1, 1]. */
float knob_encode(enum knob knob, double value, double tenant_bytes);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "knobs.h"

#include <math.h>
#include <string.h>

#define PAGE_BYTES 4096
#define QUOTA_RESET_INTERVAL_MS 1000

struct scale {
	double lo;
	double hi;
};

const char *const knob_names[NR_KNOBS] = { "min_age_s", "quota_bytes_per_s" };

/* The quota's scale is in shares of the tenant's memory a second, so that size drops out. */
static const struct scale scales[NR_KNOBS] = {
	[KNOB_MIN_AGE_S] = { 2.0, 300.0 },
	[KNOB_QUOTA_BYTES_PER_S] = { 1e-4, 1e-1 },
};

static const double initial[NR_KNOBS] = {
	[KNOB_MIN_AGE_S] = 60.0,
	[KNOB_QUOTA_BYTES_PER_S] = 3e-3,
};

static double unit_of(int knob, double tenant_bytes)
{
	return knob == KNOB_QUOTA_BYTES_PER_S ? tenant_bytes : 1.0;
}

struct knobs knobs_initial(double tenant_bytes)
{
	struct knobs knobs;

	for (int i = 0; i < NR_KNOBS; i++)
		knobs.value[i] = initial[i] * unit_of(i, tenant_bytes);
	return knobs;
}

struct knobs knobs_decode(const float *action, double tenant_bytes)
{
	struct knobs knobs;

	for (int i = 0; i < NR_KNOBS; i++) {
		double x = fmin(fmax((double)action[i], -1.0), 1.0);

		knobs.value[i] = scales[i].lo * pow(scales[i].hi / scales[i].lo, (x + 1.0) / 2.0) *
				 unit_of(i, tenant_bytes);
	}
	return knobs;
}

void knobs_encode(const struct knobs *knobs, double tenant_bytes, float *action)
{
	for (int i = 0; i < NR_KNOBS; i++) {
		double share = knobs->value[i] / fmax(unit_of(i, tenant_bytes), 1.0);
		double x = 2.0 * log(fmax(share, 1e-300) / scales[i].lo) /
				   log(scales[i].hi / scales[i].lo) - 1.0;

		action[i] = (float)fmin(fmax(x, -1.0), 1.0);
	}
}

void knobs_plan(const struct knobs *knobs, uint64_t aggr_us, struct scheme *scheme)
{
	double quota = knobs->value[KNOB_QUOTA_BYTES_PER_S] * QUOTA_RESET_INTERVAL_MS / 1e3;

	memset(scheme, 0, sizeof(*scheme));
	scheme->action = DAMOS_PAGEOUT;
	scheme->min_sz_bytes = PAGE_BYTES;
	scheme->max_sz_bytes = UINT64_MAX;
	scheme->max_nr_accesses = 0;
	scheme->min_age = (uint32_t)ceil(knobs->value[KNOB_MIN_AGE_S] * 1e6 / (double)aggr_us);
	scheme->max_age = UINT32_MAX;
	scheme->quota_sz_bytes = (uint64_t)fmax(quota, PAGE_BYTES);
	scheme->quota_reset_interval_ms = QUOTA_RESET_INTERVAL_MS;
	scheme->weight_age_permille = 1000;
}

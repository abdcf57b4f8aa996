/* SPDX-License-Identifier: Apache-2.0 */
#include "observe.h"

#include <math.h>
#include <string.h>

#define SHORT_S 30.0
#define LONG_S 300.0

const char *const observation_names[NR_FEATURES] = {
#define X(name) #name,
	OBSERVATION_FEATURES(X)
#undef X
};

static const double idle_edges_s[] = { 2, 5, 10, 20, 40, 80, 160 };
#define NR_IDLE_EDGES (sizeof(idle_edges_s) / sizeof(*idle_edges_s))

static double clamp(double x, double lo, double hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

static double share_of(double part, double whole)
{
	return whole > 0.0 ? clamp(part / whole, 0.0, 1.0) : 0.0;
}

/* log10 of a share from 10^-6 to 1, as -1 to 1. */
static float log_share(double share)
{
	return (float)(clamp(log10(share + 1e-6) / 3.0 + 1.0, -1.0, 1.0));
}

/* -1 for nothing, about 0 for exactly the budget, 1 for 64 times it. */
static float against_budget(double slowdown, double budget)
{
	return (float)clamp(log2(slowdown / budget + 1.0 / 64.0) / 6.0, -1.0, 1.0);
}

static double since(uint64_t now, uint64_t before)
{
	return now > before ? (double)(now - before) : 0.0;
}

static double average(double old, double new, double dt_s, double tau_s)
{
	return old + (new - old) * -expm1(-dt_s / tau_s);
}

double snapshot_tenant_bytes(const struct snapshot *s)
{
	return (double)s->resident_bytes + (double)s->swapped_bytes;
}

void rates_update(struct rates *r, const struct snapshot *s)
{
	const double resident = share_of((double)s->resident_bytes, snapshot_tenant_bytes(s));
	const double dt_us = since(s->time_us, r->time_us);

	r->dt_s = r->primed ? dt_us * 1e-6 : 0.0;
	if (r->dt_s > 0.0) {
		double stall_us = since(s->major_faults, r->major_faults) * s->swap_in_us;
		double cpu_us = since(s->cpu_time_us, r->cpu_time_us);

		r->slowdown = stall_us / fmax(cpu_us, MIN_CPU_SHARE * dt_us);
		r->pressure = clamp(since(s->psi_some_us, r->psi_some_us) / dt_us, 0.0, 1.0);
		r->tried_bytes_per_s =
			since(s->stats.sz_tried_bytes, r->sz_tried_bytes) / r->dt_s;
		r->resident_share_change = resident - r->resident_share;
		r->slowdown_30s = average(r->slowdown_30s, r->slowdown, r->dt_s, SHORT_S);
		r->slowdown_300s = average(r->slowdown_300s, r->slowdown, r->dt_s, LONG_S);
		r->pressure_30s = average(r->pressure_30s, r->pressure, r->dt_s, SHORT_S);
	}
	r->primed = true;
	r->time_us = s->time_us;
	r->major_faults = s->major_faults;
	r->cpu_time_us = s->cpu_time_us;
	r->psi_some_us = s->psi_some_us;
	r->sz_tried_bytes = s->stats.sz_tried_bytes;
	r->resident_share = resident;
}

/* Shares of the monitored bytes: by idle time where nothing was seen, by heat elsewhere. */
static void observe_heat(const struct snapshot *s, float *observation)
{
	double bytes[OBS_hot_share + 1] = { 0 }, total = 0.0;
	const double max_nr = s->sample_us ? (double)(s->aggr_us / s->sample_us) : 1.0;
	uint64_t edges[NR_IDLE_EDGES];

	for (size_t k = 0; k < NR_IDLE_EDGES; k++)
		edges[k] = s->aggr_us ? (uint64_t)(idle_edges_s[k] * 1e6) / s->aggr_us : 0;
	for (size_t i = 0; i < s->nr_regions; i++) {
		const struct snapshot_region *r = &s->regions[i];
		const double sz = (double)(r->end - r->start);
		const double heat = (double)r->nr_accesses / max_nr;
		size_t class = OBS_idle_below_2s_share;

		if (r->nr_accesses)
			class = heat <= 0.1 ? OBS_rare_share :
				heat <= 0.5 ? OBS_warm_share : OBS_hot_share;
		else
			while (class < NR_IDLE_EDGES && r->age >= edges[class])
				class++;
		bytes[class] += sz;
		total += sz;
	}
	for (size_t k = 0; k <= OBS_hot_share; k++)
		observation[k] = (float)share_of(bytes[k], total);
}

void observe(const struct snapshot *s, const struct rates *r, const struct knobs *knobs,
	     double hold, double budget, float *o)
{
	const double tenant = snapshot_tenant_bytes(s), total = (double)s->memory_total_bytes;
	float last[NR_KNOBS];

	observe_heat(s, o);
	o[OBS_resident_share] = (float)r->resident_share;
	o[OBS_resident_share_change] = (float)clamp(r->resident_share_change * 10.0, -1.0, 1.0);
	o[OBS_tenant_share] = (float)share_of(tenant, total);
	o[OBS_free_share] = (float)share_of((double)s->memory_free_bytes, total);
	o[OBS_compressed_share] = (float)share_of((double)s->compressed_bytes, total);
	o[OBS_swap_free_share] =
		(float)share_of((double)s->swap_free_bytes, (double)s->swap_total_bytes);
	o[OBS_slowdown_log] = log_share(r->slowdown);
	o[OBS_over_budget_now] = against_budget(r->slowdown, budget);
	o[OBS_over_budget_30s] = against_budget(r->slowdown_30s, budget);
	o[OBS_over_budget_300s] = against_budget(r->slowdown_300s, budget);
	o[OBS_pressure_now] = log_share(r->pressure);
	o[OBS_pressure_30s] = log_share(r->pressure_30s);
	o[OBS_tried_rate_log] = log_share(r->tried_bytes_per_s / fmax(tenant, 1.0));
	o[OBS_quota_use] = (float)share_of(r->tried_bytes_per_s,
					   knobs->value[KNOB_QUOTA_BYTES_PER_S]);
	o[OBS_swap_in_log] = (float)clamp(log10(fmax(s->swap_in_us, 0.1)) / 2.0 - 0.5, -1.0, 1.0);
	o[OBS_budget_log] = (float)clamp(log10(budget) + 2.0, -1.0, 1.0);
	knobs_encode(knobs, tenant, last);
	o[OBS_last_min_age] = last[KNOB_MIN_AGE_S];
	o[OBS_last_quota] = last[KNOB_QUOTA_BYTES_PER_S];
	o[OBS_hold] = (float)hold;
}

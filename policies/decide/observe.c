/* SPDX-License-Identifier: Apache-2.0 */
#include "observe.h"

#include "bearable.h"

#include <math.h>
#include <string.h>

#define SHORT_S 30.0
#define LONG_S 300.0

#define EVERYONE (~0U)

const struct feature_about feature_table[NR_FEATURES] = {
#define X(name) { #name, EVERYONE },
	BASE_FEATURES(X)
#undef X
#define X(group, name) { #name, GROUP_BIT(GROUP_##group) },
	GROUP_FEATURES(X)
#undef X
};

size_t features_count(unsigned groups)
{
	size_t nr = NR_BASE_FEATURES;

	for (size_t i = NR_BASE_FEATURES; i < NR_FEATURES; i++)
		nr += (feature_table[i].groups & groups) != 0;
	return nr;
}

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

/* -1 for 0.3 us, 1 for 1 ms. */
static float log_us(double us)
{
	return (float)clamp(log10(fmax(us, 0.1)) / 2.0 - 0.5, -1.0, 1.0);
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

double snapshot_swapped_in_us(const struct snapshot *s)
{
	const double disk_us = s->disk_in_us > 0.0 ? s->disk_in_us : s->swap_in_us;

	return s->swap_in_us + (disk_us - s->swap_in_us) * s->disk_swapped_share;
}

/* What comes back from elsewhere than swap is read from a file, which is on a disk. */
static double stalled_us(const struct rates *r, const struct snapshot *s)
{
	const double swapped = fmin(since(s->swap_ins, r->swap_ins), r->faults);

	if (s->disk_in_us <= 0.0)
		return r->faults * s->swap_in_us;
	return swapped * snapshot_swapped_in_us(s) + (r->faults - swapped) * s->disk_in_us;
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
		const double cpu_us = since(s->cpu_time_us, r->cpu_time_us);
		const double worked_us = fmax(cpu_us, r->min_worked_share * dt_us);

		r->faults = since(s->major_faults, r->major_faults);
		r->stalled_us = stalled_us(r, s);
		r->worked_share = worked_us / dt_us;
		r->slowdown = r->stalled_us / worked_us;
		r->pressure = clamp(since(s->psi_some_us, r->psi_some_us) / dt_us, 0.0, 1.0);
		r->tried_bytes_per_s =
			since(s->stats.sz_tried_bytes, r->sz_tried_bytes) / r->dt_s;
		r->promoted_bytes_per_s = since(s->promoted_bytes, r->promoted_bytes) / r->dt_s;
		r->demoted_bytes_per_s = since(s->demoted_bytes, r->demoted_bytes) / r->dt_s;
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
	r->swap_ins = s->swap_ins;
	r->promoted_bytes = s->promoted_bytes;
	r->demoted_bytes = s->demoted_bytes;
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

static void observe_adaptive(const struct told *told, double tenant_bytes, float *o)
{
	const struct returns *r = told->returns;
	const struct bearable *b = told->bearable;
	const double budget = told->budget;

	for (size_t k = 0; k < NR_RETURN_AGES; k++) {
		o[OBS_return_most_10s + k] = against_budget(r->most[k], budget);
		o[OBS_return_least_10s + k] = against_budget(r->least[k], budget);
		o[OBS_return_over_10s + k] = (float)r->over[k];
	}
	/* -1 for nothing yet, 1 for longer than which nothing changes */
	o[OBS_watched_log] = (float)clamp(log(r->watched_s / 30.0 + 1.0) / log(31.0) * 2.0 - 1.0,
					  -1.0, 1.0);
	o[OBS_bearable_quota] =
		knob_encode(KNOB_QUOTA_BYTES_PER_S, b->bytes_per_s, tenant_bytes);
	/* -1 for one in three hundred, 1 for all */
	o[OBS_refault_ratio_log] = (float)clamp(log10(b->refault_ratio) / 1.25 + 1.0, -1.0, 1.0);
}

static void observe_base(const struct snapshot *s, const struct told *told, float *o)
{
	const double tenant = snapshot_tenant_bytes(s), total = (double)s->memory_total_bytes;
	const double *knob = told->knobs->value;
	const struct rates *r = told->rates;

	observe_heat(s, o);
	o[OBS_resident_share] = (float)r->resident_share;
	o[OBS_resident_share_change] = (float)clamp(r->resident_share_change * 10.0, -1.0, 1.0);
	o[OBS_tenant_share] = (float)share_of(tenant, total);
	o[OBS_free_share] = (float)share_of((double)s->memory_free_bytes, total);
	o[OBS_compressed_share] = (float)share_of((double)s->compressed_bytes, total);
	o[OBS_swap_free_share] =
		(float)share_of((double)s->swap_free_bytes, (double)s->swap_total_bytes);
	o[OBS_slowdown_log] = log_share(r->slowdown);
	o[OBS_over_budget_now] = against_budget(r->slowdown, told->budget);
	o[OBS_over_budget_30s] = against_budget(r->slowdown_30s, told->budget);
	o[OBS_over_budget_300s] = against_budget(r->slowdown_300s, told->budget);
	o[OBS_pressure_now] = log_share(r->pressure);
	o[OBS_pressure_30s] = log_share(r->pressure_30s);
	o[OBS_tried_rate_log] = log_share(r->tried_bytes_per_s / fmax(tenant, 1.0));
	o[OBS_quota_use] = (float)share_of(r->tried_bytes_per_s, knob[KNOB_QUOTA_BYTES_PER_S]);
	o[OBS_swap_in_log] = log_us(s->swap_in_us);
	o[OBS_disk_in_log] = log_us(s->disk_in_us > 0.0 ? s->disk_in_us : s->swap_in_us);
	o[OBS_disk_swapped_share] = (float)s->disk_swapped_share;
	/* -1 for the least that counts, 0 for half a CPU, 1 for 16 CPUs */
	o[OBS_worked_share_log] = (float)clamp(log10(fmax(r->worked_share, MIN_WORKED_SHARE)) / 1.6 + 0.25,
					 -1.0, 1.0);
	o[OBS_budget_log] = (float)clamp(log10(told->budget) + 2.0, -1.0, 1.0);
	o[OBS_hold] = (float)told->hold;
}

static void observe_tiers(const struct snapshot *s, const struct rates *r, float *o)
{
	const double tenant = fmax(snapshot_tenant_bytes(s), 1.0);

	o[OBS_slow_share] =
		(float)share_of((double)s->slow_bytes, (double)s->resident_bytes);
	o[OBS_slow_heat_share] = (float)s->slow_heat_share;
	o[OBS_fast_free_share] =
		(float)share_of((double)s->fast_free_bytes, (double)s->fast_total_bytes);
	o[OBS_promoted_rate_log] = log_share(r->promoted_bytes_per_s / tenant);
	o[OBS_demoted_rate_log] = log_share(r->demoted_bytes_per_s / tenant);
}

static void observe_blocks(const struct snapshot *s, float *o)
{
	const double all = (double)s->memory_total_bytes + (double)s->offline_bytes;

	o[OBS_offline_share] = (float)share_of((double)s->offline_bytes, all);
	o[OBS_offlinable_share] = (float)share_of((double)s->offlinable_bytes, all);
}

/* In the order in which both name them. */
static void observe_forecast(const struct forecast *f, float *o)
{
	o[OBS_period_strength] = (float)f->strength;
	/* -1 for none, 0 for half a minute, 1 for a quarter of an hour */
	o[OBS_period_log] = f->period_s > 0.0 ?
				    (float)clamp(log(f->period_s / 30.0) / log(30.0), -1.0, 1.0) :
				    -1.0f;
	o[OBS_working_set_share] = (float)f->now[SHARE_working_set];
	for (size_t i = 0; i < NR_FORECAST_SHARES; i++) {
		o[OBS_working_set_30s_share + i] = (float)f->at[FORECAST_30S][i];
		o[OBS_working_set_120s_share + i] = (float)f->at[FORECAST_120S][i];
	}
}

static void observe_recall(const struct recall *r, float *o)
{
	observe_forecast(&r->forecast, o);
	for (size_t i = 0; i < NR_ATTRIBUTE_FEATURES; i++)
		o[OBS_sequential_share + i] = r->attributes.features[i];
}

static void observe_knobs(const struct knobs *knobs, double tenant_bytes, float *o)
{
	static const struct {
		enum knob knob;
		enum observation_feature feature;
	} seen[] = {
		{ KNOB_MIN_AGE_S, OBS_last_min_age },
		{ KNOB_QUOTA_BYTES_PER_S, OBS_last_quota },
		{ KNOB_PSI_TARGET_US_PER_S, OBS_last_psi_target },
		{ KNOB_PROMOTE_MIN_SAMPLES_SHARE, OBS_last_promote_min_samples },
		{ KNOB_PROMOTE_QUOTA_BYTES_PER_S, OBS_last_promote_quota },
		{ KNOB_DEMOTE_MIN_AGE_S, OBS_last_demote_min_age },
		{ KNOB_DEMOTE_QUOTA_BYTES_PER_S, OBS_last_demote_quota },
		{ KNOB_FAST_FREE_SHARE, OBS_last_fast_free },
		{ KNOB_FAST_WEIGHT_SHARE, OBS_last_fast_weight },
		{ KNOB_HUGE_MIN_SAMPLES_SHARE, OBS_last_huge_min_samples },
		{ KNOB_SPLIT_MIN_AGE_S, OBS_last_split_min_age },
		{ KNOB_HUGE_QUOTA_BYTES_PER_S, OBS_last_huge_quota },
		{ KNOB_SPARE_SHARE, OBS_last_spare },
		{ KNOB_CLOCK_CAP, OBS_last_clock_cap },
		{ KNOB_PROTECT_HORIZON_S, OBS_last_protect },
		{ KNOB_PREFETCH_QUOTA_BYTES_PER_S, OBS_last_prefetch_quota },
	};

	for (size_t i = 0; i < sizeof(seen) / sizeof(*seen); i++)
		o[seen[i].feature] =
			knob_encode(seen[i].knob, knobs->value[seen[i].knob], tenant_bytes);
}

void observe(const struct snapshot *s, const struct told *told, unsigned groups,
	     float *observation)
{
	float all[NR_FEATURES];
	size_t nr = 0;

	observe_base(s, told, all);
	/* what the first scheme tried, where that is not page-out, says nothing of page-out */
	if (!(groups & GROUP_BIT(GROUP_RECLAIM))) {
		all[OBS_tried_rate_log] = log_share(0.0);
		all[OBS_quota_use] = 0.0f;
	}
	observe_tiers(s, told->rates, all);
	all[OBS_huge_share] = (float)share_of((double)s->huge_bytes, (double)s->resident_bytes);
	observe_blocks(s, all);
	if (groups & GROUP_BIT(GROUP_ADAPTIVE))
		observe_adaptive(told, snapshot_tenant_bytes(s), all);
	if (told->recall)
		observe_recall(told->recall, all);
	observe_knobs(told->knobs, snapshot_tenant_bytes(s), all);
	for (size_t i = 0; i < NR_FEATURES; i++)
		if (feature_table[i].groups & groups)
			observation[nr++] = all[i];
}

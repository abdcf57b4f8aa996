/* SPDX-License-Identifier: Apache-2.0 */
#include "returns.h"

#include <math.h>
#include <string.h>

#include "observe.h"

#define PAGE_BYTES 4096.0
#define MEAN_S 300.0
#define OVER_S 600.0

const double return_ages_s[NR_RETURN_AGES] = { 10, 20, 40, 80, 160, 320 };

/* What came back in one interval, from each age on. */
struct came_back {
	double bytes[NR_RETURN_AGES];
	double hot_bytes[NR_RETURN_AGES];
};

void returns_init(struct returns *r)
{
	memset(r, 0, sizeof(*r));
}

/* Whether @region was used since the last look, after @idle_s without an access. */
static bool is_back(const struct snapshot *s, const struct snapshot_region *region, double idle_s,
		    double dt_s, uint32_t acted_age)
{
	const double acted_s = (double)acted_age * (double)s->aggr_us * 1e-6;

	if (region->nr_accesses)
		return true;
	/* young again: by an access in between, unless a scheme may have acted */
	return snapshot_accessed(s, region, (uint64_t)(dt_s * 1e6)) && idle_s + dt_s < acted_s;
}

static void count(struct came_back *back, double bytes, double heat, double idle_s)
{
	for (size_t k = 0; k < NR_RETURN_AGES && idle_s >= return_ages_s[k]; k++) {
		back->bytes[k] += bytes;
		back->hot_bytes[k] += bytes * heat;
	}
}

/*
 * Follow @region from the regions of the last look, of which @at is the first that may overlap it.
 * Returns its mean idle time by bytes.
 */
static double follow(const struct returns *r, size_t *at, const struct snapshot *s,
		     const struct snapshot_region *region, double dt_s, uint32_t acted_age,
		     struct came_back *back)
{
	const double age_s = (double)region->age * (double)s->aggr_us * 1e-6;
	const double fresh_s = region->nr_accesses ? 0.0 : age_s;
	const double heat = snapshot_heat_share(s, region);
	const double size = (double)(region->end - region->start);
	double idle = 0.0, left = size;

	while (*at < r->nr_regions && r->regions[*at].end <= region->start)
		(*at)++;
	for (size_t i = *at; i < r->nr_regions && r->regions[i].start < region->end; i++) {
		const struct returns_region *old = &r->regions[i];
		const uint64_t start = old->start > region->start ? old->start : region->start;
		const uint64_t end = old->end < region->end ? old->end : region->end;
		const double bytes = (double)(end - start);

		left -= bytes;
		if (is_back(s, region, old->idle_s, dt_s, acted_age)) {
			count(back, bytes, heat, old->idle_s);
			idle += bytes * fresh_s;
		} else {
			idle += bytes * fmax(old->idle_s + dt_s, fresh_s);
		}
	}
	return (idle + left * fresh_s) / size;
}

/* Returns how much of the last regions came back. */
static struct came_back look(struct returns *r, const struct snapshot *s, double dt_s,
			     uint32_t acted_age)
{
	struct returns_region next[RETURNS_REGIONS];
	struct came_back back = { 0 };
	uint64_t last = 0;
	size_t at = 0, nr = 0;

	for (size_t i = 0; i < s->nr_regions && nr < RETURNS_REGIONS; i++) {
		const struct snapshot_region *region = &s->regions[i];

		/* ascending, so that one pass does */
		if (region->start >= region->end || region->start < last)
			continue;
		next[nr++] = (struct returns_region){
			region->start, region->end,
			follow(r, &at, s, region, dt_s, acted_age, &back),
		};
		last = region->end;
	}
	memcpy(r->regions, next, nr * sizeof(*next));
	r->nr_regions = nr;
	return back;
}

/* The plain mean until @tau_s have passed. */
static void average_in(double *mean, double value, double dt_s, double watched_s, double tau_s)
{
	*mean += (value - *mean) * fmin(dt_s / fmin(watched_s, tau_s), 1.0);
}

void returns_update(struct returns *r, const struct snapshot *s, uint32_t acted_age, double budget,
		    double min_worked_share)
{
	const double dt_us = s->time_us > r->time_us ? (double)(s->time_us - r->time_us) : 0.0;
	const double cpu_us = s->cpu_time_us > r->cpu_time_us ?
				      (double)(s->cpu_time_us - r->cpu_time_us) : 0.0;
	const double dt_s = r->started ? dt_us * 1e-6 : 0.0;
	const struct came_back back = look(r, s, dt_s, acted_age);

	r->started = true;
	r->time_us = s->time_us;
	r->cpu_time_us = s->cpu_time_us;
	if (dt_s <= 0.0)
		return;
	r->watched_s += dt_s;
	for (size_t k = 0; k < NR_RETURN_AGES; k++) {
		const double per_byte = snapshot_swapped_in_us(s) / PAGE_BYTES /
					fmax(cpu_us, min_worked_share * dt_us);
		const double most = back.bytes[k] * per_byte;

		average_in(&r->most[k], most, dt_s, r->watched_s, MEAN_S);
		average_in(&r->least[k], back.hot_bytes[k] * per_byte, dt_s, r->watched_s, MEAN_S);
		average_in(&r->over[k], most > budget, dt_s, r->watched_s, OVER_S);
	}
}

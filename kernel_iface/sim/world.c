/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "verify_memory.h"

static double footprint_pages(const struct world *w)
{
	double pages = 0.0;

	for (size_t t = 0; t < w->nr_tenants; t++)
		pages += tenant_footprint_pages(&w->tenants[t]);
	return pages;
}

/* The load does not depend on the host: its generators are seeded first. */
static void draw(struct world *w, const struct world_spec *spec, struct rng *rng,
		 uint64_t *seeds)
{
	double profile[NR_PROFILE_PARAMS];

	for (size_t t = 0; t < w->nr_tenants; t++) {
		tenant_draw(&w->tenants[t], spec->tenants[t], rng);
		seeds[t] = rng_u64(rng);
	}
	for (size_t i = 0; i < NR_PROFILE_PARAMS; i++)
		profile[i] = param_draw(&profile_params[i], &spec->profile[i], rng);
	machine_init(&w->machine, profile, footprint_pages(w));
	w->unmanaged_power = w->machine.power;
	rng_seed(&w->reclaim.rng, rng_u64(rng));
}

static void update_load(struct world *w)
{
	const double busy = tenants_busy_threads(w->tenants, w->nr_tenants);
	double threads = 0.0;

	for (size_t t = 0; t < w->nr_tenants; t++)
		threads += w->tenants[t].workload.params[WL_THREADS];
	w->load = fmin(busy / (threads * w->machine.profile[PROFILE_CPU_RATIO]), 1.0);
}

bool world_start(struct world *w, const struct world_spec *spec, uint64_t seed,
		 uint64_t sample_us)
{
	uint64_t seeds[WORLD_MAX_TENANTS];
	struct rng rng;

	world_destroy(w);
	w->tenants = calloc(spec->nr_tenants, sizeof(*w->tenants));
	if (!w->tenants)
		return false;
	w->nr_tenants = spec->nr_tenants;
	rng_seed(&rng, seed);
	draw(w, spec, &rng, seeds);
	for (size_t t = 0; t < w->nr_tenants; t++)
		if (!tenant_start(&w->tenants[t], spec->tenants[t], &w->machine, seeds[t],
				  sample_us))
			return false;
	w->next_workload_us = WORKLOAD_TICK_US;
	w->next_memory_us = MEMORY_TICK_US;
	update_load(w);
	reclaim_balance(&w->reclaim, w->tenants, w->nr_tenants, 0);
	return true;
}

void world_destroy(struct world *w)
{
	for (size_t t = 0; t < w->nr_tenants; t++)
		tenant_destroy(&w->tenants[t]);
	free(w->tenants);
	memset(w, 0, sizeof(*w));
}

bool world_needs_twin(const struct world *w)
{
	const double *profile = w->machine.profile;
	const double room = profile[PROFILE_MEMORY_RATIO] *
			    (1.0 - profile[PROFILE_LOW_WMARK_PERMILLE] / 1e3);

	return room < 1.0 || profile[PROFILE_THP_MODE] >= THP_MADVISE ||
	       profile[PROFILE_CLOCK_CAP] < 1.0;
}

uint64_t world_next_event_us(const struct world *w)
{
	return w->next_workload_us < w->next_memory_us ? w->next_workload_us : w->next_memory_us;
}

static double stall_us(const struct world *w)
{
	double us = 0.0;

	for (size_t t = 0; t < w->nr_tenants; t++)
		us += w->tenants[t].memory.stall_us;
	return us;
}

/* "Some" pressure cannot be more than all of the time. */
static void show_pressure(struct world *w)
{
	const double stall = stall_us(w);
	const double passed_us = (double)(w->now_us - w->stall_seen_at_us);

	w->pressure_us += fmin(stall - w->stall_seen_us, passed_us) *
			  w->machine.profile[PROFILE_PRESSURE_VISIBILITY];
	w->stall_seen_us = stall;
	w->stall_seen_at_us = w->now_us;
}

void world_settle(struct world *w)
{
	for (size_t t = 0; t < w->nr_tenants; t++)
		memory_settle(&w->tenants[t].memory, w->now_us);
	show_pressure(w);
}

void world_charge_cpu(struct world *w, double us)
{
	const double busy = tenants_busy_threads(w->tenants, w->nr_tenants) + 1e-9;

	/* it lands on a busy CPU as often as CPUs are busy */
	for (size_t t = 0; t < w->nr_tenants; t++)
		w->tenants[t].interference_us +=
			us * w->load * w->tenants[t].workload.busy_threads / busy;
}

static void charge_kernel_threads(struct world *w)
{
	const double cpu_us = w->reclaim.cpu_us + w->khugepaged.cpu_us;

	if (cpu_us > w->kernel_cpu_seen_us)
		world_charge_cpu(w, cpu_us - w->kernel_cpu_seen_us);
	w->kernel_cpu_seen_us = cpu_us;
}

/* Pages on the move take bandwidth from who waits for memory; each is read and written. */
static void charge_migration(struct world *w, double us)
{
	const double gbps = fmin(w->machine.profile[PROFILE_SLOW_GBPS],
				 w->machine.profile[PROFILE_FAST_GBPS] *
					 w->machine.power.clock_cap);
	const double bytes = 2.0 * w->machine.pages_migrated * DT_PAGE_BYTES;
	const double share = fmin(bytes / (gbps * 1e9 * us * 1e-6), 1.0);

	w->machine.pages_migrated = 0.0;
	for (size_t t = 0; share > 0.0 && t < w->nr_tenants; t++)
		w->tenants[t].memory_us += w->tenants[t].workload.busy_threads * us * share *
			w->tenants[t].workload.params[WL_MEMORY_BOUND_SHARE];
}

/* A block that goes offline is emptied by migration inside the fast tier. */
static void advance_power(struct world *w)
{
	const struct machine *m = &w->machine;
	const double online = machine_online_pages(m, TIER_FAST);
	const double free = machine_free_pages(m);
	const double spare = fmax(free - 2.0 * machine_low_wmark_pages(m), 0.0);
	const double moved_gib = power_advance(&w->machine.power, free / PAGES_PER_GIB,
					       spare / PAGES_PER_GIB,
					       fmax(1.0 - free / online, 0.0), w->now_us);

	if (moved_gib <= 0.0)
		return;
	w->machine.pages_migrated += moved_gib * PAGES_PER_GIB;
	world_charge_cpu(w, moved_gib * PAGES_PER_GIB * m->profile[PROFILE_MIGRATE_PAGE_US]);
}

static void run_memory(struct world *w)
{
	world_settle(w);
	khugepaged_scan(&w->khugepaged, w->tenants, w->nr_tenants, (double)MEMORY_TICK_US,
			w->now_us);
	advance_power(w);
	charge_migration(w, (double)MEMORY_TICK_US);
	charge_kernel_threads(w);
	w->next_memory_us = w->now_us + MEMORY_TICK_US;
}

static void run_workloads(struct world *w)
{
	for (size_t t = 0; t < w->nr_tenants; t++)
		tenant_run(&w->tenants[t], w->now_us);
	update_load(w);
	w->next_workload_us = w->now_us + WORKLOAD_TICK_US;
}

static void pass_time(struct world *w, double us)
{
	double touched = 0.0;

	for (size_t t = 0; t < w->nr_tenants; t++) {
		tenant_pass_time(&w->tenants[t], us);
		touched += w->tenants[t].memory.touched;
	}
	power_integrate(&w->machine.power, machine_used_pages(&w->machine) / PAGES_PER_GIB,
			w->load, us);
	power_integrate(&w->unmanaged_power, touched / PAGES_PER_GIB, w->load, us);
}

void world_run(struct world *w, uint64_t now_us)
{
	if (now_us > w->now_us)
		pass_time(w, (double)(now_us - w->now_us));
	w->now_us = now_us;
	if (now_us < world_next_event_us(w))
		return;
	if (now_us >= w->next_memory_us)
		run_memory(w);
	if (now_us >= w->next_workload_us)
		run_workloads(w);
	reclaim_balance(&w->reclaim, w->tenants, w->nr_tenants, now_us);
	DT_VERIFY_WORLD(w);
}

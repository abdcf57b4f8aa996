/* SPDX-License-Identifier: Apache-2.0 */
#include "reclaim.h"

#include <math.h>

#include "action.h"

/* The kernel knows only roughly which pages are cold: the coldest of so many is taken. */
#define CANDIDATES 32
/* So many misses in a row, and there is nothing left to reclaim. */
#define MISSES_MAX 64
/* Below this part of the low watermark allocations wait for the reclaim. */
#define DIRECT_PART 0.5
/* A killed process is started again: time that its threads do not work. */
#define RESTART_S 10.0

struct candidate {
	struct tenant *tenant;
	size_t block;
	double coldness;
};

static double pages_of_tenants(const struct tenant *tenants, size_t nr)
{
	double pages = 0.0;

	for (size_t t = 0; t < nr; t++)
		pages += (double)tenants[t].memory.nr_blocks;
	return pages;
}

static struct candidate random_block(struct reclaim *r, struct tenant *tenants, size_t nr)
{
	uint64_t at = rng_below(&r->rng, (uint64_t)pages_of_tenants(tenants, nr));
	struct candidate c = { .tenant = tenants };

	while (at >= c.tenant->memory.nr_blocks)
		at -= c.tenant++->memory.nr_blocks;
	c.block = at;
	return c;
}

/* Inactive pages go first, and among them the least accessed. */
static double coldness_of(const struct block *b)
{
	const double active = b->active >= 0.0f ? (double)b->active : 0.5;

	if (b->tier[TIER_FAST] <= 1e-4f)
		return -1.0;
	return (2.0 - active) / (1.0 + (double)b->rate_hz);
}

static struct candidate coldest(struct reclaim *r, struct tenant *tenants, size_t nr)
{
	struct candidate best = { .coldness = -1.0 };

	for (int i = 0; i < CANDIDATES; i++) {
		struct candidate c = random_block(r, tenants, nr);

		c.coldness = coldness_of(&c.tenant->memory.blocks[c.block]);
		if (c.coldness > best.coldness)
			best = c;
	}
	return best;
}

/* Reclaim about @wanted pages of one block; what the pool still occupies is not gained. */
static double reclaim_block(struct reclaim *r, const struct candidate *c, double wanted,
			    uint64_t now_us)
{
	struct memory *m = &c->tenant->memory;
	const struct block *b = &m->blocks[c->block];
	const double share = fmin(wanted / ((double)b->tier[TIER_FAST] * m->pages_per_block), 1.0);
	const double free_before = machine_free_pages(m->machine);
	double elapsed_us = 0.0, pages = 0.0;

	if (m->machine->profile[PROFILE_NUMA_DEMOTION] >= 0.5)
		pages = action_migrate(m, c->block, share, TIER_SLOW, now_us, &elapsed_us);
	if (pages <= 0.0) {
		pages = action_page_out(m, c->block, share, now_us);
		elapsed_us += pages * m->machine->profile[PROFILE_PAGE_OUT_US];
	}
	r->cpu_us += elapsed_us;
	r->pages_reclaimed += pages;
	return machine_free_pages(m->machine) - free_before;
}

static void kill_biggest(struct reclaim *r, struct tenant *tenants, size_t nr, uint64_t now_us)
{
	struct tenant *biggest = tenants;

	for (size_t t = 1; t < nr; t++)
		if (memory_resident(&tenants[t].memory) > memory_resident(&biggest->memory))
			biggest = &tenants[t];
	tenant_restart(biggest, now_us);
	biggest->memory.stall_us += RESTART_S * 1e6 * biggest->workload.busy_threads;
	biggest->oom_kills++;
	r->oom_kills++;
}

/* Who allocates waits for direct reclaim: it is spread over the tenants as they are busy. */
static void stall_for_reclaim(struct tenant *tenants, size_t nr, double us)
{
	double busy = 1e-9;

	for (size_t t = 0; t < nr; t++)
		busy += tenants[t].workload.busy_threads;
	for (size_t t = 0; t < nr; t++)
		tenants[t].memory.stall_us += us * tenants[t].workload.busy_threads / busy;
}

void reclaim_balance(struct reclaim *r, struct tenant *tenants, size_t nr, uint64_t now_us)
{
	const struct machine *machine = tenants->memory.machine;
	const double low = machine_low_wmark_pages(machine), cpu_before_us = r->cpu_us;
	const double free_at_first = machine_free_pages(machine);
	int misses = 0;

	if (free_at_first >= low)
		return;
	while (machine_free_pages(machine) < 2.0 * low && misses < MISSES_MAX) {
		struct candidate c = coldest(r, tenants, nr);
		double wanted = 2.0 * low - machine_free_pages(machine);

		if (c.coldness <= 0.0 || reclaim_block(r, &c, wanted + 1.0, now_us) < 1e-3)
			misses++;
		else
			misses = 0;
	}
	if (free_at_first < low * DIRECT_PART)
		stall_for_reclaim(tenants, nr, r->cpu_us - cpu_before_us);
	if (machine_free_pages(machine) <= 0.0)
		kill_biggest(r, tenants, nr, now_us);
}

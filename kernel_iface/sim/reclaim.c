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
/* A block of which less than this part could be reclaimed counts as a miss. */
#define MISS_PART 0.01

struct candidate {
	struct tenant *tenant;
	size_t block;
	double coldness;
};

static size_t blocks_of_tenants(const struct tenant *tenants, size_t nr)
{
	size_t blocks = 0;

	for (size_t t = 0; t < nr; t++)
		blocks += tenants[t].memory.nr_blocks;
	return blocks;
}

static struct candidate random_block(struct reclaim *r, struct tenant *tenants, size_t nr)
{
	uint64_t at = rng_below(&r->rng, blocks_of_tenants(tenants, nr));
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

/*
 * Reclaim up to @wanted pages of one block, and tell whether that was worth it: what the pool
 * still occupies is not gained.
 */
static bool reclaim_block(struct reclaim *r, const struct candidate *c, double wanted,
			  uint64_t now_us)
{
	struct memory *m = &c->tenant->memory;
	const double there = (double)m->blocks[c->block].tier[TIER_FAST] * m->pages_per_block;
	const double share = fmin(wanted / there, 1.0);
	const double used_before = machine_used_pages(m->machine);
	double elapsed_us = 0.0, pages = 0.0;

	if (m->machine->profile[PROFILE_NUMA_DEMOTION] >= 0.5)
		pages = action_migrate(m, c->block, share, TIER_SLOW, now_us, &elapsed_us);
	if (pages <= 0.0)
		pages = action_page_out(m, c->block, share, now_us, &elapsed_us);
	r->cpu_us += elapsed_us;
	r->pages_reclaimed += pages;
	return used_before - machine_used_pages(m->machine) >= MISS_PART * share * there;
}

/* False when all are dead already. */
static bool kill_biggest(struct reclaim *r, struct tenant *tenants, size_t nr, uint64_t now_us)
{
	struct tenant *biggest = NULL;

	for (size_t t = 0; t < nr; t++)
		if (!tenants[t].down_until_us &&
		    (!biggest ||
		     memory_resident(&tenants[t].memory) > memory_resident(&biggest->memory)))
			biggest = &tenants[t];
	if (!biggest)
		return false;
	tenant_kill(biggest, now_us);
	r->oom_kills++;
	return true;
}

/* Who allocates waits for direct reclaim: it is spread over the tenants as they are busy. */
static void stall_for_reclaim(struct tenant *tenants, size_t nr, double us)
{
	const double busy = tenants_busy_threads(tenants, nr) + 1e-9;

	for (size_t t = 0; t < nr; t++)
		tenants[t].memory.stall_us += us * tenants[t].workload.busy_threads / busy;
}

/* Fewer pages than none are free after faults that nobody could make wait. */
static double free_pages(const struct machine *m)
{
	return machine_online_pages(m, TIER_FAST) - machine_used_pages(m);
}

static void reclaim_until(struct reclaim *r, struct tenant *tenants, size_t nr, double high,
			  uint64_t now_us)
{
	const struct machine *machine = tenants->memory.machine;

	for (int misses = 0; misses < MISSES_MAX;) {
		const double wanted = high - free_pages(machine);
		struct candidate c;

		if (wanted <= 0.0)
			return;
		c = coldest(r, tenants, nr);
		if (c.coldness > 0.0 && reclaim_block(r, &c, wanted + 1.0, now_us))
			misses = 0;
		else
			misses++;
	}
}

void reclaim_balance(struct reclaim *r, struct tenant *tenants, size_t nr, uint64_t now_us)
{
	const struct machine *machine = tenants->memory.machine;
	const double low = machine_low_wmark_pages(machine), cpu_before_us = r->cpu_us;
	const double free_at_first = free_pages(machine);

	if (free_at_first >= low)
		return;
	reclaim_until(r, tenants, nr, 2.0 * low, now_us);
	if (free_at_first < low * DIRECT_PART)
		stall_for_reclaim(tenants, nr, r->cpu_us - cpu_before_us);
	while (free_pages(machine) < -0.5 && kill_biggest(r, tenants, nr, now_us))
		;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "verify_memory.h"

#include <math.h>
#include <stdbool.h>

#include "world.h"

/* Shares are in single precision, and rounded whenever pages move. */
#define SHARE_ERROR 1e-4
/* Sums are brought up to date by differences. */
#define SUM_ERROR 1e-6

/* False for what is no number, too. */
static bool is_share(double x)
{
	return x >= 0.0 && x <= 1.0 + SHARE_ERROR;
}

static bool is_near(double sum, double truth, double scale)
{
	return fabs(sum - truth) <= SUM_ERROR * scale + 1e-3;
}

static const char *broken_block(const struct block *b)
{
	double held = 0.0;

	if (!is_share((double)b->touched) || !is_share((double)b->huge))
		return "a block is touched, and in huge pages, by a share of 0 to 1";
	for (size_t t = 0; t < NR_TIERS; t++) {
		if (!is_share((double)b->tier[t]))
			return "what a block has in a tier is a share of 0 to 1";
		held += (double)b->tier[t];
	}
	if (fabs(held - (double)b->touched -
		 (double)b->huge * (1.0 - (double)b->touched)) > SHARE_ERROR)
		return "what a block has in all tiers is what was touched and what bloats it";
	if ((double)b->huge > block_resident(b) + SHARE_ERROR)
		return "huge pages are resident";
	if (b->is_file ? b->tier[TIER_POOL] > 0.0f || b->tier[TIER_SWAP] > 0.0f || b->huge > 0.0f :
			 b->tier[TIER_STORAGE] > 0.0f)
		return "pages of files go to storage, others to the pool and to swap";
	if (!(b->rate_hz >= 0.0f) || !isfinite(b->rate_hz) || !(b->active <= 1.0f))
		return "rates and lists are what they can be";
	return NULL;
}

const char *memory_broken_invariant(const struct memory *m)
{
	double touched = 0.0, huge = 0.0, tier[NR_TIERS] = { 0.0 }, all;
	const char *broken = NULL;

	for (size_t i = 0; !broken && i < m->nr_blocks; i++) {
		const struct block *b = &m->blocks[i];

		broken = broken_block(b);
		if (!broken && block_out(b) * (double)b->rate_hz > 0.0 &&
		    !(m->group_return_hz[i / MEMORY_GROUP] > 0.0))
			broken = "a group of blocks knows that something comes back";
		touched += (double)b->touched * m->pages_per_block;
		huge += (double)b->huge * m->pages_per_block;
		for (size_t t = 0; t < NR_TIERS; t++)
			tier[t] += (double)b->tier[t] * m->pages_per_block;
	}
	all = (double)m->nr_blocks * m->pages_per_block;
	if (!broken && (!is_near(m->touched, touched, all) || !is_near(m->huge, huge, all)))
		broken = "a tenant's touched and huge pages are those of its blocks";
	for (size_t t = 0; !broken && t < NR_TIERS; t++)
		if (!is_near(m->tier[t], tier[t], all))
			broken = "a tenant's pages in a tier are those of its blocks";
	if (!broken && !(m->faults >= 0.0 && m->stall_us >= 0.0 && isfinite(m->stall_us)))
		broken = "faults and stalls are counted up";
	return broken;
}

static const char *broken_machine(const struct world *w)
{
	const struct machine *m = &w->machine;

	for (size_t t = 0; t < NR_TIERS; t++) {
		double pages = 0.0;

		for (size_t i = 0; i < w->nr_tenants; i++)
			pages += w->tenants[i].memory.tier[t];
		if (!is_near(m->pages[t], pages, pages))
			return "a machine's pages in a tier are those of its tenants";
		if (t != TIER_FAST && m->pages[t] > m->pages_max[t] * (1.0 + SUM_ERROR) + 1.0)
			return "no tier holds more than it has room for";
	}
	if (!(m->power.energy_j >= 0.0) || !isfinite(m->power.energy_j))
		return "energy is counted up";
	if (m->power.nr_offline > m->power.nr_movable)
		return "only movable memory blocks are offline";
	return NULL;
}

const char *world_overfull(const struct world *w)
{
	const struct machine *m = &w->machine;
	const double online = machine_online_pages(m, TIER_FAST);

	if (machine_used_pages(m) > online * (1.0 + SUM_ERROR) + 1.0)
		return "fast memory is not overfull once reclaim ran";
	return NULL;
}

const char *world_broken_invariant(const struct world *w)
{
	const char *broken = broken_machine(w);

	for (size_t t = 0; !broken && t < w->nr_tenants; t++)
		broken = memory_broken_invariant(&w->tenants[t].memory);
	return broken;
}

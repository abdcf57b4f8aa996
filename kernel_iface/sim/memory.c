/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Below this share of a block nothing is worth following. */
#define NEGLIGIBLE_SHARE 1e-7
#define BYTES_PER_HUGE_PAGE (PAGES_PER_HUGE_PAGE * DT_PAGE_BYTES)

bool memory_init(struct memory *m, struct machine *machine, size_t nr_blocks,
		 uint64_t block_bytes, uint64_t sample_us)
{
	memory_destroy(m);
	m->machine = machine;
	m->nr_blocks = nr_blocks;
	m->pages_per_block = (double)block_bytes / DT_PAGE_BYTES;
	m->blocks_per_byte = 1.0 / (double)block_bytes;
	m->blocks_per_huge_page = (size_t)fmax(BYTES_PER_HUGE_PAGE / (double)block_bytes, 1.0);
	m->sample_s = (double)sample_us * 1e-6;
	m->blocks = calloc(nr_blocks, sizeof(*m->blocks));
	m->nr_groups = (nr_blocks + MEMORY_GROUP - 1) / MEMORY_GROUP;
	m->group_return_hz = calloc(m->nr_groups, sizeof(*m->group_return_hz));
	m->group_settled_us = calloc(m->nr_groups, sizeof(*m->group_settled_us));
	if (!m->blocks || !m->group_return_hz || !m->group_settled_us) {
		memory_destroy(m);
		return false;
	}
	for (size_t i = 0; i < nr_blocks; i++)
		m->blocks[i].active = -1.0f;
	return true;
}

void memory_destroy(struct memory *m)
{
	for (size_t t = 0; m->machine && t < NR_TIERS; t++)
		m->machine->pages[t] -= m->tier[t];
	free(m->blocks);
	free(m->group_return_hz);
	free(m->group_settled_us);
	memset(m, 0, sizeof(*m));
}

/* Account the time since the last change of the totals to the tiers. */
static void integrate(struct memory *m, uint64_t now_us)
{
	const double dt_us = (double)(now_us - m->integrated_us);

	if (now_us == m->integrated_us)
		return;
	m->touched_page_us += m->touched * dt_us;
	m->huge_page_us += m->huge * dt_us;
	for (size_t t = 0; t < NR_TIERS; t++)
		m->tier_page_us[t] += m->tier[t] * dt_us;
	m->integrated_us = now_us;
}

/* ---- sums over blocks ---- */

/* Accesses a second to each share of the block's pages, wherever it is. */
static double block_hz(const struct memory *m, const struct block *b)
{
	const double pages = (double)b->touched + (double)b->huge * (1.0 - (double)b->touched);

	return pages > 0.0 ? (double)b->rate_hz * (double)b->touched * m->pages_per_block / pages :
			     0.0;
}

static void weigh(struct memory *m, const struct block *b, double sign)
{
	const double hz = sign * (double)b->rate_hz * (double)b->touched * m->pages_per_block;

	m->touched += sign * (double)b->touched * m->pages_per_block;
	m->huge += sign * (double)b->huge * m->pages_per_block;
	m->access_hz += hz;
	m->huge_hz += hz * (double)b->huge;
	if (b->tier[TIER_SLOW] > 0.0f)
		m->slow_hz += sign * block_hz(m, b) * (double)b->tier[TIER_SLOW];
}

/* Accesses a second to the huge page that maps @block, or to one of those that do. */
static double huge_page_hz(const struct memory *m, size_t block)
{
	const size_t nr = m->blocks_per_huge_page, first = block / nr * nr;
	double hz = 0.0;

	for (size_t i = first; i < first + nr && i < m->nr_blocks; i++)
		hz += (double)m->blocks[i].rate_hz * (double)m->blocks[i].touched;
	return hz * PAGES_PER_HUGE_PAGE / (double)nr;
}

/* One accessed bit stands for a whole huge page: it is seen hot though few of its pages are. */
double memory_seen(const struct memory *m, size_t block, double sample_s)
{
	const struct block *b = &m->blocks[block];
	double seen = 0.0;

	if (b->huge < 1.0f)
		seen = (double)b->touched * (1.0 - (double)b->huge) *
		       -expm1(-(double)b->rate_hz * sample_s);
	if (b->huge > 0.0f)
		seen += (double)b->huge * -expm1(-huge_page_hz(m, block) * sample_s);
	return seen;
}

/* The blocks of one huge page share its accessed bit. */
static void tell_seen(struct memory *m, size_t block)
{
	const size_t nr = m->huge > 0.0 ? m->blocks_per_huge_page : 1, first = block / nr * nr;

	for (size_t i = first; i < first + nr && i < m->nr_blocks; i++)
		m->moved(m->moved_data, m, i, true);
}

static void tell_moved(struct memory *m, size_t block)
{
	const struct block *b = &m->blocks[block];

	if (!m->moved)
		return;
	if (b->rate_hz != m->opened.rate_hz || b->touched != m->opened.touched ||
	    b->huge != m->opened.huge)
		tell_seen(m, block);
	else
		m->moved(m->moved_data, m, block, false);
}

/* ---- pages that move ---- */

static void add_pages(struct memory *m, struct block *b, enum tier tier, double share)
{
	const double before = (double)b->tier[tier], after = before + share;
	double pages;

	b->tier[tier] = after > 0.0 ? (float)after : 0.0f;
	/* what the block took in single precision, so that blocks and totals stay together */
	pages = ((double)b->tier[tier] - before) * m->pages_per_block;
	m->tier[tier] += pages;
	m->machine->pages[tier] += pages;
}

void memory_move(struct memory *m, struct block *b, enum tier from, enum tier to, double share)
{
	if (share >= (double)b->tier[from] - NEGLIGIBLE_SHARE)
		share = (double)b->tier[from];
	add_pages(m, b, from, -share);
	add_pages(m, b, to, share);
}

void memory_drop(struct memory *m, struct block *b, enum tier tier, double share)
{
	if (share >= (double)b->tier[tier] - NEGLIGIBLE_SHARE)
		share = (double)b->tier[tier];
	add_pages(m, b, tier, -share);
}

/* Where the kernel would take @pages from: fast memory, then slow, then fast again by reclaim. */
static enum tier allocation_tier(const struct memory *m, double pages)
{
	if (m->machine->pages_max[TIER_SLOW] > 0.0 &&
	    machine_room_pages(m->machine, TIER_FAST) < pages &&
	    machine_room_pages(m->machine, TIER_SLOW) >= pages)
		return TIER_SLOW;
	return TIER_FAST;
}

void memory_allocate(struct memory *m, struct block *b, double share)
{
	add_pages(m, b, allocation_tier(m, share * m->pages_per_block), share);
}

/* ---- faults ---- */

/* @back of what was in @tier came back, on average @back_for_us ago. */
static void return_pages(struct memory *m, struct block *b, enum tier tier, double back,
			 double back_for_us)
{
	const double share = (double)b->tier[tier] * back, pages = share * m->pages_per_block;
	enum tier to;

	if (share <= 0.0)
		return;
	to = allocation_tier(m, pages);
	m->tier_page_us[tier] -= (double)b->tier[tier] * back_for_us;
	m->tier_page_us[to] += (double)b->tier[tier] * back_for_us;
	memory_move(m, b, tier, to, share);
	if (to == TIER_SLOW)
		m->slow_hz += block_hz(m, b) * share;
	m->faults += pages;
	if (tier == TIER_POOL || tier == TIER_SWAP)
		m->swap_ins += pages;
	m->stall_us += pages * machine_fault_us(m->machine, tier);
}

/* Integrated until @now_us is assumed; what was out is counted as out until then. */
static bool settle_block(struct memory *m, struct block *b, uint64_t now_us)
{
	const uint64_t dt_us = now_us - b->settled_us;
	const double out = block_out(b);
	double back, back_for_us;

	b->settled_us = now_us;
	if (!dt_us || b->rate_hz <= 0.0f || out <= 0.0)
		return false;
	back = dt_us == MEMORY_TICK_US ? (double)b->tick_return :
					 -expm1(-(double)b->rate_hz * (double)dt_us * 1e-6);
	/* averaged over the pages that were out; the second is a bound, for rates near 0 */
	back_for_us = fmin((double)dt_us - back * 1e6 / (double)b->rate_hz, back * (double)dt_us) *
		      m->pages_per_block;
	if (out * (1.0 - back) < NEGLIGIBLE_SHARE)
		back = 1.0;
	for (enum tier t = TIER_POOL; t < NR_TIERS; t++)
		return_pages(m, b, t, back, back_for_us);
	/* wherever an action put them on the lists, they were accessed since */
	b->active = -1.0f;
	return true;
}

static void settle_group(struct memory *m, size_t group, uint64_t now_us)
{
	const size_t first = group * MEMORY_GROUP;
	double return_hz = 0.0;

	for (size_t i = first; i < first + MEMORY_GROUP && i < m->nr_blocks; i++) {
		struct block *b = &m->blocks[i];

		/* a return changes only the slow sum, and does that itself: no bracket */
		if (settle_block(m, b, now_us) && m->moved)
			m->moved(m->moved_data, m, i, false);
		return_hz += block_out(b) * (double)b->rate_hz;
	}
	m->group_return_hz[group] = return_hz * m->pages_per_block;
	m->group_settled_us[group] = now_us;
}

void memory_settle(struct memory *m, uint64_t now_us)
{
	integrate(m, now_us);
	for (size_t g = 0; g < m->nr_groups; g++)
		if (m->group_return_hz[g] * (double)(now_us - m->group_settled_us[g]) >= 1e6)
			settle_group(m, g, now_us);
}

/* ---- changes ---- */

struct block *memory_settled(struct memory *m, size_t block, uint64_t now_us)
{
	struct block *b = &m->blocks[block];

	integrate(m, now_us);
	settle_block(m, b, now_us);
	return b;
}

struct block *memory_open(struct memory *m, size_t block, uint64_t now_us)
{
	struct block *b = memory_settled(m, block, now_us);

	weigh(m, b, -1.0);
	m->opened.rate_hz = b->rate_hz;
	m->opened.touched = b->touched;
	m->opened.huge = b->huge;
	return b;
}

static void mark_out(struct memory *m, size_t block)
{
	if (block_out(&m->blocks[block]) > 0.0)
		m->group_return_hz[block / MEMORY_GROUP] = HUGE_VAL;
}

void memory_close(struct memory *m, size_t block)
{
	weigh(m, &m->blocks[block], 1.0);
	mark_out(m, block);
	tell_moved(m, block);
}

void memory_placed(struct memory *m, size_t block)
{
	mark_out(m, block);
	if (m->moved)
		m->moved(m->moved_data, m, block, false);
}

void memory_set_rate(struct memory *m, size_t block, double rate_hz, uint64_t load_us)
{
	struct block *b = &m->blocks[block];

	if (b->rate_hz == (float)rate_hz)
		return;
	memory_open(m, block, m->origin_us + load_us);
	b->rate_hz = (float)rate_hz;
	b->tick_return = (float)-expm1(-rate_hz * (double)MEMORY_TICK_US * 1e-6);
	memory_close(m, block);
}

void memory_set_file(struct memory *m, size_t block, bool is_file)
{
	m->blocks[block].is_file = is_file;
}

static void free_block(struct memory *m, struct block *b)
{
	for (enum tier t = TIER_FAST; t < NR_TIERS; t++)
		add_pages(m, b, t, -(double)b->tier[t]);
	b->touched = b->huge = 0.0f;
	b->active = -1.0f;
	b->cleared_us = 0;
}

/* Whether a first touch of this block is served by huge pages. */
static bool faults_huge(const struct memory *m, const struct block *b)
{
	const enum thp_mode mode = (enum thp_mode)m->machine->profile[PROFILE_THP_MODE];

	if (b->is_file || b->touched > 0.0f || b->advice == THP_ADVISED_AGAINST)
		return false;
	if (mode == THP_NEVER || (mode == THP_MADVISE && b->advice != THP_ADVISED))
		return false;
	return machine_room_pages(m->machine, TIER_FAST) >= m->pages_per_block;
}

static void touch_more(struct memory *m, struct block *b, double share)
{
	const double *profile = m->machine->profile;
	double more = (share - (double)b->touched) * (1.0 - (double)b->huge);

	if (faults_huge(m, b)) {
		b->huge = 1.0f;
		more = 1.0;
		m->first_touch_us += m->pages_per_block / PAGES_PER_HUGE_PAGE *
				     profile[PROFILE_HUGE_FAULT_US];
	} else {
		m->first_touch_us += more * m->pages_per_block * profile[PROFILE_FAULT_US];
	}
	b->touched = (float)share;
	memory_allocate(m, b, more);
}

/* Part of a block is freed: what huge pages hold stays with them. */
static void touch_less(struct memory *m, struct block *b, double share)
{
	const double gone = 1.0 - share / (double)b->touched, resident = block_resident(b);
	const double base = resident > 0.0 ? fmax(1.0 - (double)b->huge / resident, 0.0) : 0.0;

	for (enum tier t = TIER_FAST; t < NR_TIERS; t++)
		memory_drop(m, b, t,
			    (double)b->tier[t] * gone * (tier_is_resident(t) ? base : 1.0));
	b->touched = (float)share;
}

void memory_set_touched(struct memory *m, size_t block, double share, uint64_t load_us)
{
	struct block *b = memory_open(m, block, m->origin_us + load_us);

	if (share <= 0.0)
		free_block(m, b);
	else if (share < (double)b->touched)
		touch_less(m, b, share);
	else
		touch_more(m, b, share);
	memory_close(m, block);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Below this share of a block nothing is worth following. */
#define NEGLIGIBLE_SHARE 1e-7

bool memory_init(struct memory *m, size_t nr_blocks, uint64_t block_bytes,
		 uint64_t sample_us, const struct memory_costs *costs)
{
	memory_destroy(m);
	m->costs = *costs;
	m->nr_blocks = nr_blocks;
	m->nr_groups = (nr_blocks + BLOCKS_PER_GROUP - 1) / BLOCKS_PER_GROUP;
	m->pages_per_block = (double)block_bytes / DT_PAGE_BYTES;
	m->blocks_per_byte = 1.0 / (double)block_bytes;
	m->sample_s = (double)sample_us * 1e-6;
	m->blocks = calloc(nr_blocks, sizeof(*m->blocks));
	m->prefix = calloc(nr_blocks, sizeof(*m->prefix));
	m->group_prefix = calloc(m->nr_groups + 1, sizeof(*m->group_prefix));
	m->group_dirty = calloc(m->nr_groups, sizeof(*m->group_dirty));
	m->group_out = calloc(m->nr_groups, sizeof(*m->group_out));
	if (m->blocks && m->prefix && m->group_prefix && m->group_dirty && m->group_out)
		return true;
	memory_destroy(m);
	return false;
}

void memory_destroy(struct memory *m)
{
	free(m->blocks);
	free(m->prefix);
	free(m->group_prefix);
	free(m->group_dirty);
	free(m->group_out);
	memset(m, 0, sizeof(*m));
}

/* Account the time since the last change of the totals to the tiers. */
static void integrate(struct memory *m, uint64_t now_us)
{
	double dt_us = (double)(now_us - m->integrated_us);

	if (now_us == m->integrated_us)
		return;
	m->touched_page_us += m->touched * dt_us;
	m->resident_page_us += memory_resident(m) * dt_us;
	m->compressed_page_us += m->compressed * dt_us;
	m->swapped_page_us += m->swapped * dt_us;
	m->integrated_us = now_us;
}

/* Integrated until @now_us is assumed; what was out is counted as out until then. */
static void settle_block(struct memory *m, struct block *b, uint64_t now_us)
{
	uint64_t dt_us = now_us - b->settled_us;
	double back, back_for_us, compressed, swapped;

	b->settled_us = now_us;
	if (!dt_us || b->rate_hz <= 0.0f || b->compressed + b->swapped <= 0.0f)
		return;
	back = dt_us == MEMORY_TICK_US ? (double)b->tick_return :
					 -expm1(-(double)b->rate_hz * (double)dt_us * 1e-6);
	/* averaged over the pages that were out; the second is a bound, for rates near 0 */
	back_for_us = fmin((double)dt_us - back * 1e6 / (double)b->rate_hz, back * (double)dt_us) *
		      m->pages_per_block;
	m->compressed_page_us -= (double)b->compressed * back_for_us;
	m->swapped_page_us -= (double)b->swapped * back_for_us;
	m->resident_page_us += (double)(b->compressed + b->swapped) * back_for_us;
	if ((double)(b->compressed + b->swapped) * (1.0 - back) < NEGLIGIBLE_SHARE)
		back = 1.0;
	compressed = (double)b->compressed * back;
	swapped = (double)b->swapped * back;
	b->compressed = (float)((double)b->compressed - compressed);
	b->swapped = (float)((double)b->swapped - swapped);
	compressed *= m->pages_per_block;
	swapped *= m->pages_per_block;
	m->compressed -= compressed;
	m->swapped -= swapped;
	m->faults += compressed + swapped;
	m->stall_us += compressed * m->costs.compressed_in_us + swapped * m->costs.swap_in_us;
}

static void mark_dirty(struct memory *m, size_t block)
{
	m->group_dirty[block / BLOCKS_PER_GROUP] = true;
	m->any_dirty = true;
}

static void update_probability(struct memory *m, struct block *b)
{
	b->access_probability =
		(float)((double)b->touched * -expm1(-(double)b->rate_hz * m->sample_s));
}

void memory_set_rate(struct memory *m, size_t block, double rate_hz, uint64_t now_us)
{
	struct block *b = &m->blocks[block];

	if (b->rate_hz == (float)rate_hz)
		return;
	integrate(m, now_us);
	settle_block(m, b, now_us);
	b->rate_hz = (float)rate_hz;
	b->tick_return = (float)-expm1(-rate_hz * (double)MEMORY_TICK_US * 1e-6);
	update_probability(m, b);
	mark_dirty(m, block);
}

/* Freed pages are freed wherever they are. */
static void free_share(struct memory *m, struct block *b, double share)
{
	const double kept = 1.0 - share;

	m->compressed -= (double)b->compressed * share * m->pages_per_block;
	m->swapped -= (double)b->swapped * share * m->pages_per_block;
	b->compressed = (float)((double)b->compressed * kept);
	b->swapped = (float)((double)b->swapped * kept);
}

void memory_set_touched(struct memory *m, size_t block, double share, uint64_t now_us)
{
	struct block *b = &m->blocks[block];

	integrate(m, now_us);
	settle_block(m, b, now_us);
	if (share < (double)b->touched)
		free_share(m, b, 1.0 - share / (double)b->touched);
	m->touched += (share - (double)b->touched) * m->pages_per_block;
	b->touched = (float)share;
	update_probability(m, b);
	mark_dirty(m, block);
}

void memory_update_sums(struct memory *m)
{
	if (!m->any_dirty)
		return;
	for (size_t g = 0; g < m->nr_groups; g++) {
		size_t first = g * BLOCKS_PER_GROUP, last = first + BLOCKS_PER_GROUP;
		double sum = 0.0;

		if (last > m->nr_blocks)
			last = m->nr_blocks;
		if (m->group_dirty[g]) {
			for (size_t i = first; i < last; i++) {
				m->prefix[i] = sum;
				sum += (double)m->blocks[i].access_probability;
			}
			m->group_dirty[g] = false;
		} else {
			sum = m->prefix[last - 1] + (double)m->blocks[last - 1].access_probability;
		}
		m->group_prefix[g + 1] = m->group_prefix[g] + sum;
	}
	m->any_dirty = false;
}

void memory_settle(struct memory *m, uint64_t now_us)
{
	double compressed = 0.0, swapped = 0.0;

	integrate(m, now_us);
	for (size_t g = 0; g < m->nr_groups; g++) {
		size_t first = g * BLOCKS_PER_GROUP, last = first + BLOCKS_PER_GROUP;
		double group_compressed = 0.0, group_swapped = 0.0;

		if (!m->group_out[g])
			continue;
		if (last > m->nr_blocks)
			last = m->nr_blocks;
		for (size_t i = first; i < last; i++) {
			settle_block(m, &m->blocks[i], now_us);
			group_compressed += (double)m->blocks[i].compressed;
			group_swapped += (double)m->blocks[i].swapped;
		}
		m->group_out[g] = group_compressed + group_swapped > 0.0;
		compressed += group_compressed;
		swapped += group_swapped;
	}
	/* The running totals collect rounding errors; the blocks are the truth. */
	m->compressed = compressed * m->pages_per_block;
	m->swapped = swapped * m->pages_per_block;
}

/* Move up to @pages into a tier that holds @used of @max pages; returns what fitted. */
static double fit(double pages, double used, double max)
{
	double room = max - used;

	return room <= 0.0 ? 0.0 : pages < room ? pages : room;
}

static double page_out_block(struct memory *m, struct block *b, double share, uint64_t now_us)
{
	double resident, compressed, swapped;

	settle_block(m, b, now_us);
	resident = (double)(b->touched - b->compressed - b->swapped) * share;
	if (resident < NEGLIGIBLE_SHARE)
		return 0.0;
	resident *= m->pages_per_block;
	compressed = fit(resident * (1.0 - m->costs.incompressible_share), m->compressed,
			 m->costs.pool_pages_max);
	swapped = fit(resident - compressed, m->swapped, m->costs.swap_pages_max);
	b->compressed += (float)(compressed / m->pages_per_block);
	b->swapped += (float)(swapped / m->pages_per_block);
	m->compressed += compressed;
	m->swapped += swapped;
	m->pages_out += compressed + swapped;
	return compressed + swapped;
}

double memory_page_out(struct memory *m, double first, double last, uint64_t now_us)
{
	double out = 0.0, walked = (last - first) * m->pages_per_block;
	size_t end = (size_t)ceil(last);

	integrate(m, now_us);
	for (size_t i = (size_t)first; i < end && i < m->nr_blocks; i++) {
		double lo = first > (double)i ? first : (double)i;
		double hi = last < (double)(i + 1) ? last : (double)(i + 1);

		out += page_out_block(m, &m->blocks[i], hi - lo, now_us);
		m->group_out[i / BLOCKS_PER_GROUP] = true;
	}
	return out * m->costs.page_out_us + walked * m->costs.page_walk_us;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one tenant in blocks: how often each block's pages are accessed, and which share of
 * them is resident, compressed or swapped.
 *
 * Shares are of a block's pages; pages inside a block are taken as alike.  A block is settled
 * lazily: between two events its pages come back by faults at the rate of their accesses, which
 * integrates to an exponential.
 */
#ifndef DT_MEMORY_H
#define DT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DT_PAGE_BYTES 4096.0
#define BLOCKS_PER_GROUP 64
#define MEMORY_TICK_US 1000000ULL

/* What a page-out and a fault cost on this host, and where pages can go. */
struct memory_costs {
	double compressed_in_us;
	double swap_in_us;
	double page_out_us;
	double page_walk_us;
	double compression_ratio;
	double incompressible_share;
	double pool_pages_max;
	double swap_pages_max;
};

struct block {
	float rate_hz;
	float access_probability;
	float touched;
	float compressed;
	float swapped;
	float tick_return;
	uint64_t settled_us;
};

struct memory {
	struct memory_costs costs;
	struct block *blocks;
	/* sums of access probability over the blocks before each, in its group */
	double *prefix;
	double *group_prefix;
	bool *group_dirty;
	bool *group_out;
	size_t nr_blocks;
	size_t nr_groups;
	double pages_per_block;
	double blocks_per_byte;
	double sample_s;
	bool any_dirty;

	/* now, in pages */
	double touched;
	double compressed;
	double swapped;

	/* since reset */
	double faults;
	double stall_us;
	double pages_out;
	uint64_t integrated_us;
	double touched_page_us;
	double resident_page_us;
	double compressed_page_us;
	double swapped_page_us;
};

bool memory_init(struct memory *m, size_t nr_blocks, uint64_t block_bytes,
		 uint64_t sample_us, const struct memory_costs *costs);
void memory_destroy(struct memory *m);

void memory_set_rate(struct memory *m, size_t block, double rate_hz, uint64_t now_us);
void memory_set_touched(struct memory *m, size_t block, double share, uint64_t now_us);
/* Bring the prefix sums up to date after rates or touched shares have changed. */
void memory_update_sums(struct memory *m);
/* Let every page that was accessed until @now_us come back. */
void memory_settle(struct memory *m, uint64_t now_us);
/*
 * Page out the blocks from @first to @last, both fractional block numbers.  Returns the CPU
 * time that it took, in microseconds.
 */
double memory_page_out(struct memory *m, double first, double last, uint64_t now_us);

static inline double memory_resident(const struct memory *m)
{
	return m->touched - m->compressed - m->swapped;
}

/* Sum of access probabilities over the blocks before the fractional block number @x. */
static inline double memory_probability_before(const struct memory *m, double x)
{
	size_t block = (size_t)x;

	if (block >= m->nr_blocks)
		return m->group_prefix[m->nr_groups];
	return m->group_prefix[block / BLOCKS_PER_GROUP] + m->prefix[block] +
	       (x - (double)block) * (double)m->blocks[block].access_probability;
}

#endif

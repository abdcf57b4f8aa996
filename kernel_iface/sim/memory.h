/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one tenant in blocks: how often each block's pages are accessed, and which share of
 * them is in which tier.
 *
 * Pages inside a block are taken as alike.  A block is settled lazily: between two events its
 * pages come back by faults at the rate of their accesses, which integrates to an exponential.
 */
#ifndef DT_MEMORY_H
#define DT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

#define MEMORY_GROUP 64
#define MEMORY_TICK_US 1000000ULL

enum thp_advice { THP_NO_ADVICE, THP_ADVISED, THP_ADVISED_AGAINST };

/* @tier holds shares of the block's pages; they sum up to what is touched and what is bloat. */
struct block {
	float rate_hz;
	/* share that was ever touched; of the rest only huge pages hold any, the bloat */
	float touched;
	float tier[NR_TIERS];
	/* share of the block's addresses that huge pages map */
	float huge;
	float tick_return;
	/* on the active list; negative: as its accesses have it */
	float active;
	uint8_t advice;
	bool is_file;
	uint64_t settled_us;
	/* when the accessed bits were last cleared by a filter; 0: never */
	uint64_t cleared_us;
};

/* Where the last action on a unit of memory stopped: what lies before was acted on. */
struct walked {
	size_t unit;
	double share;
	uint64_t us;
};

struct memory {
	struct machine *machine;
	struct block *blocks;
	/*
	 * By group of blocks: pages that come back a second, and since when none were looked for.
	 * What returns less than a page is settled later, at no loss but that of time.
	 */
	double *group_return_hz;
	uint64_t *group_settled_us;
	size_t nr_blocks;
	size_t nr_groups;
	double pages_per_block;
	double blocks_per_byte;
	/* blocks that one huge page covers: 1 unless blocks are smaller */
	size_t blocks_per_huge_page;
	/* how DAMON samples, for loads whose blocks are a mixture */
	double sample_s;
	/* when the load's own clock stood at 0 */
	uint64_t origin_us;

	/* now, in pages */
	double touched;
	double tier[NR_TIERS];
	double huge;
	/* accesses a second: all, to the slow tier, to huge pages */
	double access_hz;
	double slow_hz;
	double huge_hz;

	/* since reset */
	double faults;
	double swap_ins;
	double stall_us;
	/* what touching pages for the first time took */
	double first_touch_us;
	double pages_out;
	double pages_promoted;
	double pages_demoted;
	uint64_t integrated_us;
	double touched_page_us;
	double huge_page_us;
	double tier_page_us[NR_TIERS];

	/* by block */
	struct walked walked;

	/* told whenever pages of a block moved, or also what is seen of it; may be NULL */
	void (*moved)(void *data, struct memory *memory, size_t block, bool seen);
	void *moved_data;
	/* the block that is being changed, as it was */
	struct {
		float rate_hz;
		float touched;
		float huge;
	} opened;
};

/* False when memory is out. */
bool memory_init(struct memory *memory, struct machine *machine, size_t nr_blocks,
		 uint64_t block_bytes, uint64_t sample_us);
/* Free what was allocated, and give the machine its pages back. */
void memory_destroy(struct memory *memory);

/*
 * For workloads, by the load's own clock.  Rates are accesses of each page a second; a touched
 * share of 0 frees.
 */
void memory_set_rate(struct memory *memory, size_t block, double rate_hz, uint64_t load_us);
void memory_set_touched(struct memory *memory, size_t block, double share, uint64_t load_us);
/* To be called before the block is touched. */
void memory_set_file(struct memory *memory, size_t block, bool is_file);
/* Let every page that was accessed until @now_us come back. */
void memory_settle(struct memory *memory, uint64_t now_us);

/*
 * For the files that act on blocks.  A change of a block is bracketed by memory_open, which
 * settles it, and memory_close, which brings sums up to date.
 */
struct block *memory_open(struct memory *memory, size_t block, uint64_t now_us);
void memory_close(struct memory *memory, size_t block);
/*
 * A shorter bracket, for a block that has neither huge pages nor pages in the slow tier, and whose
 * pages only go out: no sum changes with them.
 */
struct block *memory_settled(struct memory *memory, size_t block, uint64_t now_us);
void memory_placed(struct memory *memory, size_t block);
/* Inside the bracket: move @share of the block's pages. */
void memory_move(struct memory *memory, struct block *b, enum tier from, enum tier to,
		 double share);
/* Inside the bracket: add pages (to fast memory while there is room), or drop them. */
void memory_allocate(struct memory *memory, struct block *b, double share);
void memory_drop(struct memory *memory, struct block *b, enum tier tier, double share);

/* P(the accessed bit of a page is set within @sample_s), over all addresses of the block. */
double memory_seen(const struct memory *memory, size_t block, double sample_s);

static inline double block_resident(const struct block *b)
{
	return (double)(b->tier[TIER_FAST] + b->tier[TIER_SLOW]);
}

static inline double block_out(const struct block *b)
{
	return (double)(b->tier[TIER_POOL] + b->tier[TIER_SWAP] + b->tier[TIER_STORAGE]);
}

static inline double memory_resident(const struct memory *m)
{
	return m->tier[TIER_FAST] + m->tier[TIER_SLOW];
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "action.h"

#include <math.h>

/* Below this share of a block nothing is worth moving. */
#define NEGLIGIBLE_SHARE 1e-7

/*
 * What to act on: shares of the pages that huge pages hold and of the other resident ones, and
 * which part of it lies in the slow tier.
 */
struct part {
	double huge;
	double base;
	double slow;
};

static double base_resident(const struct block *b)
{
	return fmax(block_resident(b) - (double)b->huge, 0.0);
}

/* Which share of the block's resident pages the slow tier holds. */
static double slow_part(const struct block *b)
{
	const double resident = block_resident(b);

	return resident > 0.0 ? (double)b->tier[TIER_SLOW] / resident : 0.0;
}

static double huge_pages(const struct memory *m, double share)
{
	return share * m->pages_per_block / PAGES_PER_HUGE_PAGE;
}

/* ---- page-out ---- */

/* Reclaim splits huge pages, and what they held untouched is dropped as pages of zeroes. */
static double split(struct memory *m, struct block *b, double share, double slow,
		    double *elapsed_us)
{
	const double bloat = share * (1.0 - (double)b->touched);

	if (share <= 0.0)
		return 0.0;
	memory_drop(m, b, TIER_FAST, bloat * (1.0 - slow));
	memory_drop(m, b, TIER_SLOW, bloat * slow);
	b->huge = (float)fmax((double)b->huge - share, 0.0);
	*elapsed_us += huge_pages(m, share) * m->machine->profile[PROFILE_SPLIT_US];
	return share * (double)b->touched;
}

/* Move up to @share out to @tier, as far as it has room; returns what went. */
static double put_out(struct memory *m, struct block *b, enum tier tier, double share,
		      double slow)
{
	const double room = machine_room_pages(m->machine, tier) / m->pages_per_block;
	const double moved = fmin(share, room);

	if (moved <= 0.0)
		return 0.0;
	memory_move(m, b, TIER_FAST, tier, moved * (1.0 - slow));
	if (slow > 0.0)
		memory_move(m, b, TIER_SLOW, tier, moved * slow);
	return moved;
}

static double page_out(struct memory *m, struct block *b, struct part part, double *elapsed_us)
{
	const double *profile = m->machine->profile;
	double wanted = base_resident(b) * part.base, pages = 0.0;

	wanted += split(m, b, (double)b->huge * part.huge, part.slow, elapsed_us);
	wanted = fmin(wanted, block_resident(b));
	if (wanted < NEGLIGIBLE_SHARE)
		return 0.0;
	if (b->is_file) {
		pages = put_out(m, b, TIER_STORAGE, wanted, part.slow);
	} else {
		pages = put_out(m, b, TIER_POOL,
				wanted * (1.0 - profile[PROFILE_INCOMPRESSIBLE_SHARE]), part.slow);
		pages += put_out(m, b, TIER_SWAP, wanted - pages, part.slow);
	}
	pages *= m->pages_per_block;
	m->pages_out += pages;
	*elapsed_us += pages * profile[PROFILE_PAGE_OUT_US];
	return pages;
}

double action_page_out(struct memory *m, size_t block, double share, uint64_t now_us,
		       double *elapsed_us)
{
	struct block *b = memory_open(m, block, now_us);
	const double fast = share * (1.0 - slow_part(b));
	const struct part part = { fast, fast, 0.0 };
	double pages;

	pages = page_out(m, b, part, elapsed_us);
	memory_close(m, block);
	return pages;
}

/* ---- migration between the tiers ---- */

static double migrate(struct memory *m, struct block *b, struct part part, enum tier to,
		      double *elapsed_us)
{
	const enum tier from = to == TIER_FAST ? TIER_SLOW : TIER_FAST;
	const double here = from == TIER_SLOW ? part.slow : 1.0 - part.slow;
	const double room = machine_room_pages(m->machine, to) / m->pages_per_block;
	double huge = (double)b->huge * part.huge * here;
	double base = base_resident(b) * part.base * here, fits;

	if (huge + base < NEGLIGIBLE_SHARE || room <= 0.0)
		return 0.0;
	fits = fmin(room / (huge + base), 1.0);
	huge *= fits;
	base *= fits;
	memory_move(m, b, from, to, huge + base);
	*elapsed_us += huge_pages(m, huge) * m->machine->profile[PROFILE_MIGRATE_HUGE_US] +
		       base * m->pages_per_block * m->machine->profile[PROFILE_MIGRATE_PAGE_US];
	base = (huge + base) * m->pages_per_block;
	*(to == TIER_FAST ? &m->pages_promoted : &m->pages_demoted) += base;
	m->machine->pages_migrated += base;
	return base;
}

double action_migrate(struct memory *m, size_t block, double share, enum tier to,
		      uint64_t now_us, double *elapsed_us)
{
	struct block *b = memory_open(m, block, now_us);
	const struct part part = { share, share, slow_part(b) };
	const double pages = migrate(m, b, part, to, elapsed_us);

	memory_close(m, block);
	return pages;
}

/* ---- huge pages ---- */

/* What is out is read first: without a stall, since nobody waits for it. */
static double bring_back(struct memory *m, struct block *b, double share, double *elapsed_us)
{
	double pages = 0.0;

	for (enum tier t = TIER_POOL; t < NR_TIERS; t++) {
		const double back = (double)b->tier[t] * share;

		if (back < NEGLIGIBLE_SHARE)
			continue;
		memory_drop(m, b, t, back);
		memory_allocate(m, b, back);
		*elapsed_us += back * m->pages_per_block * machine_fault_us(m->machine, t);
		pages += back * m->pages_per_block;
	}
	return pages;
}

/* @share: of the block's addresses. */
static double collapse(struct memory *m, struct block *b, double share, double *elapsed_us)
{
	const double more = share * (1.0 - (double)b->huge);
	const double bloat = more * (1.0 - (double)b->touched);
	const double wanted = (bloat + share * block_out(b)) * m->pages_per_block;

	if (b->is_file || b->advice == THP_ADVISED_AGAINST || b->touched <= 0.0f ||
	    more < NEGLIGIBLE_SHARE)
		return 0.0;
	if (machine_room_pages(m->machine, TIER_FAST) < wanted)
		return 0.0;
	/* huge pages hold nothing that is out: all of it comes back with them */
	bring_back(m, b, share, elapsed_us);
	memory_allocate(m, b, bloat);
	b->huge = (float)fmin((double)b->huge + more, 1.0);
	*elapsed_us += huge_pages(m, more) * m->machine->profile[PROFILE_COLLAPSE_US];
	return more * m->pages_per_block;
}

double action_collapse(struct memory *m, size_t block, double share, uint64_t now_us,
		       double *elapsed_us)
{
	struct block *b = memory_open(m, block, now_us);
	const double pages = collapse(m, b, share, elapsed_us);

	memory_close(m, block);
	return pages;
}

/* ---- one scheme's action on part of a block ---- */

void extent_walk(struct extent *e, struct walked *w, size_t unit, double from, double to,
		 uint64_t now_us)
{
	const bool follows = w->us == now_us && w->unit == unit && fabs(w->share - from) < 1e-9;
	const double left = follows && from < 1.0 ? 1.0 - from : 1.0;

	*w = (struct walked){ unit, to, now_us };
	e->share = to - from;
	e->part = fmin((to - from) / left, 1.0);
}

/* @acted: share of the block's addresses, all of them resident. */
static void set_active(struct block *b, bool active, double acted)
{
	const double now = page_active_share(b), resident = block_resident(b);

	if (acted > 0.0)
		b->active = (float)(now + ((active ? 1.0 : 0.0) - now) *
					  fmin(acted / resident, 1.0));
}

/* Weighted destinations: pages are spread so that each tier holds its part, and then stay. */
static double spread(struct memory *m, struct block *b, const struct scheme *s,
		     struct part part, double *elapsed_us)
{
	const double resident = block_resident(b), slow = slow_part(b);
	double weight[2] = { 0.0, 0.0 }, wanted, moved, taken;

	for (uint32_t i = 0; i < s->nr_dests; i++)
		if (s->dests[i].nid == TIER_FAST || s->dests[i].nid == TIER_SLOW)
			weight[s->dests[i].nid] += s->dests[i].weight;
	if (weight[0] + weight[1] <= 0.0 || resident <= 0.0)
		return 0.0;
	wanted = weight[TIER_SLOW] / (weight[0] + weight[1]);
	moved = fabs(wanted - slow);
	if (moved < NEGLIGIBLE_SHARE)
		return 0.0;
	/* migrate() takes this part of what lies where the pages come from */
	taken = fmin(moved / (wanted > slow ? 1.0 - slow : slow), 1.0);
	part.huge *= taken;
	part.base *= taken;
	return migrate(m, b, part, wanted > slow ? TIER_SLOW : TIER_FAST, elapsed_us);
}

static double act(struct memory *m, struct block *b, const struct scheme *s, struct part part,
		  const struct extent *extent, double *elapsed_us)
{
	const double acted = (double)b->huge * part.huge + base_resident(b) * part.base;
	const double share = extent->part;

	switch (s->action) {
	case DAMOS_PAGEOUT:
		return page_out(m, b, part, elapsed_us);
	case DAMOS_MIGRATE_HOT:
	case DAMOS_MIGRATE_COLD:
		/* by physical address the kernel knows one destination only */
		if (s->nr_dests && extent->tier == NR_TIERS)
			return spread(m, b, s, part, elapsed_us);
		if (s->target_nid != TIER_FAST && s->target_nid != TIER_SLOW)
			return 0.0;
		return migrate(m, b, part, (enum tier)s->target_nid, elapsed_us);
	case DAMOS_WILLNEED:
		bring_back(m, b, share, elapsed_us);
		return share * m->pages_per_block;
	case DAMOS_COLLAPSE:
		return collapse(m, b, share, elapsed_us);
	case DAMOS_HUGEPAGE:
	case DAMOS_NOHUGEPAGE:
		b->advice = s->action == DAMOS_HUGEPAGE ? THP_ADVISED : THP_ADVISED_AGAINST;
		return share * m->pages_per_block;
	case DAMOS_COLD:
	case DAMOS_LRU_DEPRIO:
	case DAMOS_LRU_PRIO:
		set_active(b, s->action == DAMOS_LRU_PRIO, acted);
		/* nothing left: what an earlier part acted on is still there */
		return acted / extent->part * extent->share * m->pages_per_block;
	default:
		return 0.0;
	}
}

/* By physical address only what lies in the frame's own tier is found. */
static struct part part_of(const struct block *b, const struct page_pass *pass,
			   enum tier only)
{
	const double slow = slow_part(b), here = only == TIER_SLOW ? slow : 1.0 - slow;

	if (only == NR_TIERS)
		return (struct part){ pass->huge, pass->base, slow };
	return (struct part){ pass->huge * here, pass->base * here, only == TIER_SLOW };
}

/* Page-out, the action that is used most, of a block that it cannot change but by moving pages. */
static bool page_out_plain(struct memory *m, size_t block, const struct extent *extent,
			   uint64_t now_us, struct action_result *result)
{
	struct block *b = memory_settled(m, block, now_us);
	struct part part = { 0 };

	if (b->huge > 0.0f || b->tier[TIER_SLOW] > 0.0f || extent->filtered)
		return false;
	part.base = extent->part;
	if (b->tier[TIER_FAST] <= 0.0f)
		return true;
	result->pages_passed += (double)b->tier[TIER_FAST] * extent->share * m->pages_per_block;
	result->pages_applied += page_out(m, b, part, &result->elapsed_us);
	memory_placed(m, block);
	return true;
}

void action_apply(struct memory *m, size_t block, const struct extent *extent,
		  const struct scheme *scheme, uint64_t now_us, struct action_result *result)
{
	const bool paddr = extent->tier != NR_TIERS;
	struct page_pass pass = { 1.0, 1.0 };
	struct part part;
	struct block *b;

	if (scheme->action == DAMOS_PAGEOUT &&
	    page_out_plain(m, block, extent, now_us, result))
		return;
	b = memory_open(m, block, now_us);
	if (extent->filtered)
		pass = page_filter(m, block, scheme, extent->memcg,
				   paddr && scheme->action == DAMOS_PAGEOUT, now_us);
	part = part_of(b, &pass, extent->tier);
	result->pages_passed += ((double)b->huge * part.huge + base_resident(b) * part.base) *
				extent->share * m->pages_per_block;
	if (scheme->action != DAMOS_STAT) {
		part.huge *= extent->part;
		part.base *= extent->part;
		result->pages_applied += act(m, b, scheme, part, extent, &result->elapsed_us);
	}
	memory_close(m, block);
}

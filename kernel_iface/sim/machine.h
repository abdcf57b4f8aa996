/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tenants of a host share: tiers of memory with their sizes, what moving a page costs,
 * and how much slower each tier is.
 */
#ifndef DT_MACHINE_H
#define DT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "power.h"
#include "profile.h"

#define DT_PAGE_BYTES 4096.0
#define PAGES_PER_HUGE_PAGE 512.0
#define PAGES_PER_GIB 262144.0

/*
 * Where a page can be.  The pool holds compressed pages and occupies fast memory; storage is where
 * file pages come from, and has no bound.
 */
enum tier { TIER_FAST, TIER_SLOW, TIER_POOL, TIER_SWAP, TIER_STORAGE, NR_TIERS };

static inline bool tier_is_resident(enum tier tier)
{
	return tier == TIER_FAST || tier == TIER_SLOW;
}

struct machine {
	double profile[NR_PROFILE_PARAMS];
	double pages_max[NR_TIERS];
	/* of all tenants; the pool's before compression */
	double pages[NR_TIERS];
	/* the slow tier and the fast one exchanged so many pages since the last look */
	double pages_migrated;
	struct power power;
};

/* @footprint_pages: of all tenants together. */
void machine_init(struct machine *machine, const double *profile, double footprint_pages);

/* Pages of fast memory that nothing occupies; offline blocks are not there. */
double machine_free_pages(const struct machine *machine);
/* Pages of fast memory that something occupies. */
double machine_used_pages(const struct machine *machine);
/* Pages that a resident tier has; offline blocks are not there. */
double machine_online_pages(const struct machine *machine, enum tier tier);
/* Free pages of fast memory at which kswapd starts; it stops at twice that. */
double machine_low_wmark_pages(const struct machine *machine);
/* How many more pages @tier takes before the kernel would have to reclaim. */
double machine_room_pages(const struct machine *machine, enum tier tier);
/* How much longer an access to the slow tier takes, over one to the fast: 0 for as long. */
double machine_slow_penalty(const struct machine *machine);
/* What the stall of a fault on @tier is, in microseconds. */
double machine_fault_us(const struct machine *machine, enum tier tier);

#endif

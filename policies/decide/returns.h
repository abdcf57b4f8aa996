/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is used again after how long without an access, and what that would have cost.
 *
 * Memory that was idle for an hour and is used now would have been a storm of faults, had it been
 * paged out.  That can be seen before anything is: of each region is known for how long it had no
 * access, and which of them have one now.  Google's far memory sets its cold age by the same
 * (Software-Defined Far Memory, ASPLOS 2019).
 *
 * A region counts as a whole, though only some of its pages may have been accessed: that is the
 * most that it can have cost.  Weighted by the share of samples with an access it is the least.
 */
#ifndef DT_RETURNS_H
#define DT_RETURNS_H

#include <stdbool.h>

#include "snapshot.h"

/* Regions beyond these are not followed. */
#define RETURNS_REGIONS 256
#define NR_RETURN_AGES 6

extern const double return_ages_s[NR_RETURN_AGES];

struct returns_region {
	uint64_t start;
	uint64_t end;
	/* since the last access; unlike DAMON's age, a scheme that acts does not end it */
	double idle_s;
};

struct returns {
	bool started;
	uint64_t time_us;
	uint64_t cpu_time_us;
	/* for how long there has been something to look at */
	double watched_s;
	size_t nr_regions;
	struct returns_region regions[RETURNS_REGIONS];

	/*
	 * Had all been out that was idle for so long: the slowdown, at the most and at the least, as
	 * averages, and in what share of the intervals the most would have been over the budget.
	 */
	double most[NR_RETURN_AGES];
	double least[NR_RETURN_AGES];
	double over[NR_RETURN_AGES];
};

void returns_init(struct returns *returns);
/*
 * Take in one more snapshot.  @acted_age is the least age, in aggregations, at which a scheme that
 * runs acts: from there on a young age tells of no access.
 */
void returns_update(struct returns *returns, const struct snapshot *snapshot, uint32_t acted_age,
		    double budget, double min_worked_share);

#endif

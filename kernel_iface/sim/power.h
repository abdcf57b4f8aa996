/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power of the fast memory: memory blocks that go offline and come back, and the memory clock.
 *
 * A block must be emptied before it goes offline, which needs room elsewhere; blocks with pages
 * that cannot be moved never do.  Where ranks are interleaved every block lies on all of them, so
 * that an offline block saves nothing.
 */
#ifndef DT_POWER_H
#define DT_POWER_H

#include <stdint.h>

#include "profile.h"

struct power {
	double gib;
	double block_gib;
	/* by state: active, standby, power-down, self-refresh */
	double mw[4];
	double nr_ranks;
	double clock_power_share;
	double offline_s_per_gib;
	double online_s;
	bool interleaved;

	double clock_cap;
	uint32_t nr_blocks;
	uint32_t nr_movable;
	uint32_t nr_offline;
	uint32_t nr_offline_wanted;
	/* what is to stay online and free; negative: blocks go as they are asked for */
	double spare_gib;
	/* attempts to take a block offline that failed */
	uint32_t nr_failed;
	/* the transition that runs ends then; 0: none runs */
	uint64_t transition_until_us;
	bool going_offline;

	/* since reset */
	double energy_j;
};

void power_init(struct power *power, const double *profile, double gib);
double power_offline_gib(const struct power *power);
/* Ask for @nr_offline blocks offline and for a clock cap, a share of the full clock. */
void power_set(struct power *power, uint32_t nr_offline, double clock_cap);
/* Ask for as many blocks offline as leave @spare_gib online and free, from now on. */
void power_keep_spare(struct power *power, double spare_gib, double clock_cap);
/*
 * Finish and begin transitions at @now_us; @free_gib is free and online, of which a block's content
 * could move into @room_gib; @occupied is the share of memory in use.  Returns GiB whose content is being moved from now on.
 */
double power_advance(struct power *power, double free_gib, double room_gib, double occupied,
		     uint64_t now_us);
/* Add the energy of @us microseconds with @used_gib in use, at @load from 0 to 1. */
void power_integrate(struct power *power, double used_gib, double load, double us);

#endif

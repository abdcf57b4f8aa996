/* SPDX-License-Identifier: Apache-2.0 */
#include "power.h"

#include <math.h>
#include <string.h>

enum { MW_ACTIVE, MW_STANDBY, MW_POWERDOWN, MW_SELF_REFRESH };

void power_init(struct power *p, const double *profile, double gib)
{
	memset(p, 0, sizeof(*p));
	p->gib = gib;
	p->block_gib = profile[PROFILE_MEMORY_BLOCK_MIB] / 1024.0;
	p->mw[MW_ACTIVE] = profile[PROFILE_ACTIVE_MW_PER_GIB];
	p->mw[MW_STANDBY] = profile[PROFILE_STANDBY_MW_PER_GIB];
	p->mw[MW_POWERDOWN] = profile[PROFILE_POWERDOWN_MW_PER_GIB];
	p->mw[MW_SELF_REFRESH] = profile[PROFILE_SELF_REFRESH_MW_PER_GIB];
	p->clock_power_share = profile[PROFILE_CLOCK_POWER_SHARE];
	p->offline_s_per_gib = profile[PROFILE_OFFLINE_S_PER_GIB];
	p->online_s = profile[PROFILE_ONLINE_S];
	p->nr_ranks = profile[PROFILE_RANKS];
	p->interleaved = profile[PROFILE_INTERLEAVED] >= 0.5;
	p->clock_cap = profile[PROFILE_CLOCK_CAP];
	p->spare_gib = -1.0;
	p->nr_blocks = (uint32_t)fmin(floor(gib / p->block_gib), 1e9);
	p->nr_movable = (uint32_t)(p->nr_blocks * (1.0 - profile[PROFILE_UNMOVABLE_SHARE]));
}

double power_offline_gib(const struct power *p)
{
	return p->nr_offline * p->block_gib;
}

static void set_clock(struct power *p, double cap)
{
	p->clock_cap = fmin(fmax(cap, 0.1), 1.0);
}

void power_set(struct power *p, uint32_t nr_offline, double clock_cap)
{
	p->nr_offline_wanted = nr_offline;
	p->spare_gib = -1.0;
	set_clock(p, clock_cap);
}

void power_keep_spare(struct power *p, double spare_gib, double clock_cap)
{
	p->spare_gib = spare_gib;
	set_clock(p, clock_cap);
}

/* What is free counts whether it is online or not; what goes must not have to come back. */
static uint32_t offline_for_spare(const struct power *p, double free_gib)
{
	const double blocks = (free_gib - p->spare_gib) / p->block_gib;
	const double wanted = floor((double)p->nr_offline + blocks);

	return (uint32_t)fmin(fmax(wanted, 0.0), (double)p->nr_movable);
}

static void finish_transition(struct power *p)
{
	p->transition_until_us = 0;
	if (!p->going_offline)
		p->nr_offline--;
}

/* The block counts as offline while it is emptied: nothing new may be put there. */
static double begin_offline(struct power *p, double room_gib, double occupied, uint64_t now_us)
{
	if (p->nr_offline >= p->nr_movable || room_gib < p->block_gib) {
		p->nr_failed++;
		p->nr_offline_wanted = p->nr_offline;
		return 0.0;
	}
	p->nr_offline++;
	p->going_offline = true;
	p->transition_until_us = now_us + (uint64_t)(p->offline_s_per_gib * p->block_gib * 1e6);
	return occupied * p->block_gib;
}

double power_advance(struct power *p, double free_gib, double room_gib, double occupied,
		     uint64_t now_us)
{
	if (p->transition_until_us > now_us)
		return 0.0;
	if (p->transition_until_us)
		finish_transition(p);
	if (p->spare_gib >= 0.0)
		p->nr_offline_wanted = offline_for_spare(p, free_gib);
	if (p->nr_offline < p->nr_offline_wanted)
		return begin_offline(p, room_gib, occupied, now_us);
	if (p->nr_offline > p->nr_offline_wanted) {
		p->going_offline = false;
		p->transition_until_us = now_us + (uint64_t)(p->online_s * 1e6);
	}
	return 0.0;
}

/* Whole ranks that are offline refresh themselves; a rank with one online block does not. */
static double self_refresh_gib(const struct power *p, double off_gib)
{
	const double rank_gib = p->gib / p->nr_ranks;

	return p->interleaved ? 0.0 : floor(off_gib / rank_gib) * rank_gib;
}

void power_integrate(struct power *p, double used_gib, double load, double us)
{
	const double emptying = p->transition_until_us && p->going_offline ? 1.0 : 0.0;
	const double off = fmax((p->nr_offline - emptying) * p->block_gib, 0.0);
	const double asleep = self_refresh_gib(p, off);
	const double used = fmin(used_gib, p->gib - off);
	const double rest_mw = p->mw[p->interleaved ? MW_STANDBY : MW_POWERDOWN];
	const double used_mw = load * p->mw[MW_ACTIVE] + (1.0 - load) * rest_mw;
	const double clock = 1.0 - p->clock_power_share * (1.0 - p->clock_cap);
	const double awake = used * used_mw + (p->gib - asleep - used) * rest_mw;

	p->energy_j += (awake * clock + asleep * p->mw[MW_SELF_REFRESH]) * 1e-3 * us * 1e-6;
}

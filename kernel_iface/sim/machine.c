/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include <math.h>
#include <string.h>

void machine_init(struct machine *m, const double *profile, double footprint_pages)
{
	const double fast = profile[PROFILE_MEMORY_RATIO] * footprint_pages;

	memset(m, 0, sizeof(*m));
	memcpy(m->profile, profile, sizeof(m->profile));
	m->pages_max[TIER_FAST] = fast;
	m->pages_max[TIER_SLOW] = profile[PROFILE_SLOW_RATIO] * footprint_pages;
	m->pages_max[TIER_POOL] = profile[PROFILE_POOL_SHARE] * fast;
	m->pages_max[TIER_SWAP] = profile[PROFILE_SWAP_RATIO] * fast;
	m->pages_max[TIER_STORAGE] = HUGE_VAL;
	power_init(&m->power, profile, fast / PAGES_PER_GIB);
}

double machine_free_pages(const struct machine *m)
{
	return fmax(machine_online_pages(m, TIER_FAST) - machine_used_pages(m), 0.0);
}

double machine_used_pages(const struct machine *m)
{
	return m->pages[TIER_FAST] +
	       m->pages[TIER_POOL] / m->profile[PROFILE_COMPRESSION_RATIO];
}

double machine_online_pages(const struct machine *m, enum tier tier)
{
	if (tier == TIER_FAST)
		return m->pages_max[TIER_FAST] - power_offline_gib(&m->power) * PAGES_PER_GIB;
	return m->pages_max[tier];
}

double machine_low_wmark_pages(const struct machine *m)
{
	return m->pages_max[TIER_FAST] * m->profile[PROFILE_LOW_WMARK_PERMILLE] / 1e3;
}

double machine_room_pages(const struct machine *m, enum tier tier)
{
	double room = m->pages_max[tier] - m->pages[tier];

	if (tier == TIER_FAST)
		room = machine_free_pages(m) - machine_low_wmark_pages(m);
	return fmax(room, 0.0);
}

double machine_slow_penalty(const struct machine *m)
{
	return fmax(m->profile[PROFILE_SLOW_NS] / m->profile[PROFILE_FAST_NS] - 1.0, 0.0);
}

double machine_fault_us(const struct machine *m, enum tier tier)
{
	if (tier_is_resident(tier))
		return 0.0;
	return m->profile[tier == TIER_POOL ? PROFILE_COMPRESSED_IN_US : PROFILE_SWAP_IN_US];
}

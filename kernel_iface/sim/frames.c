/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOBODY UINT32_MAX
/* How many frames are looked at for one with room; then the last one is overfilled. */
#define SEARCH_MAX 64
/* Frames of a host that has far more memory than its tenants are larger than blocks. */
#define MAX_FRAMES 262144.0

static size_t tenant_of(const struct frames *f, uint32_t occupant)
{
	size_t tenant = 0;

	while (occupant >= f->first_of_tenant[tenant + 1])
		tenant++;
	return tenant;
}

static const struct block *block_of_occupant(const struct frames *f, uint32_t occupant,
					     size_t *tenant)
{
	*tenant = tenant_of(f, occupant);
	return &f->memories[*tenant]->blocks[occupant - f->first_of_tenant[*tenant]];
}

static double share_in_frame(const struct frames *f, uint32_t occupant, size_t tier)
{
	size_t tenant;
	const struct block *b = block_of_occupant(f, occupant, &tenant);

	return (double)b->tier[tier] * f->memories[tenant]->pages_per_block / f->pages_per_frame;
}

/* An occupant's heat, by its part of the frame. */
static double heat_in_frame(const struct frames *f, uint32_t occupant, size_t tier,
			    double sample_s)
{
	size_t tenant;
	const struct block *b = block_of_occupant(f, occupant, &tenant);
	const double pages = block_resident(b) + block_out(b);
	const double seen = memory_seen(f->memories[tenant],
					occupant - f->first_of_tenant[tenant], sample_s);

	return pages > 0.0 ? share_in_frame(f, occupant, tier) * seen / pages : 0.0;
}

static enum tier tier_of(const struct frames *f, size_t frame)
{
	return frame < f->nr_fast ? TIER_FAST : TIER_SLOW;
}

double frames_seen(const struct frames *f, size_t frame, double sample_s)
{
	const enum tier tier = tier_of(f, frame);
	double heat = 0.0;

	for (uint32_t o = f->first[frame]; o != NOBODY; o = f->occupants[o].next[tier])
		heat += heat_in_frame(f, o, tier, sample_s);
	return fmin(heat, 1.0);
}

static void show_frame(struct frames *f, size_t frame, struct frame_view *view)
{
	heat_set(&view->heat, frame, frames_seen(f, frame, view->sample_s));
}

static void update_frame(struct frames *f, size_t frame)
{
	const enum tier tier = tier_of(f, frame);
	double used = 0.0;

	for (uint32_t o = f->first[frame]; o != NOBODY; o = f->occupants[o].next[tier])
		used += share_in_frame(f, o, tier);
	f->used[frame] = (float)used;
	for (size_t v = 0; v < f->nr_views; v++)
		show_frame(f, frame, &f->views[v]);
}

void frames_set_sample_us(struct frames *f, size_t view, uint64_t sample_us)
{
	f->views[view].sample_s = (double)sample_us * 1e-6;
	for (size_t i = 0; i < f->nr_frames; i++)
		show_frame(f, i, &f->views[view]);
}

static size_t find_frame(struct frames *f, size_t tier, double share)
{
	const size_t first = tier == TIER_FAST ? 0 : f->nr_fast;
	const size_t nr = (tier == TIER_FAST ? f->nr_fast : f->nr_frames) - first;
	size_t at = f->search[tier];

	for (size_t tries = 0; tries < SEARCH_MAX && tries < nr; tries++) {
		if (1.0 - (double)f->used[first + at] >= share - 1e-6)
			break;
		at = at + 1 < nr ? at + 1 : 0;
	}
	f->search[tier] = at;
	return first + at;
}

static void leave_frame(struct frames *f, uint32_t occupant, size_t tier)
{
	const uint32_t frame = f->occupants[occupant].frame[tier];
	uint32_t *link = &f->first[frame];

	while (*link != occupant)
		link = &f->occupants[*link].next[tier];
	*link = f->occupants[occupant].next[tier];
	f->occupants[occupant].frame[tier] = NO_FRAME;
	update_frame(f, frame);
}

static void enter_frame(struct frames *f, uint32_t occupant, size_t tier, double share)
{
	const size_t frame = find_frame(f, tier, share);

	f->occupants[occupant].frame[tier] = (uint32_t)frame;
	f->occupants[occupant].next[tier] = f->first[frame];
	f->first[frame] = occupant;
	update_frame(f, frame);
}

void frames_update_block(struct frames *f, size_t tenant, size_t block)
{
	const uint32_t occupant = (uint32_t)(f->first_of_tenant[tenant] + block);

	for (size_t tier = TIER_FAST; tier <= TIER_SLOW; tier++) {
		const double share = share_in_frame(f, occupant, tier);
		const uint32_t frame = f->occupants[occupant].frame[tier];

		if (share > 0.0 && frame == NO_FRAME)
			enter_frame(f, occupant, tier, share);
		else if (share <= 0.0 && frame != NO_FRAME)
			leave_frame(f, occupant, tier);
		else if (frame != NO_FRAME)
			update_frame(f, frame);
	}
}

static bool allocate(struct frames *f, size_t nr_occupants)
{
	f->first = malloc(f->nr_frames * sizeof(*f->first));
	f->used = calloc(f->nr_frames, sizeof(*f->used));
	f->occupants = malloc(nr_occupants * sizeof(*f->occupants));
	f->views = calloc(f->nr_views, sizeof(*f->views));
	if (!f->first || !f->used || !f->occupants || !f->views)
		return false;
	for (size_t v = 0; v < f->nr_views; v++)
		if (!heat_init(&f->views[v].heat, f->nr_frames))
			return false;
	memset(f->first, 0xff, f->nr_frames * sizeof(*f->first));
	memset(f->occupants, 0xff, nr_occupants * sizeof(*f->occupants));
	return true;
}

bool frames_init(struct frames *f, struct memory *const *memories, size_t nr, size_t nr_views)
{
	const struct machine *machine = memories[0]->machine;

	frames_destroy(f);
	f->nr_tenants = nr;
	f->nr_views = nr_views;
	for (size_t t = 0; t < nr; t++) {
		f->memories[t] = memories[t];
		f->first_of_tenant[t + 1] = f->first_of_tenant[t] + memories[t]->nr_blocks;
		f->pages_per_frame = fmax(f->pages_per_frame, memories[t]->pages_per_block);
	}
	f->pages_per_frame =
		fmax(f->pages_per_frame, ceil((machine->pages_max[TIER_FAST] +
					       machine->pages_max[TIER_SLOW]) / MAX_FRAMES));
	f->nr_fast = (size_t)ceil(machine->pages_max[TIER_FAST] / f->pages_per_frame);
	f->nr_frames = f->nr_fast +
		       (size_t)ceil(machine->pages_max[TIER_SLOW] / f->pages_per_frame);
	if (!allocate(f, f->first_of_tenant[nr])) {
		frames_destroy(f);
		return false;
	}
	for (size_t t = 0; t < nr; t++)
		for (size_t i = 0; i < memories[t]->nr_blocks; i++)
			frames_update_block(f, t, i);
	return true;
}

void frames_destroy(struct frames *f)
{
	for (size_t v = 0; f->views && v < f->nr_views; v++)
		heat_destroy(&f->views[v].heat);
	free(f->views);
	free(f->first);
	free(f->used);
	free(f->occupants);
	memset(f, 0, sizeof(*f));
}

void frames_visit(const struct frames *f, size_t frame, frames_visitor visit, void *data)
{
	const enum tier tier = tier_of(f, frame);
	uint32_t o = f->first[frame];

	while (o != NOBODY) {
		const uint32_t next = f->occupants[o].next[tier];
		const size_t tenant = tenant_of(f, o);

		visit(data, tenant, o - f->first_of_tenant[tenant], tier,
		      share_in_frame(f, o, tier));
		o = next;
	}
}

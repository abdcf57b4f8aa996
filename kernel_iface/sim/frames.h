/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Physical memory: which block's pages lie in which frame, for DAMON by physical address.
 *
 * A frame has the size of a block.  What a block has in a tier lies in one frame of that tier;
 * blocks that are there only in part share frames.  Frames that nothing lies in are monitored as
 * well, and look cold.
 */
#ifndef DT_FRAMES_H
#define DT_FRAMES_H

#include "heat.h"
#include "memory.h"

#define FRAMES_MAX_TENANTS 16
/* Resident tiers are the first two. */
#define NR_FRAME_TIERS 2
#define NO_FRAME UINT32_MAX

/* One block of one tenant, in a list of those that share a frame. */
struct occupant {
	uint32_t frame[NR_FRAME_TIERS];
	uint32_t next[NR_FRAME_TIERS];
};

/* What DAMON sees of the frames when it samples at some interval. */
struct frame_view {
	double sample_s;
	struct heat heat;
};

struct frames {
	size_t nr_frames;
	/* frames before this one are fast memory, the others slow */
	size_t nr_fast;
	double pages_per_frame;
	/* by frame: its first occupant, and the share in use */
	uint32_t *first;
	float *used;
	/* by occupant: blocks of all tenants, one tenant after the other */
	struct occupant *occupants;
	size_t first_of_tenant[FRAMES_MAX_TENANTS + 1];
	struct memory *memories[FRAMES_MAX_TENANTS];
	size_t nr_tenants;
	struct frame_view *views;
	size_t nr_views;
	/* where the search for room goes on, by tier */
	size_t search[NR_FRAME_TIERS];
	/* by frame */
	struct walked walked;
};

/*
 * Lay out the memory of @nr tenants that share a machine, for @nr_views watchers.  False when
 * memory is out.
 */
bool frames_init(struct frames *frames, struct memory *const *memories, size_t nr,
		 size_t nr_views);
void frames_destroy(struct frames *frames);
/* P(a page of the frame is seen accessed within @sample_s). */
double frames_seen(const struct frames *frames, size_t frame, double sample_s);
/* See the frames at another sampling interval. */
void frames_set_sample_us(struct frames *frames, size_t view, uint64_t sample_us);
/* A block's place or heat may have changed. */
void frames_update_block(struct frames *frames, size_t tenant, size_t block);

/* Call @act for each occupant of @frame; it must not move others into it. */
typedef void (*frames_visitor)(void *data, size_t tenant, size_t block, enum tier tier,
			       double share_of_frame);
void frames_visit(const struct frames *frames, size_t frame, frames_visitor visit, void *data);

#endif

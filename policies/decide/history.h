/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How hot a tenant's addresses were at each of the last control intervals, in bounded memory.
 *
 * Addresses are followed in chunks of equal size.  They become twice as large when more than
 * HISTORY_CHUNKS would be needed, and half as large when a quarter of them suffices.  Neither
 * loses history: chunks that are joined keep the greater heat, halves inherit that of the whole.
 */
#ifndef DT_HISTORY_H
#define DT_HISTORY_H

#include <stdbool.h>

#include "snapshot.h"

#define HISTORY_CHUNKS 128
#define HISTORY_STEPS 256
/* log2 of the smallest chunk in bytes */
#define HISTORY_MIN_SHIFT 12

/* A step is what one snapshot tells of the time since the one before. */
struct history {
	/* a chunk is 1 << shift bytes */
	unsigned shift;
	size_t nr_chunks;
	/* address >> shift, ascending; addresses that are not monitored take none */
	uint64_t chunk[HISTORY_CHUNKS];
	/* how many steps had been taken in when the chunk was last hot; 0 for never */
	uint64_t last_hot[HISTORY_CHUNKS];
	/* for how long the part of it that was idle longest had been so at the last step */
	uint64_t idle_us[HISTORY_CHUNKS];
	/* a ring over steps; 0 beyond nr_chunks */
	uint8_t heat[HISTORY_STEPS][HISTORY_CHUNKS];
	/* when each of them was observed, in the same ring */
	uint64_t time_us[HISTORY_STEPS];
	/* taken in so far */
	uint64_t nr_steps;
};

void history_init(struct history *history);
/*
 * Take in one more snapshot.  One that is as old as the last is no step.  One that is older comes
 * from another clock, and the history begins anew with it.
 *
 * A scheme that acts makes a region's age begin anew, which looks like an access: @acted_age is the
 * least age, in aggregations, at which a scheme that runs acts, UINT32_MAX where none does.  What
 * has been idle for so long was accessed only where samples show it.
 */
void history_update(struct history *history, const struct snapshot *snapshot,
		    uint32_t acted_age);

/* How many steps can be looked back at, at most HISTORY_STEPS. */
size_t history_depth(const struct history *history);
/*
 * Heat of a chunk: 0 for no access since the step before, as far as DAMON tells; else the share of
 * samples with an access from 1 to 255, averaged over the chunk's monitored bytes.  @back is less
 * than history_depth(), 0 for the newest.
 */
uint8_t history_heat(const struct history *history, size_t back, size_t chunk);
/* All of a step's chunks. */
const uint8_t *history_row(const struct history *history, size_t back);
/* When a step was observed, and how long it was: 0 for the oldest, where that is not known. */
uint64_t history_time_us(const struct history *history, size_t back);
uint64_t history_step_us(const struct history *history, size_t back);
/*
 * The step, counted back from the newest, in which @time_us was: after the step before it and not
 * after itself.  history_depth() for what is too old or has not been yet.
 */
size_t history_back_at(const struct history *history, uint64_t time_us);
uint64_t history_chunk_start(const struct history *history, size_t chunk);
/* Exclusive; the last chunk of all addresses ends at UINT64_MAX. */
uint64_t history_chunk_end(const struct history *history, size_t chunk);

/* Share of the samples of the last aggregation that found @region accessed, from 0 to 1. */
double snapshot_heat_share(const struct snapshot *snapshot, const struct snapshot_region *region);
/*
 * Whether @region was accessed in the last @step_us: its count is of the last aggregation, and for
 * how long there has been no access before that is its age.
 */
bool snapshot_accessed(const struct snapshot *snapshot, const struct snapshot_region *region,
		       uint64_t step_us);

#endif

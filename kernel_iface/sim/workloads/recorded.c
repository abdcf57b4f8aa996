/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recorded load: plays a program.  What it has not yet said anything about is untouched.
 *
 * Blocks are small here, yet a range may end inside of one.  The block then gets the rate at which
 * DAMON's checks find its pages accessed as often as they would find those of the parts: the mean
 * of the probabilities, not of the rates, is what it sees.
 */
#include <math.h>

#include "workload.h"

enum { SPEED, LOOP_S, START_S, NR_OWN };

/* A small recording is all that there is to manage, so it may be smaller than other loads. */
static const struct param common[WL_NR_COMMON] = {
	[WL_FOOTPRINT_BYTES] = { "footprint_bytes", 0x1p30, 0x1p30, 4096, PROGRAM_MAX_BYTES, true },
};

static const struct param params[NR_OWN] = {
	/* seconds of the program that pass in one second; rates rise with it */
	[SPEED] = { "speed", 1, 1, 0.001, 1000, true },
	/* the program starts again after this much of its own time; 0: its last state stays */
	[LOOP_S] = { "loop_s", 0, 0, 0, 2 * PROGRAM_MAX_S, false },
	/* how far into the program the episode begins */
	[START_S] = { "start_s", 0, 0, 0, PROGRAM_MAX_S, false },
};

static void set_block(struct workload *w, size_t block, double rate_hz, double touched,
		      uint64_t now_us)
{
	if (w->memory->blocks[block].touched != (float)touched)
		memory_set_touched(w->memory, block, touched, now_us);
	memory_set_rate(w->memory, block, rate_hz, now_us);
}

/* A block of several segments; see the top of the file. */
static void set_mixed_block(struct workload *w, size_t block, double block_bytes, uint64_t now_us)
{
	const double end = (double)(block + 1) * block_bytes, sample_s = w->memory->sample_s;
	const double speed = workload_own(w, SPEED);
	double at = (double)block * block_bytes, touched = 0.0, missed = 0.0;
	double lo = INFINITY, hi = 0.0;

	for (size_t i = segments_find(&w->segments, at); at < end; i++) {
		const struct segment *s = &w->segments.at[i];
		const double until = fmin(s->end_byte, end);
		const double share = (until - at) / block_bytes * s->touched_share;
		const double rate_hz = s->rate_hz * speed;

		at = until;
		if (share <= 0.0)
			continue;
		touched += share;
		missed += share * exp(-rate_hz * sample_s);
		lo = fmin(lo, rate_hz);
		hi = fmax(hi, rate_hz);
	}
	if (touched <= 0.0)
		set_block(w, block, 0.0, 0.0, now_us);
	else
		set_block(w, block, fmin(fmax(-log(missed / touched) / sample_s, lo), hi),
			  fmin(touched, 1.0), now_us);
}

static void apply(struct workload *w, const struct program_row *row, uint64_t now_us)
{
	const double block_bytes = w->memory->pages_per_block * DT_PAGE_BYTES;
	const double nr = (double)w->memory->nr_blocks;
	const double first = fmin(row->start_byte / block_bytes, nr);
	const double last = fmin(row->end_byte / block_bytes, nr);

	segments_apply(&w->segments, row);
	for (size_t i = (size_t)first; (double)i < last; i++) {
		if ((double)i < first || (double)(i + 1) > last)
			set_mixed_block(w, i, block_bytes, now_us);
		else
			set_block(w, i, row->rate_hz * workload_own(w, SPEED), row->touched_share,
				  now_us);
	}
}

/* Every row that comes into force before @until_us of this pass. */
static void play_until(struct workload *w, double until_us, uint64_t now_us)
{
	const struct program *program = w->program;
	size_t *next = &w->state.recorded.next_row;

	for (; *next < program->nr_rows && program->rows[*next].at_us <= until_us; ++*next)
		apply(w, &program->rows[*next], now_us);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const double loop_us = workload_own(w, LOOP_S) * 1e6;
	double position_us = workload_own(w, START_S) * 1e6 +
			     (double)now_us * workload_own(w, SPEED);
	double pass = 0.0;

	if (loop_us > 0.0) {
		pass = floor(position_us / loop_us);
		position_us -= pass * loop_us;
	}
	/* passes in between end as the one before them did */
	for (int i = 0; i < 2 && w->state.recorded.pass < pass; i++) {
		play_until(w, INFINITY, now_us);
		w->state.recorded.next_row = 0;
		w->state.recorded.pass = i ? pass : fmax(w->state.recorded.pass + 1.0, pass - 1.0);
	}
	play_until(w, position_us, now_us);
}

static void init(struct workload *w)
{
	segments_clear(&w->segments);
	w->busy_threads = workload_full_activity(w);
	tick(w, 0);
}

const struct workload_family workload_recorded = {
	.name = "recorded",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
	.common = common,
	.min_block_bytes = 4096,
};

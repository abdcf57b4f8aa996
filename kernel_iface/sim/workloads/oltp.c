/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: the upper levels of the trees are hot, rows have a Zipf popularity that drifts, a
 * log is written in a circle, and checkpoints sweep over the rows to write out what is dirty.
 */
#include <math.h>

#include "workload.h"

enum {
	LEVELS_SHARE,
	LOG_SHARE,
	LOG_S,
	FILLED_SHARE,
	SKEW,
	MEAN_RATE_HZ,
	HOT_RATE_HZ,
	DRIFT_INTERVAL_S,
	CHECKPOINT_INTERVAL_S,
	CHECKPOINT_S,
	NR_OWN
};

static const struct param params[NR_OWN] = {
	[LEVELS_SHARE] = { "levels_share", 0.01, 0.05, 0.001, 0.9, true },
	[LOG_SHARE] = { "log_share", 0.01, 0.05, 0.001, 0.9, true },
	/* the log comes around once in */
	[LOG_S] = { "log_s", 30, 600, 1, 1e6, true },
	/* of the pages of the rows' blocks; huge pages fill up the rest */
	[FILLED_SHARE] = { "filled_share", 0.7, 1, 0.01, 1, false },
	[SKEW] = { "skew", 0.7, 1.4, 0, 4, false },
	[MEAN_RATE_HZ] = { "mean_rate_hz", 0.05, 3, 0, 1e6, true },
	[HOT_RATE_HZ] = { "hot_rate_hz", 20, 200, 0, 1e6, true },
	[DRIFT_INTERVAL_S] = { "drift_interval_s", 5, 120, 0.1, 1e6, true },
	[CHECKPOINT_INTERVAL_S] = { "checkpoint_interval_s", 60, 600, 1, 1e6, true },
	[CHECKPOINT_S] = { "checkpoint_s", 5, 40, 0.5, 1e6, true },
};

#define NR_CHUNKS 128
#define CHECKPOINT_WINDOW_SHARE 0.01

static double row_rate(const struct workload *w, size_t block)
{
	return chunks_block_rate(&w->state.oltp.rows, block);
}

static void set_chunk(struct workload *w, size_t chunk, uint64_t now_us)
{
	const struct chunks *rows = &w->state.oltp.rows;
	const size_t first = chunks_start(rows, chunk);

	workload_set_rates(w, first, chunks_start(rows, chunk + 1) - first,
			   chunks_rate(rows, chunk), now_us);
}

static void drift(struct workload *w, uint64_t now_us)
{
	struct chunks *rows = &w->state.oltp.rows;
	size_t a = rng_below(&w->rng, rows->nr), b = rng_below(&w->rng, rows->nr);

	chunks_swap_ranks(rows, a, b);
	set_chunk(w, a, now_us);
	set_chunk(w, b, now_us);
	w->next_event_us = now_us + (uint64_t)(workload_own(w, DRIFT_INTERVAL_S) * 1e6);
}

/* One block of the log is written at a time. */
static void write_log(struct workload *w, uint64_t now_us)
{
	const struct part log = w->state.oltp.log;
	const double rounds = (double)now_us * 1e-6 / workload_own(w, LOG_S);
	const size_t block = log.first + (size_t)((rounds - floor(rounds)) * (double)log.nr);

	if (!log.nr || block == w->state.oltp.log_block)
		return;
	memory_set_rate(w->memory, w->state.oltp.log_block, 0.0, now_us);
	memory_set_rate(w->memory, block, workload_own(w, HOT_RATE_HZ), now_us);
	w->state.oltp.log_block = block;
}

static void checkpoint(struct workload *w, uint64_t now_us)
{
	const struct chunks *rows = &w->state.oltp.rows;
	const struct sweep sweep = {
		.first_block = rows->first_block,
		.nr_blocks = rows->nr_blocks,
		.window_blocks = workload_blocks(w, CHECKPOINT_WINDOW_SHARE),
		.pass_us = workload_own(w, CHECKPOINT_S) * 1e6,
		.rate_behind = row_rate,
	};

	if (now_us < w->state.oltp.checkpoint_us)
		return;
	if ((double)(now_us - w->state.oltp.checkpoint_us) < sweep.pass_us) {
		sweep_to(w, &sweep, &w->state.oltp.window,
			 (double)(now_us - w->state.oltp.checkpoint_us) / sweep.pass_us, now_us);
		return;
	}
	sweep_end(w, &sweep, &w->state.oltp.window, now_us);
	w->state.oltp.checkpoint_us =
		now_us + (uint64_t)(workload_own(w, CHECKPOINT_INTERVAL_S) * 1e6);
}

static void init(struct workload *w)
{
	struct part rest;
	size_t next = 0;

	w->state.oltp.levels = workload_take(w, &next, workload_own(w, LEVELS_SHARE));
	w->state.oltp.log = workload_take(w, &next, workload_own(w, LOG_SHARE));
	rest = workload_take_rest(w, next);
	chunks_init(&w->state.oltp.rows, rest.first, rest.nr, NR_CHUNKS, workload_own(w, SKEW),
		    0.0, workload_own(w, MEAN_RATE_HZ), &w->rng);
	workload_set_file(w, w->state.oltp.log);
	workload_set_touched(w, 0, next, 1.0, 0);
	workload_set_touched(w, rest.first, rest.nr, workload_own(w, FILLED_SHARE), 0);
	workload_set_part(w, w->state.oltp.levels, workload_own(w, HOT_RATE_HZ), 0);
	for (size_t i = 0; i < w->state.oltp.rows.nr; i++)
		set_chunk(w, i, 0);
	w->state.oltp.log_block = w->state.oltp.log.first;
	if (w->state.oltp.log.nr)
		memory_set_rate(w->memory, w->state.oltp.log_block, workload_own(w, HOT_RATE_HZ),
				0);
	w->state.oltp.checkpoint_us = (uint64_t)(rng_unit(&w->rng) *
						 workload_own(w, CHECKPOINT_INTERVAL_S) * 1e6);
	w->next_event_us = (uint64_t)(workload_own(w, DRIFT_INTERVAL_S) * 1e6);
	w->busy_threads = workload_full_activity(w);
}

static void tick(struct workload *w, uint64_t now_us)
{
	if (now_us >= w->next_event_us)
		drift(w, now_us);
	write_log(w, now_us);
	checkpoint(w, now_us);
}

const struct workload_family workload_oltp = {
	.name = "oltp",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

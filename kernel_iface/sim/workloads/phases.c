/* SPDX-License-Identifier: Apache-2.0 */
/* Alternating phases: the hot part jumps between a few places, in turn or at random. */
#include "workload.h"

enum { NR_PHASES, HOT_SHARE, HOT_RATE_HZ, PERIOD_S, RANDOM_ORDER, BACKGROUND_RATE_HZ, NR_OWN };

static const struct param params[NR_OWN] = {
	[NR_PHASES] = { "nr_phases", 2, 5.99, 2, PHASES_MAX, false },
	[HOT_SHARE] = { "hot_share", 0.04, 0.3, 0.001, 1, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 5, 200, 0, 1e6, true },
	[PERIOD_S] = { "period_s", 20, 240, 0.1, 1e6, true },
	[RANDOM_ORDER] = { "random_order", 0, 1, 0, 1, false },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-6, 3e-3, 0, 1e6, true },
};

static void enter(struct workload *w, size_t phase, uint64_t now_us)
{
	const size_t hot = workload_blocks(w, workload_own(w, HOT_SHARE));

	workload_set_rates(w, w->state.phases.start[w->state.phases.current], hot,
			   workload_own(w, BACKGROUND_RATE_HZ), now_us);
	workload_set_rates(w, w->state.phases.start[phase], hot, workload_own(w, HOT_RATE_HZ),
			   now_us);
	w->state.phases.current = phase;
	w->next_event_us = now_us + (uint64_t)(workload_own(w, PERIOD_S) * 1e6);
}

static void init(struct workload *w)
{
	const size_t nr = (size_t)workload_own(w, NR_PHASES);

	for (size_t i = 0; i < nr; i++)
		w->state.phases.start[i] = rng_below(&w->rng, w->memory->nr_blocks);
	workload_touch_all(w);
	workload_set_rates(w, 0, w->memory->nr_blocks, workload_own(w, BACKGROUND_RATE_HZ), 0);
	enter(w, 0, 0);
	w->busy_threads = workload_full_activity(w);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const size_t nr = (size_t)workload_own(w, NR_PHASES), current = w->state.phases.current;

	if (now_us < w->next_event_us)
		return;
	if (workload_own(w, RANDOM_ORDER) > 0.5)
		enter(w, (current + 1 + rng_below(&w->rng, nr - 1)) % nr, now_us);
	else
		enter(w, (current + 1) % nr, now_us);
}

const struct workload_family workload_phases = {
	.name = "phases",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

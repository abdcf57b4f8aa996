/* SPDX-License-Identifier: Apache-2.0 */
/* A scan: a hot part, and a window that passes over the rest again and again. */
#include "workload.h"

enum { HOT_SHARE, HOT_RATE_HZ, PASS_S, WINDOW_SHARE, BACKGROUND_RATE_HZ, NR_OWN };

static const struct param params[NR_OWN] = {
	[HOT_SHARE] = { "hot_share", 0.05, 0.4, 0.001, 0.99, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 5, 200, 0, 1e6, true },
	[PASS_S] = { "pass_s", 30, 900, 1, 1e6, true },
	[WINDOW_SHARE] = { "window_share", 0.005, 0.03, 0.001, 0.5, false },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-6, 1e-3, 0, 1e6, true },
};

/* Accesses to each page in one passage of the window: 95 % of the pages see at least one. */
#define ACCESSES_PER_PASSAGE 3.0

static void init(struct workload *w)
{
	const size_t hot = workload_blocks(w, workload_own(w, HOT_SHARE));

	workload_touch_all(w);
	workload_set_rates(w, 0, hot, workload_own(w, HOT_RATE_HZ), 0);
	workload_set_rates(w, hot, w->memory->nr_blocks - hot,
			   workload_own(w, BACKGROUND_RATE_HZ), 0);
	w->state.window.first = w->state.window.last = hot;
	w->busy_threads = workload_full_activity(w);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const size_t nr = w->memory->nr_blocks;
	const size_t hot = workload_blocks(w, workload_own(w, HOT_SHARE)), rest = nr - hot;
	const double pass_us = workload_own(w, PASS_S) * 1e6;
	const double passes = (double)now_us / pass_us;
	const double stride = (double)rest * (double)WORKLOAD_TICK_US / pass_us;
	const double window = (double)workload_blocks(w, workload_own(w, WINDOW_SHARE)) + stride;
	const size_t first = hot + (size_t)((passes - (double)(uint64_t)passes) * (double)rest);
	const double stay_s = window / (double)rest * pass_us * 1e-6;
	size_t last = first + (size_t)window;

	last = last > nr ? nr : last;
	if (first == w->state.window.first && last == w->state.window.last)
		return;
	for (size_t i = w->state.window.first; i < w->state.window.last; i++)
		if (i < first || i >= last)
			memory_set_rate(w->memory, i, workload_own(w, BACKGROUND_RATE_HZ), now_us);
	for (size_t i = first; i < last; i++)
		memory_set_rate(w->memory, i, ACCESSES_PER_PASSAGE / stay_s, now_us);
	w->state.window.first = first;
	w->state.window.last = last;
}

const struct workload_family workload_scan = {
	.name = "scan",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

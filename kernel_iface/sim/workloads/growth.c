/* SPDX-License-Identifier: Apache-2.0 */
/* Growth: memory is touched for the first time, stays warm for a while and then cools. */
#include <math.h>

#include "workload.h"

enum { INITIAL_SHARE, GROWTH_S, HOT_SHARE, HOT_RATE_HZ, COOLING_S, BACKGROUND_RATE_HZ, NR_OWN };

static const struct param params[NR_OWN] = {
	[INITIAL_SHARE] = { "initial_share", 0.1, 0.4, 0.001, 1, false },
	[GROWTH_S] = { "growth_s", 200, 1500, 1, 1e6, true },
	[HOT_SHARE] = { "hot_share", 0.02, 0.1, 0.001, 1, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 5, 200, 0, 1e6, true },
	[COOLING_S] = { "cooling_s", 10, 120, 0.1, 1e6, true },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-6, 3e-3, 0, 1e6, true },
};

/* The block up to which memory is touched after @s seconds. */
static size_t frontier(const struct workload *w, double s)
{
	const double nr = (double)w->memory->nr_blocks, initial = workload_own(w, INITIAL_SHARE);
	const double share = initial + (1.0 - initial) * s / workload_own(w, GROWTH_S);

	return (size_t)(nr * fmin(fmax(share, initial), 1.0));
}

static void init(struct workload *w)
{
	const size_t hot = workload_blocks(w, workload_own(w, HOT_SHARE));
	const size_t touched = frontier(w, 0.0);

	for (size_t i = 0; i < touched || i < hot; i++)
		memory_set_touched(w->memory, i, 1.0, 0);
	workload_set_rates(w, hot, w->memory->nr_blocks - hot,
			   workload_own(w, BACKGROUND_RATE_HZ), 0);
	workload_set_rates(w, 0, hot, workload_own(w, HOT_RATE_HZ), 0);
	w->state.window.first = w->state.window.last = touched > hot ? touched : hot;
	w->busy_threads = workload_full_activity(w);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const double now_s = (double)now_us * 1e-6;
	const size_t warm_to = frontier(w, now_s);
	const size_t cold_to = frontier(w, now_s - workload_own(w, COOLING_S));

	for (; w->state.window.last < warm_to; w->state.window.last++) {
		memory_set_touched(w->memory, w->state.window.last, 1.0, now_us);
		memory_set_rate(w->memory, w->state.window.last, workload_own(w, HOT_RATE_HZ),
				now_us);
	}
	for (; w->state.window.first < cold_to; w->state.window.first++)
		memory_set_rate(w->memory, w->state.window.first,
				workload_own(w, BACKGROUND_RATE_HZ), now_us);
}

const struct workload_family workload_growth = {
	.name = "growth",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

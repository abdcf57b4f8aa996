/* SPDX-License-Identifier: Apache-2.0 */
/* A scan: a hot part, and a window that passes over the rest again and again. */
#include <math.h>

#include "workload.h"

enum { HOT_SHARE, HOT_RATE_HZ, PASS_S, WINDOW_SHARE, BACKGROUND_RATE_HZ, NR_OWN };

static const struct param params[NR_OWN] = {
	[HOT_SHARE] = { "hot_share", 0.05, 0.4, 0.001, 0.99, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 5, 200, 0, 1e6, true },
	[PASS_S] = { "pass_s", 30, 900, 1, 1e6, true },
	[WINDOW_SHARE] = { "window_share", 0.005, 0.03, 0.001, 0.5, false },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-6, 1e-3, 0, 1e6, true },
};

static double background(const struct workload *w, size_t block)
{
	(void)block;
	return workload_own(w, BACKGROUND_RATE_HZ);
}

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
	const size_t hot = workload_blocks(w, workload_own(w, HOT_SHARE));
	const struct sweep sweep = {
		.first_block = hot,
		.nr_blocks = w->memory->nr_blocks - hot,
		.window_blocks = workload_blocks(w, workload_own(w, WINDOW_SHARE)),
		.pass_us = workload_own(w, PASS_S) * 1e6,
		.rate_behind = background,
	};
	const double passes = (double)now_us / sweep.pass_us;

	sweep_to(w, &sweep, &w->state.window, passes - floor(passes), now_us);
}

const struct workload_family workload_scan = {
	.name = "scan",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

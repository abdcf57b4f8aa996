/* SPDX-License-Identifier: Apache-2.0 */
/* A diurnal cache: the working set swells and shrinks with the time of a (short) day. */
#include <math.h>

#include "workload.h"

enum { PERIOD_S, LOW_SHARE, HIGH_SHARE, HOT_RATE_HZ, BACKGROUND_RATE_HZ, NR_OWN };

static const struct param params[NR_OWN] = {
	[PERIOD_S] = { "period_s", 120, 900, 1, 1e6, true },
	[LOW_SHARE] = { "low_share", 0.05, 0.3, 0.001, 1, false },
	[HIGH_SHARE] = { "high_share", 0.35, 0.9, 0.001, 1, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 2, 100, 0, 1e6, true },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-6, 1e-3, 0, 1e6, true },
};

/* The busiest hour has this many times the threads of the quietest. */
#define QUIET_ACTIVITY 0.4

/* From 0 in the quietest to 1 in the busiest hour. */
static double level(const struct workload *w, double s)
{
	const double day = s / workload_own(w, PERIOD_S) + w->state.diurnal.offset;

	return 0.5 - 0.5 * cos(2.0 * 3.14159265358979323846 * day);
}

static size_t update_level(struct workload *w, double s)
{
	const double low = workload_own(w, LOW_SHARE), high = workload_own(w, HIGH_SHARE);
	const double now = level(w, s);

	w->busy_threads =
		workload_full_activity(w) * (QUIET_ACTIVITY + (1.0 - QUIET_ACTIVITY) * now);
	return workload_blocks(w, low + (high - low) * now);
}

static void init(struct workload *w)
{
	const size_t nr = w->memory->nr_blocks;

	w->state.diurnal.offset = rng_unit(&w->rng);
	w->state.diurnal.hot_blocks = update_level(w, 0.0);
	workload_touch_all(w);
	workload_set_rates(w, 0, w->state.diurnal.hot_blocks, workload_own(w, HOT_RATE_HZ), 0);
	workload_set_rates(w, w->state.diurnal.hot_blocks, nr - w->state.diurnal.hot_blocks,
			   workload_own(w, BACKGROUND_RATE_HZ), 0);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const size_t hot = update_level(w, (double)now_us * 1e-6);

	for (; w->state.diurnal.hot_blocks < hot; w->state.diurnal.hot_blocks++)
		memory_set_rate(w->memory, w->state.diurnal.hot_blocks,
				workload_own(w, HOT_RATE_HZ), now_us);
	for (; w->state.diurnal.hot_blocks > hot; w->state.diurnal.hot_blocks--)
		memory_set_rate(w->memory, w->state.diurnal.hot_blocks - 1,
				workload_own(w, BACKGROUND_RATE_HZ), now_us);
}

const struct workload_family workload_diurnal = {
	.name = "diurnal",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* A key-value store: slabs with Zipf popularity, whose ranks drift; some slabs are never read. */
#include <math.h>

#include "workload.h"

enum { SKEW, MEAN_RATE_HZ, NR_SLABS, COLD_SHARE, DRIFT_INTERVAL_S, DRIFT_SHARE, NR_OWN };

static const struct param params[NR_OWN] = {
	[SKEW] = { "skew", 0.6, 1.6, 0, 4, false },
	[MEAN_RATE_HZ] = { "mean_rate_hz", 0.02, 5, 0, 1e6, true },
	[NR_SLABS] = { "nr_slabs", 32, 256, 2, CHUNKS_MAX, true },
	[COLD_SHARE] = { "cold_share", 0, 0.6, 0, 0.95, false },
	[DRIFT_INTERVAL_S] = { "drift_interval_s", 5, 300, 0.1, 1e6, true },
	[DRIFT_SHARE] = { "drift_share", 0.01, 0.15, 0, 1, false },
};

static void set_slab(struct workload *w, size_t slab, uint64_t now_us)
{
	const struct chunks *slabs = &w->state.kv;
	const size_t first = chunks_start(slabs, slab);

	workload_set_rates(w, first, chunks_start(slabs, slab + 1) - first,
			   chunks_rate(slabs, slab), now_us);
}

static void init(struct workload *w)
{
	chunks_init(&w->state.kv, 0, w->memory->nr_blocks, (size_t)workload_own(w, NR_SLABS),
		    workload_own(w, SKEW), workload_own(w, COLD_SHARE),
		    workload_own(w, MEAN_RATE_HZ), &w->rng);
	workload_touch_all(w);
	for (size_t i = 0; i < w->state.kv.nr; i++)
		set_slab(w, i, 0);
	w->busy_threads = workload_full_activity(w);
	w->next_event_us = (uint64_t)(workload_own(w, DRIFT_INTERVAL_S) * 1e6);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const size_t nr = w->state.kv.nr;
	const size_t pairs = (size_t)ceil(workload_own(w, DRIFT_SHARE) * (double)nr / 2.0);

	if (now_us < w->next_event_us)
		return;
	for (size_t i = 0; i < pairs; i++) {
		size_t a = rng_below(&w->rng, nr), b = rng_below(&w->rng, nr);

		chunks_swap_ranks(&w->state.kv, a, b);
		set_slab(w, a, now_us);
		set_slab(w, b, now_us);
	}
	w->next_event_us = now_us + (uint64_t)(workload_own(w, DRIFT_INTERVAL_S) * 1e6);
}

const struct workload_family workload_kv = {
	.name = "kv",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

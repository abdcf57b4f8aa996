/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Analytics over a graph: what is known of the vertices is hot, their edges are as hot as the
 * vertices are popular, and each iteration visits fewer of them until the next query begins.
 * Accesses jump about, so translation costs more than elsewhere.
 */
#include <math.h>

#include "workload.h"

enum {
	VERTEX_SHARE,
	SKEW,
	MEAN_RATE_HZ,
	HOT_RATE_HZ,
	ITERATION_S,
	SHRINKAGE,
	LEAST_FRONTIER,
	NR_CHUNKS,
	BACKGROUND_RATE_HZ,
	NR_OWN
};

static const struct param common[WL_NR_COMMON] = {
	[WL_MEMORY_BOUND_SHARE] = { "memory_bound_share", 0.3, 0.8, 0, 1, false },
	[WL_TLB_SHARE] = { "tlb_share", 0.05, 0.3, 0, 0.9, false },
};

static const struct param params[NR_OWN] = {
	[VERTEX_SHARE] = { "vertex_share", 0.05, 0.25, 0.001, 0.9, false },
	[SKEW] = { "skew", 0.5, 1.3, 0, 4, false },
	[MEAN_RATE_HZ] = { "mean_rate_hz", 0.2, 10, 0, 1e6, true },
	[HOT_RATE_HZ] = { "hot_rate_hz", 10, 200, 0, 1e6, true },
	[ITERATION_S] = { "iteration_s", 3, 30, 0.1, 1e6, true },
	/* the next iteration visits this share of the last one's chunks */
	[SHRINKAGE] = { "shrinkage", 0.4, 0.85, 0.01, 0.999, false },
	/* a smaller share of the chunks ends the query */
	[LEAST_FRONTIER] = { "least_frontier", 0.01, 0.1, 0.001, 1, true },
	[NR_CHUNKS] = { "nr_chunks", 64, CHUNKS_MAX, 2, CHUNKS_MAX, true },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-6, 1e-3, 0, 1e6, true },
};

/* The frontier holds the @nr_active most popular chunks; only what enters or leaves it changes. */
static void set_frontier(struct workload *w, size_t nr_active, uint64_t now_us)
{
	const struct chunks *edges = &w->state.graph.edges;
	const size_t before = w->state.graph.nr_active;

	for (size_t i = 0; i < edges->nr; i++) {
		const size_t rank = edges->rank[i], first = chunks_start(edges, i);
		const bool in = rank < nr_active;

		if (in != (rank < before))
			workload_set_rates(w, first, chunks_start(edges, i + 1) - first,
					   in ? chunks_rate(edges, i) :
						workload_own(w, BACKGROUND_RATE_HZ), now_us);
	}
	w->state.graph.nr_active = nr_active;
	w->next_event_us = now_us + (uint64_t)(workload_own(w, ITERATION_S) * 1e6);
}

static void init(struct workload *w)
{
	struct part rest;
	size_t next = 0;

	w->state.graph.vertices = workload_take(w, &next, workload_own(w, VERTEX_SHARE));
	rest = workload_take_rest(w, next);
	chunks_init(&w->state.graph.edges, rest.first, rest.nr,
		    (size_t)workload_own(w, NR_CHUNKS), workload_own(w, SKEW), 0.0,
		    workload_own(w, MEAN_RATE_HZ), &w->rng);
	workload_touch_all(w);
	workload_set_part(w, w->state.graph.vertices, workload_own(w, HOT_RATE_HZ), 0);
	set_frontier(w, w->state.graph.edges.nr, 0);
	w->busy_threads = workload_full_activity(w);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const double nr = (double)w->state.graph.edges.nr;
	const double next = (double)w->state.graph.nr_active * workload_own(w, SHRINKAGE);

	if (now_us < w->next_event_us)
		return;
	if (next < 1.0 || next < nr * workload_own(w, LEAST_FRONTIER))
		set_frontier(w, w->state.graph.edges.nr, now_us);
	else
		set_frontier(w, (size_t)next, now_us);
}

const struct workload_family workload_graph = {
	.name = "graph",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
	.common = common,
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An inference server: the model's weights are hot while requests run; each request fills a part
 * of the cache as it goes on, which is given back, or kept for a while, when it ends.
 */
#include <math.h>

#include "workload.h"

enum {
	WEIGHTS_SHARE,
	NR_SLOTS,
	LOAD,
	REQUEST_S,
	FILLED_SHARE,
	KEEP_SHARE,
	HOT_RATE_HZ,
	CACHE_RATE_HZ,
	IDLE_ACTIVITY,
	NR_OWN
};

static const struct param common[WL_NR_COMMON] = {
	[WL_MEMORY_BOUND_SHARE] = { "memory_bound_share", 0.4, 0.8, 0, 1, false },
};

static const struct param params[NR_OWN] = {
	[WEIGHTS_SHARE] = { "weights_share", 0.2, 0.6, 0.001, 0.9, false },
	[NR_SLOTS] = { "nr_slots", 8, SLOTS_MAX, 1, SLOTS_MAX, true },
	/* arrivals over what the slots could take on average */
	[LOAD] = { "load", 0.05, 0.9, 0.001, 10, true },
	[REQUEST_S] = { "request_s", 2, 40, 0.1, 1e6, true },
	/* of the pages of a block of the cache; huge pages fill up the rest */
	[FILLED_SHARE] = { "filled_share", 0.3, 0.9, 0.01, 1, false },
	/* requests whose cache stays, unused, until the place is needed */
	[KEEP_SHARE] = { "keep_share", 0, 0.8, 0, 1, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 5, 50, 0, 1e6, true },
	[CACHE_RATE_HZ] = { "cache_rate_hz", 5, 50, 0, 1e6, true },
	[IDLE_ACTIVITY] = { "idle_activity", 0.005, 0.05, 0.001, 1, true },
};

/* Weights count as hot until this long after the last request. */
#define COOLING_US 3000000

static struct part slot_part(const struct workload *w, size_t index)
{
	return workload_slot(w->state.inference.cache, w->state.inference.nr_slots, index);
}

static void set_hot(struct workload *w, bool hot, uint64_t now_us)
{
	if (hot == w->state.inference.hot)
		return;
	w->state.inference.hot = hot;
	workload_set_part(w, w->state.inference.weights, hot ? workload_own(w, HOT_RATE_HZ) : 0.0,
			  now_us);
}

static void free_slot(struct workload *w, size_t index, uint64_t now_us)
{
	struct slot *slot = &w->state.inference.slots[index];

	workload_set_touched(w, slot_part(w, index).first, slot->touched, 0.0, now_us);
	slot->touched = 0;
}

static void start_request(struct workload *w, size_t index, uint64_t now_us)
{
	struct slot *slot = &w->state.inference.slots[index];
	const double nr = (double)slot_part(w, index).nr;

	free_slot(w, index, now_us);
	slot->busy = true;
	slot->start_us = now_us;
	slot->end_us = now_us + WORKLOAD_TICK_US +
		       workload_wait_us(w, workload_own(w, REQUEST_S));
	slot->wanted = (size_t)ceil(nr * rng_between(&w->rng, 0.1, 1.0));
	w->state.inference.nr_busy++;
}

static void end_request(struct workload *w, size_t index, uint64_t now_us)
{
	struct slot *slot = &w->state.inference.slots[index];

	workload_set_rates(w, slot_part(w, index).first, slot->touched, 0.0, now_us);
	if (rng_unit(&w->rng) >= workload_own(w, KEEP_SHARE))
		free_slot(w, index, now_us);
	slot->busy = false;
	w->state.inference.idle_since_us = now_us;
	w->state.inference.nr_busy--;
}

static void fill(struct workload *w, size_t index, uint64_t now_us)
{
	struct slot *slot = &w->state.inference.slots[index];
	const double over = (double)(now_us - slot->start_us) /
			    (double)(slot->end_us - slot->start_us);
	const size_t first = slot_part(w, index).first;
	const size_t until = (size_t)ceil(over * (double)slot->wanted);

	for (; slot->touched < until; slot->touched++) {
		memory_set_touched(w->memory, first + slot->touched,
				   workload_own(w, FILLED_SHARE), now_us);
		memory_set_rate(w->memory, first + slot->touched, workload_own(w, CACHE_RATE_HZ),
				now_us);
	}
}

/* A request that finds all slots busy is turned away. */
static void arrive(struct workload *w, uint64_t now_us)
{
	const double requests_per_s = workload_own(w, LOAD) *
				      (double)w->state.inference.nr_slots /
				      workload_own(w, REQUEST_S);
	const size_t nr = w->state.inference.nr_slots, start = rng_below(&w->rng, nr);

	for (size_t i = 0; i < nr; i++) {
		if (w->state.inference.slots[(start + i) % nr].busy)
			continue;
		start_request(w, (start + i) % nr, now_us);
		break;
	}
	w->next_event_us = now_us + workload_wait_us(w, 1.0 / requests_per_s);
}

static void update_activity(struct workload *w)
{
	const double busy = (double)w->state.inference.nr_busy /
			    (double)w->state.inference.nr_slots;

	w->busy_threads = workload_full_activity(w) * fmax(busy, workload_own(w, IDLE_ACTIVITY));
}

static void tick(struct workload *w, uint64_t now_us)
{
	for (size_t i = 0; i < w->state.inference.nr_slots; i++) {
		if (!w->state.inference.slots[i].busy)
			continue;
		if (now_us >= w->state.inference.slots[i].end_us)
			end_request(w, i, now_us);
		else
			fill(w, i, now_us);
	}
	if (now_us >= w->next_event_us)
		arrive(w, now_us);
	set_hot(w, w->state.inference.nr_busy ||
		   now_us < w->state.inference.idle_since_us + COOLING_US, now_us);
	update_activity(w);
}

static void init(struct workload *w)
{
	size_t next = 0, nr = (size_t)workload_own(w, NR_SLOTS);

	w->state.inference.weights = workload_take(w, &next, workload_own(w, WEIGHTS_SHARE));
	w->state.inference.cache = workload_take_rest(w, next);
	w->state.inference.nr_slots =
		nr < w->state.inference.cache.nr ? nr : w->state.inference.cache.nr;
	workload_set_touched(w, 0, w->state.inference.weights.nr, 1.0, 0);
	set_hot(w, true, 0);
	update_activity(w);
}

const struct workload_family workload_inference = {
	.name = "inference",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
	.common = common,
};

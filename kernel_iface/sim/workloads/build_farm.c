/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A build farm: jobs come and go.  Each fills its memory while it runs, uses some of it much, and
 * gives all of it back; what all of them read (sources, compilers) stays warm.
 */
#include <math.h>

#include "workload.h"

enum {
	KEPT_SHARE,
	NR_SLOTS,
	LOAD,
	JOB_S,
	WANTED_SHARE,
	HOT_SHARE,
	FILLED_SHARE,
	HOT_RATE_HZ,
	KEPT_RATE_HZ,
	BACKGROUND_RATE_HZ,
	NR_OWN
};

static const struct param params[NR_OWN] = {
	[KEPT_SHARE] = { "kept_share", 0.05, 0.25, 0.001, 0.9, false },
	[NR_SLOTS] = { "nr_slots", 4, 32.99, 1, SLOTS_MAX, true },
	/* arrivals over what the slots could take on average */
	[LOAD] = { "load", 0.2, 1, 0.001, 10, false },
	[JOB_S] = { "job_s", 5, 120, 0.1, 1e6, true },
	/* of a slot's memory, what a job takes at most; at least it takes half of that */
	[WANTED_SHARE] = { "wanted_share", 0.3, 1, 0.001, 1, false },
	[HOT_SHARE] = { "hot_share", 0.1, 0.6, 0, 1, false },
	/* of the pages of a block that a job has touched; huge pages fill up the rest */
	[FILLED_SHARE] = { "filled_share", 0.4, 1, 0.01, 1, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 5, 100, 0, 1e6, true },
	[KEPT_RATE_HZ] = { "kept_rate_hz", 0.01, 2, 0, 1e6, true },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-4, 1e-2, 0, 1e6, true },
};

/* Memory is filled in the first part of a job. */
#define FILLING_SHARE 0.6
/* The farm itself, with no job. */
#define IDLE_ACTIVITY 0.02

static void update_activity(struct workload *w)
{
	const double busy = (double)w->state.farm.nr_busy / (double)w->state.farm.nr_slots;

	w->busy_threads = workload_full_activity(w) * fmax(busy, IDLE_ACTIVITY);
}

static struct part slot_part(const struct workload *w, size_t index)
{
	return workload_slot(w->state.farm.jobs, w->state.farm.nr_slots, index);
}

static void start_job(struct workload *w, size_t index, uint64_t now_us)
{
	struct slot *slot = &w->state.farm.slots[index];
	const double share = workload_own(w, WANTED_SHARE) * rng_between(&w->rng, 0.5, 1.0);
	const size_t nr = slot_part(w, index).nr;

	slot->busy = true;
	slot->start_us = now_us;
	slot->end_us = now_us + WORKLOAD_TICK_US + workload_wait_us(w, workload_own(w, JOB_S));
	slot->wanted = (size_t)ceil(share * (double)nr);
	w->state.farm.nr_busy++;
}

static void end_job(struct workload *w, size_t index, uint64_t now_us)
{
	struct slot *slot = &w->state.farm.slots[index];
	const size_t first = slot_part(w, index).first;

	workload_set_rates(w, first, slot->touched, 0.0, now_us);
	workload_set_touched(w, first, slot->touched, 0.0, now_us);
	slot->busy = false;
	slot->touched = 0;
	w->state.farm.nr_busy--;
}

static void fill(struct workload *w, size_t index, uint64_t now_us)
{
	struct slot *slot = &w->state.farm.slots[index];
	const size_t first = slot_part(w, index).first;
	const double age = (double)(now_us - slot->start_us);
	const double length = (double)(slot->end_us - slot->start_us) * FILLING_SHARE;
	const size_t until = (size_t)(fmin(age / length, 1.0) * (double)slot->wanted);
	const size_t hot = (size_t)(workload_own(w, HOT_SHARE) * (double)slot->wanted);

	for (; slot->touched < until; slot->touched++) {
		size_t block = first + slot->touched;

		memory_set_touched(w->memory, block, workload_own(w, FILLED_SHARE), now_us);
		memory_set_rate(w->memory, block,
				workload_own(w, slot->touched < hot ? HOT_RATE_HZ :
								      BACKGROUND_RATE_HZ), now_us);
	}
}

/* A job that finds no slot goes elsewhere. */
static void arrive(struct workload *w, uint64_t now_us)
{
	const double jobs_per_s = workload_own(w, LOAD) * (double)w->state.farm.nr_slots /
				  workload_own(w, JOB_S);
	const size_t nr = w->state.farm.nr_slots, start = rng_below(&w->rng, nr);

	for (size_t i = 0; i < nr; i++) {
		if (w->state.farm.slots[(start + i) % nr].busy)
			continue;
		start_job(w, (start + i) % nr, now_us);
		break;
	}
	w->next_event_us = now_us + workload_wait_us(w, 1.0 / jobs_per_s);
}

static void tick(struct workload *w, uint64_t now_us)
{
	for (size_t i = 0; i < w->state.farm.nr_slots; i++) {
		if (!w->state.farm.slots[i].busy)
			continue;
		if (now_us >= w->state.farm.slots[i].end_us)
			end_job(w, i, now_us);
		else
			fill(w, i, now_us);
	}
	if (now_us >= w->next_event_us)
		arrive(w, now_us);
	update_activity(w);
}

static void init(struct workload *w)
{
	size_t next = 0, nr = (size_t)workload_own(w, NR_SLOTS);

	w->state.farm.kept = workload_take(w, &next, workload_own(w, KEPT_SHARE));
	w->state.farm.jobs = workload_take_rest(w, next);
	w->state.farm.nr_slots = nr < w->state.farm.jobs.nr ? nr : w->state.farm.jobs.nr;
	workload_set_file(w, w->state.farm.kept);
	workload_set_touched(w, 0, w->state.farm.kept.nr, 1.0, 0);
	workload_set_part(w, w->state.farm.kept, workload_own(w, KEPT_RATE_HZ), 0);
	update_activity(w);
}

const struct workload_family workload_build_farm = {
	.name = "build_farm",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Idle after start-up: everything is used once, then little; now and then a part wakes up. */
#include "workload.h"

enum {
	STARTUP_S,
	KEPT_SHARE,
	HOT_RATE_HZ,
	WAKE_INTERVAL_S,
	WAKE_SHARE,
	WAKE_S,
	IDLE_ACTIVITY,
	BACKGROUND_RATE_HZ,
	NR_OWN
};

static const struct param params[NR_OWN] = {
	[STARTUP_S] = { "startup_s", 10, 60, 0.1, 1e6, true },
	[KEPT_SHARE] = { "kept_share", 0.01, 0.15, 0.001, 1, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 5, 100, 0, 1e6, true },
	[WAKE_INTERVAL_S] = { "wake_interval_s", 60, 600, 1, 1e6, true },
	[WAKE_SHARE] = { "wake_share", 0.01, 0.2, 0.001, 1, false },
	[WAKE_S] = { "wake_s", 5, 30, 0.1, 1e6, true },
	[IDLE_ACTIVITY] = { "idle_activity", 0.05, 0.5, 0.001, 1, true },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-7, 3e-4, 0, 1e6, true },
};

static void schedule_wake(struct workload *w, uint64_t now_us)
{
	w->next_event_us = now_us + workload_wait_us(w, workload_own(w, WAKE_INTERVAL_S));
}

/* What is kept in use lies at the start; what wakes up does so anywhere behind it. */
static void set_awake(struct workload *w, bool awake, uint64_t now_us)
{
	const size_t kept = workload_blocks(w, workload_own(w, KEPT_SHARE));
	const double rate_hz = workload_own(w, awake ? HOT_RATE_HZ : BACKGROUND_RATE_HZ);
	size_t nr = workload_blocks(w, workload_own(w, WAKE_SHARE));

	if (nr > w->memory->nr_blocks - kept)
		nr = w->memory->nr_blocks - kept;
	if (awake)
		w->state.idle.wake_start =
			kept + rng_below(&w->rng, w->memory->nr_blocks - kept - nr + 1);
	workload_set_rates(w, w->state.idle.wake_start, nr, rate_hz, now_us);
	w->state.idle.awake = awake;
	w->busy_threads =
		workload_full_activity(w) * (awake ? 1.0 : workload_own(w, IDLE_ACTIVITY));
}

static void init(struct workload *w)
{
	workload_touch_all(w);
	workload_set_rates(w, 0, w->memory->nr_blocks, workload_own(w, HOT_RATE_HZ), 0);
	w->state.idle.started = w->state.idle.awake = false;
	w->busy_threads = workload_full_activity(w);
	w->next_event_us = (uint64_t)(workload_own(w, STARTUP_S) * 1e6);
}

static void tick(struct workload *w, uint64_t now_us)
{
	const size_t kept = workload_blocks(w, workload_own(w, KEPT_SHARE));

	if (now_us < w->next_event_us)
		return;
	if (!w->state.idle.started) {
		w->state.idle.started = true;
		workload_set_rates(w, kept, w->memory->nr_blocks - kept,
				   workload_own(w, BACKGROUND_RATE_HZ), now_us);
		w->state.idle.wake_start = kept;
		set_awake(w, false, now_us);
		schedule_wake(w, now_us);
	} else if (!w->state.idle.awake) {
		set_awake(w, true, now_us);
		w->next_event_us = now_us + (uint64_t)(workload_own(w, WAKE_S) * 1e6);
	} else {
		set_awake(w, false, now_us);
		schedule_wake(w, now_us);
	}
}

const struct workload_family workload_idle = {
	.name = "idle",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
};

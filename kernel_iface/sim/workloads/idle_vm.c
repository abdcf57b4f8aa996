/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An idle guest: after boot nearly nothing is used but the kernel; timers wake a service now and
 * then, which reads some files as well; a part of its memory was never touched at all.
 */
#include "workload.h"

enum {
	BOOT_S,
	KERNEL_SHARE,
	PAGE_CACHE_SHARE,
	TOUCHED_SHARE,
	FILLED_SHARE,
	TIMER_S,
	AWAKE_S,
	WOKEN_SHARE,
	HOT_RATE_HZ,
	IDLE_ACTIVITY,
	BACKGROUND_RATE_HZ,
	NR_OWN
};

static const struct param common[WL_NR_COMMON] = {
	[WL_TLB_SHARE] = { "tlb_share", 0, 0.03, 0, 0.9, false },
};

static const struct param params[NR_OWN] = {
	[BOOT_S] = { "boot_s", 10, 60, 0.1, 1e6, true },
	[KERNEL_SHARE] = { "kernel_share", 0.01, 0.06, 0.001, 0.9, true },
	[PAGE_CACHE_SHARE] = { "page_cache_share", 0.1, 0.4, 0.001, 0.9, false },
	/* of the rest, what services have touched, */
	[TOUCHED_SHARE] = { "touched_share", 0.3, 1, 0.001, 1, false },
	/* and of the pages of those blocks; huge pages fill up the rest */
	[FILLED_SHARE] = { "filled_share", 0.4, 1, 0.01, 1, false },
	[TIMER_S] = { "timer_s", 60, 900, 1, 1e6, true },
	[AWAKE_S] = { "awake_s", 2, 20, 0.1, 1e6, true },
	[WOKEN_SHARE] = { "woken_share", 0.005, 0.05, 0.001, 1, true },
	[HOT_RATE_HZ] = { "hot_rate_hz", 2, 50, 0, 1e6, true },
	[IDLE_ACTIVITY] = { "idle_activity", 0.005, 0.05, 0.001, 1, true },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-7, 1e-4, 0, 1e6, true },
};

/* A random piece of @part, of as many blocks as a timer wakes. */
static struct part piece(struct workload *w, struct part part)
{
	const size_t wanted = workload_blocks(w, workload_own(w, WOKEN_SHARE));
	const size_t nr = wanted < part.nr ? wanted : part.nr;

	return (struct part){ part.first + rng_below(&w->rng, part.nr - nr + 1), nr };
}

static void sleep_until_timer(struct workload *w, uint64_t now_us)
{
	const uint64_t timer_us = (uint64_t)(workload_own(w, TIMER_S) * 1e6);

	w->state.vm.awake = false;
	/* timers are set by the clock, not by when the last one ended */
	w->next_event_us = (now_us / timer_us + 1) * timer_us;
	w->busy_threads = workload_full_activity(w) * workload_own(w, IDLE_ACTIVITY);
}

static void set_awake(struct workload *w, double rate_hz, uint64_t now_us)
{
	workload_set_part(w, w->state.vm.woken, rate_hz, now_us);
	workload_set_part(w, w->state.vm.read, rate_hz, now_us);
}

static void finish_boot(struct workload *w, uint64_t now_us)
{
	w->state.vm.booted = true;
	workload_set_part(w, w->state.vm.page_cache, workload_own(w, BACKGROUND_RATE_HZ), now_us);
	workload_set_part(w, w->state.vm.rest, workload_own(w, BACKGROUND_RATE_HZ), now_us);
	sleep_until_timer(w, now_us);
}

static void wake(struct workload *w, uint64_t now_us)
{
	w->state.vm.awake = true;
	w->state.vm.woken = piece(w, w->state.vm.rest);
	w->state.vm.read = piece(w, w->state.vm.page_cache);
	set_awake(w, workload_own(w, HOT_RATE_HZ), now_us);
	w->next_event_us = now_us + (uint64_t)(workload_own(w, AWAKE_S) * 1e6);
	w->busy_threads = workload_full_activity(w);
}

static void tick(struct workload *w, uint64_t now_us)
{
	if (now_us < w->next_event_us)
		return;
	if (!w->state.vm.booted) {
		finish_boot(w, now_us);
	} else if (!w->state.vm.awake) {
		wake(w, now_us);
	} else {
		set_awake(w, workload_own(w, BACKGROUND_RATE_HZ), now_us);
		sleep_until_timer(w, now_us);
	}
}

static void init(struct workload *w)
{
	struct part *rest = &w->state.vm.rest;
	size_t next = 0;

	w->state.vm.kernel = workload_take(w, &next, workload_own(w, KERNEL_SHARE));
	w->state.vm.page_cache = workload_take(w, &next, workload_own(w, PAGE_CACHE_SHARE));
	*rest = workload_take_rest(w, next);
	rest->nr = (size_t)((double)rest->nr * workload_own(w, TOUCHED_SHARE));
	workload_set_file(w, w->state.vm.page_cache);
	workload_set_touched(w, 0, next, 1.0, 0);
	workload_set_touched(w, rest->first, rest->nr, workload_own(w, FILLED_SHARE), 0);
	workload_set_rates(w, 0, rest->first + rest->nr, workload_own(w, HOT_RATE_HZ), 0);
	w->next_event_us = (uint64_t)(workload_own(w, BOOT_S) * 1e6);
	w->busy_threads = workload_full_activity(w);
}

const struct workload_family workload_idle_vm = {
	.name = "idle_vm",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
	.common = common,
};

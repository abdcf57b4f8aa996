/* SPDX-License-Identifier: Apache-2.0 */
#include "sweep.h"

#include "workload.h"

static void leave(struct workload *w, const struct sweep *s, const struct window *window,
		  const struct window *next, uint64_t now_us)
{
	for (size_t i = window->first; i < window->last; i++)
		if (i < next->first || i >= next->last)
			memory_set_rate(w->memory, i, s->rate_behind(w, i), now_us);
}

void sweep_to(struct workload *w, const struct sweep *s, struct window *window, double progress,
	      uint64_t now_us)
{
	const double nr = (double)s->nr_blocks;
	const double stride = nr * (double)WORKLOAD_TICK_US / s->pass_us;
	const double wide = (double)s->window_blocks + stride;
	const double stay_s = wide / nr * s->pass_us * 1e-6;
	const size_t end = s->first_block + s->nr_blocks;
	const size_t first = s->first_block + (size_t)(progress * nr);
	struct window next = { first, end };

	if ((double)(end - first) > wide)
		next.last = first + (size_t)wide;
	if (next.first == window->first && next.last == window->last)
		return;
	leave(w, s, window, &next, now_us);
	for (size_t i = next.first; i < next.last; i++)
		memory_set_rate(w->memory, i, SWEEP_ACCESSES / stay_s, now_us);
	*window = next;
}

void sweep_end(struct workload *w, const struct sweep *s, struct window *window, uint64_t now_us)
{
	const struct window none = { 0, 0 };

	leave(w, s, window, &none, now_us);
	*window = none;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"

#include <math.h>
#include <string.h>

void decider_init(struct decider *d, double budget)
{
	memset(d, 0, sizeof(*d));
	d->budget = budget;
	guard_init(&d->guard);
}

void decider_observe(struct decider *d, const struct snapshot *snapshot, unsigned tripped,
		     float *observation)
{
	d->tenant_bytes = snapshot_tenant_bytes(snapshot);
	d->aggr_us = snapshot->aggr_us;
	if (!d->started) {
		d->started = true;
		d->knobs = knobs_initial(d->tenant_bytes);
	}
	rates_update(&d->rates, snapshot);
	d->reasons = guard_watch(&d->guard, &d->rates, d->budget, &d->knobs, tripped);
	observe(snapshot, &d->rates, &d->knobs, guard_hold(&d->guard), d->budget, observation);
}

void decider_act(struct decider *d, const float *action, struct scheme *scheme)
{
	struct knobs knobs = knobs_decode(action, d->tenant_bytes);

	/* fmin and fmax in the decoding swallow NaN, and the guard must see it */
	for (int i = 0; i < NR_KNOBS; i++)
		if (!isfinite(action[i]))
			knobs.value[i] = NAN;
	d->reasons |= guard_bound(&d->guard, &d->knobs, &knobs);
	d->knobs = knobs;
	knobs_plan(&d->knobs, d->aggr_us, scheme);
}

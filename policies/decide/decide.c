/* SPDX-License-Identifier: Apache-2.0 */
#include "decide.h"

#include <stdlib.h>
#include <string.h>

bool decider_init(struct decider *d, unsigned groups, double budget)
{
	struct recall *recall = d->recall;

	memset(d, 0, sizeof(*d));
	d->groups = groups;
	d->budget = budget;
	d->acted_age = UINT32_MAX;
	d->rates.min_worked_share = MIN_WORKED_SHARE;
	guard_init(&d->guard);
	if (recall_is_needed(groups) && !recall)
		recall = malloc(sizeof(*recall));
	d->recall = recall;
	if (recall)
		recall_init(recall);
	return recall || !recall_is_needed(groups);
}

void decider_destroy(struct decider *d)
{
	free(d->recall);
	d->recall = NULL;
}

static void note_input(struct decider *d, const struct snapshot *s)
{
	d->input = (struct plan_input){
		.sample_us = s->sample_us,
		.aggr_us = s->aggr_us,
		.memory_bytes = s->memory_total_bytes + s->offline_bytes,
		.fast_total_bytes = s->fast_total_bytes,
		.fast_free_bytes = s->fast_free_bytes,
	};
}

void decider_observe(struct decider *d, const struct snapshot *snapshot, unsigned tripped,
		     float *observation)
{
	struct told told = { .rates = &d->rates, .knobs = &d->knobs, .budget = d->budget };

	d->tenant_bytes = snapshot_tenant_bytes(snapshot);
	note_input(d, snapshot);
	if (!d->started) {
		d->started = true;
		d->knobs = knobs_initial(d->tenant_bytes);
	}
	rates_update(&d->rates, snapshot);
	if (d->groups & GROUP_BIT(GROUP_ADAPTIVE)) {
		returns_update(&d->returns, snapshot, d->acted_age, d->budget,
			       d->rates.min_worked_share);
		bearable_update(&d->bearable, snapshot, &d->rates, d->budget);
	}
	if (d->recall)
		recall_update(d->recall, snapshot, d->acted_age);
	d->reasons = guard_watch(&d->guard, &d->rates, d->budget, &d->knobs, tripped);
	told.hold = guard_hold(&d->guard);
	told.returns = &d->returns;
	told.bearable = &d->bearable;
	told.recall = d->recall;
	observe(snapshot, &told, d->groups, observation);
}

void decider_act(struct decider *d, const float *action, struct plan *plan)
{
	const struct knob_scale scale = {
		.tenant_bytes = d->tenant_bytes,
		.bearable_bytes_per_s = d->bearable.bytes_per_s,
	};
	struct knobs knobs = knobs_decode(action, d->groups, &scale);

	d->reasons |= guard_bound(&d->guard, &d->knobs, &knobs);
	d->knobs = knobs;
	if (d->recall && d->groups & GROUP_BIT(GROUP_PREDICTION))
		recall_plan(d->recall, &d->knobs, &d->input);
	plan_make(&d->knobs, d->groups, &d->input, plan);
	d->acted_age = plan_acted_age(plan);
}

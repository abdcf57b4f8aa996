/* SPDX-License-Identifier: Apache-2.0 */
#include "recall.h"

/* What is needed before the decision after the next one is brought back now. */
#define STEPS_AHEAD 2.0

bool recall_is_needed(unsigned groups)
{
	return groups & (GROUP_BIT(GROUP_PREDICTION) | GROUP_BIT(GROUP_ATTRIBUTES));
}

void recall_init(struct recall *r)
{
	history_init(&r->history);
	forecast_init(&r->forecast);
	attributes_init(&r->attributes);
}

void recall_update(struct recall *r, const struct snapshot *snapshot, uint32_t acted_age)
{
	history_update(&r->history, snapshot, acted_age);
	forecast_update(&r->forecast, &r->history, snapshot);
	attributes_update(&r->attributes, &r->history, snapshot, acted_age);
}

static size_t ranges_within(const struct recall *r, double horizon_s, struct address_range *ranges)
{
	struct forecast_range needed[PLAN_MAX_RANGES];
	const size_t nr = forecast_needed(&r->forecast, &r->history, horizon_s, needed,
					  PLAN_MAX_RANGES);

	for (size_t i = 0; i < nr; i++)
		ranges[i] = (struct address_range){ needed[i].start, needed[i].end };
	return nr;
}

void recall_plan(const struct recall *r, const struct knobs *knobs, struct plan_input *input)
{
	const double step_s = history_depth(&r->history) > 1 ?
				      (double)history_step_us(&r->history, 0) * 1e-6 : 0.0;

	input->nr_protected =
		ranges_within(r, knobs->value[KNOB_PROTECT_HORIZON_S], input->protected);
	input->nr_ahead = ranges_within(r, STEPS_AHEAD * step_s, input->ahead);
}

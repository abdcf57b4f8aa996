/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision path of one tenant: snapshot, observation, action, knobs, guard, plan.
 *
 * It is written once and runs in training, in the benchmark and on a live host.
 */
#ifndef DT_DECIDE_H
#define DT_DECIDE_H

#include "bearable.h"
#include "guard.h"
#include "knobs.h"
#include "observe.h"
#include "recall.h"

struct decider {
	unsigned groups;
	struct rates rates;
	struct guard guard;
	struct knobs knobs;
	bool started;
	double budget;
	double tenant_bytes;
	struct plan_input input;
	struct returns returns;
	struct bearable bearable;
	/* the least age, in aggregations, at which a scheme that runs acts */
	uint32_t acted_age;
	/* NULL where the groups do not need it */
	struct recall *recall;
	unsigned reasons;
};

/*
 * @decider is zeroed, or was initialised before; @groups are those whose knobs the policy sets, at
 * least one that has knobs.  False when memory is out.
 */
bool decider_init(struct decider *decider, unsigned groups, double budget);
void decider_destroy(struct decider *decider);
/*
 * Take in a snapshot and fill @observation, features_count(groups) floats.  @tripped are the
 * guard's reasons of GUARD_OUTSIDE.
 */
void decider_observe(struct decider *decider, const struct snapshot *snapshot, unsigned tripped,
		     float *observation);
/* Turn the answer to the last observation, knobs_count(groups) floats, into @plan. */
void decider_act(struct decider *decider, const float *action, struct plan *plan);

#endif

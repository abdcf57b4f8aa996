/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decision path of one tenant: snapshot, observation, action, knobs, guard, scheme.
 *
 * It is written once and runs in training, in the benchmark and on a live host.
 */
#ifndef DT_DECIDE_H
#define DT_DECIDE_H

#include "guard.h"
#include "knobs.h"
#include "observe.h"

struct decider {
	struct rates rates;
	struct guard guard;
	struct knobs knobs;
	bool started;
	double budget;
	double tenant_bytes;
	uint64_t aggr_us;
	unsigned reasons;
};

void decider_init(struct decider *decider, double budget);
/*
 * Take in a snapshot and fill @observation, of NR_FEATURES floats.  @tripped are the guard's
 * reasons of GUARD_OUTSIDE.
 */
void decider_observe(struct decider *decider, const struct snapshot *snapshot, unsigned tripped,
		     float *observation);
/* Turn the answer to the last observation, NR_KNOBS floats, into @scheme. */
void decider_act(struct decider *decider, const float *action, struct scheme *scheme);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many simulated hosts, stepped together on several threads.
 *
 * A row is one tenant of one host: every host has the same number of them.
 */
#ifndef DT_BATCH_H
#define DT_BATCH_H

#include "decide.h"
#include "simhost.h"

#define NR_TRUTH (sizeof(struct truth) / sizeof(double))

struct batch {
	/* what the decision path of every row decides, and so how long actions and observations are */
	unsigned groups;
	size_t nr_knobs;
	size_t nr_features;
	struct sampling sampling;
	size_t nr_hosts;
	size_t nr_tenants;
	size_t nr_threads;
	struct sim_host *hosts;
	/* by row */
	struct decider *deciders;
};

/* So long a step is a mistake, and would end no more. */
#define MAX_STEP_US (1ULL << 40)

/*
 * One control interval of every host.  With @actions (rows * nr_knobs) the decision path sets the
 * schemes first; without, the schemes stay.  @observations (rows * nr_features) and @truth
 * (rows * NR_TRUTH, differences over this interval) may be NULL.
 */
struct batch_step {
	uint64_t us;
	const float *actions;
	float *observations;
	double *truth;
};

struct batch_size {
	size_t nr_hosts;
	size_t nr_tenants;
	size_t nr_threads;
};

bool batch_init(struct batch *batch, const struct batch_size *size, unsigned groups,
		const struct damon_attrs *attrs, enum sampler sampler);
void batch_destroy(struct batch *batch);
/*
 * Draw a new episode for one host and observe it.  There is one spec and one budget a tenant.
 * @observations (nr_tenants * nr_features) may be NULL.
 */
bool batch_reset(struct batch *batch, size_t host, const struct sim_spec *const *specs,
		 const double *budgets, uint64_t seed, float *observations);
/* Whether the decision path can act on @host: its contexts are those of a reset. */
bool batch_can_act(const struct batch *batch, size_t host);
/* False when memory ran out in some host. */
bool batch_run(struct batch *batch, const struct batch_step *step);

#endif

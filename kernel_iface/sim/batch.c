/* SPDX-License-Identifier: Apache-2.0 */
#include "batch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct run {
	struct batch *batch;
	const struct batch_step *step;
	atomic_size_t next_host;
	atomic_bool failed;
};

bool batch_init(struct batch *b, size_t nr_hosts, size_t nr_threads,
		const struct damon_attrs *attrs, enum sampler sampler)
{
	*b = (struct batch){
		.attrs = *attrs, .sampler = sampler, .nr_hosts = nr_hosts,
		.nr_threads = nr_threads,
		.hosts = calloc(nr_hosts, sizeof(*b->hosts)),
		.deciders = calloc(nr_hosts, sizeof(*b->deciders)),
	};
	if (b->hosts && b->deciders)
		return true;
	batch_destroy(b);
	return false;
}

void batch_destroy(struct batch *b)
{
	for (size_t i = 0; b->hosts && i < b->nr_hosts; i++)
		sim_host_destroy(&b->hosts[i]);
	free(b->hosts);
	free(b->deciders);
	memset(b, 0, sizeof(*b));
}

/* The decision path always watches, also where nobody reads the observation. */
static bool observe_host(struct batch *b, size_t i, float *observation)
{
	float unread[NR_FEATURES];
	struct snapshot snapshot;

	if (!sim_host_snapshot(&b->hosts[i], &snapshot))
		return false;
	decider_observe(&b->deciders[i], &snapshot, observation ? observation : unread);
	return true;
}

bool batch_reset(struct batch *b, size_t i, const struct sim_spec *spec, uint64_t seed,
		 double budget, float *observation)
{
	decider_init(&b->deciders[i], budget);
	if (sim_host_reset(&b->hosts[i], spec, &b->attrs, b->sampler, seed) &&
	    observe_host(b, i, observation))
		return true;
	/* half an episode is none: the host must be reset again */
	memory_destroy(&b->hosts[i].memory);
	return false;
}

static void truth_difference(double *row, const struct truth *before, const struct truth *after)
{
	double a[NR_TRUTH], b[NR_TRUTH];

	memcpy(b, before, sizeof(b));
	memcpy(a, after, sizeof(a));
	for (size_t k = 0; k < NR_TRUTH; k++)
		row[k] = a[k] - b[k];
}

static bool step_host(struct batch *b, size_t i, const struct batch_step *step)
{
	struct sim_host *host = &b->hosts[i];
	struct truth before, after;
	struct scheme scheme;

	if (step->actions) {
		decider_act(&b->deciders[i], step->actions + i * NR_KNOBS, &scheme);
		sim_host_set_schemes(host, &scheme, 1);
	}
	sim_host_truth(host, &before);
	if (!sim_host_advance(host, step->us))
		return false;
	sim_host_truth(host, &after);
	if (step->truth)
		truth_difference(step->truth + i * NR_TRUTH, &before, &after);
	return observe_host(b, i, step->observations ? step->observations + i * NR_FEATURES : NULL);
}

static void *run_thread(void *data)
{
	struct run *run = data;
	size_t i;

	while ((i = atomic_fetch_add(&run->next_host, 1)) < run->batch->nr_hosts)
		if (!step_host(run->batch, i, run->step))
			atomic_store(&run->failed, true);
	return NULL;
}

/* Hosts share nothing, so the result does not depend on which thread takes which. */
bool batch_run(struct batch *b, const struct batch_step *step)
{
	struct run run = { .batch = b, .step = step };
	pthread_t threads[64];
	size_t wanted = b->nr_threads < b->nr_hosts ? b->nr_threads : b->nr_hosts, started = 0;

	for (; started + 1 < wanted && started < sizeof(threads) / sizeof(*threads); started++)
		if (pthread_create(&threads[started], NULL, run_thread, &run))
			break;
	run_thread(&run);
	while (started)
		pthread_join(threads[--started], NULL);
	return !atomic_load(&run.failed);
}

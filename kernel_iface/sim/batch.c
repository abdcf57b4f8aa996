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

bool batch_init(struct batch *b, size_t nr_hosts, size_t nr_tenants, size_t nr_threads,
		const struct damon_attrs *attrs, enum sampler sampler)
{
	memset(b, 0, sizeof(*b));
	b->sampling.attrs = *attrs;
	b->sampling.sampler = sampler;
	binomial_init(&b->sampling.binomial,
		      (uint32_t)u64_min(damon_nr_samples_per_aggr(attrs), BINOMIAL_MAX_N));
	b->nr_hosts = nr_hosts;
	b->nr_tenants = nr_tenants;
	b->nr_threads = nr_threads;
	b->hosts = calloc(nr_hosts, sizeof(*b->hosts));
	b->deciders = calloc(nr_hosts * nr_tenants, sizeof(*b->deciders));
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

bool batch_can_act(const struct batch *b, size_t host)
{
	const struct sim_host *h = &b->hosts[host];

	if (h->nr_contexts != b->nr_tenants)
		return false;
	for (size_t t = 0; t < b->nr_tenants; t++)
		if (h->contexts[t].spec.nr_targets != 1 || h->contexts[t].spec.targets[0] != t)
			return false;
	return true;
}

/* The decision path always watches, also where nobody reads the observation. */
static bool observe_host(struct batch *b, size_t i, float *observations)
{
	float unread[NR_FEATURES];
	struct snapshot snapshot;

	if (!batch_can_act(b, i))
		return true;
	for (size_t t = 0; t < b->nr_tenants; t++) {
		if (!sim_host_snapshot(&b->hosts[i], t, &snapshot))
			return false;
		decider_observe(&b->deciders[i * b->nr_tenants + t], &snapshot, 0,
				observations ? observations + t * NR_FEATURES : unread);
	}
	return true;
}

bool batch_reset(struct batch *b, size_t i, const struct sim_spec *const *specs,
		 const double *budgets, uint64_t seed, float *observations)
{
	for (size_t t = 0; t < b->nr_tenants; t++)
		decider_init(&b->deciders[i * b->nr_tenants + t], budgets[t]);
	return sim_host_reset(&b->hosts[i], specs, b->nr_tenants, &b->sampling, seed) &&
	       observe_host(b, i, observations);
}

static void add_truth(const struct sim_host *host, size_t tenant, double sign, double *row)
{
	struct truth truth;
	double values[NR_TRUTH];

	sim_host_truth(host, tenant, &truth);
	memcpy(values, &truth, sizeof(values));
	for (size_t k = 0; k < NR_TRUTH; k++)
		row[k] = sign > 0.0 ? row[k] + values[k] : -values[k];
}

static void act(struct batch *b, size_t i, const float *actions)
{
	struct scheme scheme;

	for (size_t t = 0; t < b->nr_tenants; t++) {
		const size_t row = i * b->nr_tenants + t;

		decider_act(&b->deciders[row], actions + row * NR_KNOBS, &scheme);
		kdamond_commit_schemes(&b->hosts[i].contexts[t].kdamond, &scheme, 1);
	}
}

static bool step_host(struct batch *b, size_t i, const struct batch_step *step)
{
	const size_t row = i * b->nr_tenants;
	struct sim_host *host = &b->hosts[i];

	if (step->actions)
		act(b, i, step->actions);
	for (size_t t = 0; step->truth && t < b->nr_tenants; t++)
		add_truth(host, t, -1.0, step->truth + (row + t) * NR_TRUTH);
	if (!sim_host_advance(host, step->us))
		return false;
	for (size_t t = 0; step->truth && t < b->nr_tenants; t++)
		add_truth(host, t, 1.0, step->truth + (row + t) * NR_TRUTH);
	return observe_host(b, i,
			    step->observations ? step->observations + row * NR_FEATURES : NULL);
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

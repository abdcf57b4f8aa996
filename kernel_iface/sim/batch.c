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

bool batch_init(struct batch *b, const struct batch_size *size, unsigned groups,
		const struct damon_attrs *attrs, enum sampler sampler)
{
	memset(b, 0, sizeof(*b));
	b->groups = groups;
	b->nr_knobs = knobs_count(groups);
	b->nr_features = features_count(groups);
	b->sampling.watches_nodes = groups & GROUP_BIT(GROUP_TIERING);
	b->sampling.attrs = *attrs;
	b->sampling.sampler = sampler;
	binomial_init(&b->sampling.binomial,
		      (uint32_t)u64_min(damon_nr_samples_per_aggr(attrs), BINOMIAL_MAX_N));
	b->nr_hosts = size->nr_hosts;
	b->nr_tenants = size->nr_tenants;
	b->nr_threads = size->nr_threads;
	b->hosts = calloc(b->nr_hosts, sizeof(*b->hosts));
	b->deciders = calloc(b->nr_hosts * b->nr_tenants, sizeof(*b->deciders));
	if (b->hosts && b->deciders)
		return true;
	batch_destroy(b);
	return false;
}

void batch_destroy(struct batch *b)
{
	for (size_t i = 0; b->hosts && i < b->nr_hosts; i++)
		sim_host_destroy(&b->hosts[i]);
	for (size_t i = 0; b->deciders && i < b->nr_hosts * b->nr_tenants; i++)
		decider_destroy(&b->deciders[i]);
	free(b->hosts);
	free(b->deciders);
	memset(b, 0, sizeof(*b));
}

bool batch_can_act(const struct batch *b, size_t host)
{
	return sim_host_has_own_contexts(&b->hosts[host]);
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
				observations ? observations + t * b->nr_features : unread);
	}
	return true;
}

bool batch_reset(struct batch *b, size_t i, const struct sim_spec *const *specs,
		 const double *budgets, uint64_t seed, float *observations)
{
	for (size_t t = 0; t < b->nr_tenants; t++)
		if (!decider_init(&b->deciders[i * b->nr_tenants + t], b->groups, budgets[t]))
			return false;
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

/* What each tenant has asked for of the nodes, and the most careful that all ask for. */
struct asked {
	struct scheme demote[WORLD_MAX_TENANTS];
	struct scheme promote[WORLD_MAX_TENANTS];
	bool has_power;
	uint64_t spare_bytes;
	double clock_cap;
};

/* Schemes of the nodes have their tenant's number: where there is none, one that does nothing. */
static struct scheme for_tenant(const struct scheme *scheme, bool wanted, size_t tenant,
				size_t nr_tenants, enum tier target)
{
	struct scheme s = wanted ? *scheme : (struct scheme){ .action = DAMOS_STAT };
	const struct damos_filter others = { .type = DAMOS_FILTER_MEMCG, .matching = false,
					     .allow = false, .memcg = (uint32_t)tenant };

	if (!wanted)
		return s;
	s.target_nid = (int32_t)target;
	if (nr_tenants > 1) {
		memmove(&s.filters[1], s.filters, s.nr_filters++ * sizeof(*s.filters));
		s.filters[0] = others;
	}
	return s;
}

static void ask(struct asked *asked, const struct plan *plan, size_t tenant, size_t nr_tenants)
{
	asked->demote[tenant] =
		for_tenant(&plan->demote, plan->demotes, tenant, nr_tenants, TIER_SLOW);
	asked->promote[tenant] =
		for_tenant(&plan->promote, plan->promotes, tenant, nr_tenants, TIER_FAST);
	if (!plan->has_power)
		return;
	asked->has_power = true;
	asked->spare_bytes = u64_max(asked->spare_bytes, plan->spare_bytes);
	if (plan->clock_cap > asked->clock_cap)
		asked->clock_cap = plan->clock_cap;
}

static void act(struct batch *b, size_t i, const float *actions)
{
	struct sim_host *h = &b->hosts[i];
	struct asked asked = { .has_power = false };
	struct plan plan;

	for (size_t t = 0; t < b->nr_tenants; t++) {
		const size_t row = i * b->nr_tenants + t;

		decider_act(&b->deciders[row], actions + row * b->nr_knobs, &plan);
		kdamond_commit_schemes(&h->contexts[t].kdamond, plan.schemes, plan.nr_schemes);
		ask(&asked, &plan, t, b->nr_tenants);
	}
	if (h->has_node_contexts) {
		kdamond_commit_schemes(&sim_host_node_context(h, TIER_FAST)->kdamond,
				       asked.demote, b->nr_tenants);
		kdamond_commit_schemes(&sim_host_node_context(h, TIER_SLOW)->kdamond,
				       asked.promote, b->nr_tenants);
	}
	if (asked.has_power)
		power_keep_spare(&h->world.machine.power,
				 (double)asked.spare_bytes / DT_PAGE_BYTES / PAGES_PER_GIB,
				 asked.clock_cap);
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
			    step->observations ? step->observations + row * b->nr_features : NULL);
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

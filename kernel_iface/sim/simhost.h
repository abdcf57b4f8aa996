/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One simulated host: its world, DAMON's contexts over it, and what can be observed.
 *
 * Where leaving the host alone could do anything but keep all memory resident and fast, a twin
 * without DAMON runs beside it: what management saved and cost is the difference.
 */
#ifndef DT_SIMHOST_H
#define DT_SIMHOST_H

#include "context.h"
#include "snapshot.h"

#define SIM_MAX_CONTEXTS 32

/* From what an episode is drawn: a tenant, and the host where it is the first one there. */
struct sim_spec {
	struct tenant_spec tenant;
	struct range profile[NR_PROFILE_PARAMS];
};

/* What only the simulator knows of a tenant, of one control interval or since reset. */
struct truth {
	double time_us;
	double cost_byte_s;
	double cost_unmanaged_byte_s;
	double resident_byte_s;
	double touched_byte_s;
	double stall_us;
	double interference_us;
	double busy_us;
	double faults;
	double pages_out;
	/* time lost to all there is: faults, kernel threads, slow memory; huge pages win some */
	double lost_us;
	double lost_unmanaged_us;
	double slow_byte_s;
	double huge_byte_s;
	double pages_promoted;
	double pages_demoted;
	/* the tenants' equal parts of the host's */
	double energy_j;
	double energy_unmanaged_j;
	double oom_kills;
};

/* What a control plane can read and set of a host beside DAMON. */
struct sim_machine {
	double free_bytes;
	double used_bytes[NR_TIERS];
	double max_bytes[NR_TIERS];
	struct power power;
	double kernel_reclaimed_bytes;
	double oom_kills;
};

struct sim_host {
	struct world world;
	struct world twin;
	bool has_twin;
	/* references to what recorded tenants play */
	struct program *programs[WORLD_MAX_TENANTS];

	struct context *contexts;
	size_t nr_contexts;
	/* those of the nodes come after the tenants', where there are any */
	bool has_own_contexts;
	bool has_node_contexts;
	struct frames frames;
	bool has_frames;
	struct rng seeds;
	uint64_t asked_us;

	struct snapshot_region *snapshot_regions;
	size_t snapshot_capacity;
};

/* How every host of a batch samples; must outlive the hosts. */
struct sampling {
	/* the nodes of hosts with slow memory are monitored too */
	bool watches_nodes;
	struct damon_attrs attrs;
	enum sampler sampler;
	struct binomial binomial;
};

void sim_host_destroy(struct sim_host *host);
/*
 * Draw a new episode of @nr tenants; the first one's spec has the host.  Each tenant is monitored
 * by a context of its own, by virtual address, and after them, where @sampling says so and there
 * is slow memory, each node by physical address.  False when memory is out.
 */
bool sim_host_reset(struct sim_host *host, const struct sim_spec *const *specs, size_t nr,
		    const struct sampling *sampling, uint64_t seed);
static inline bool sim_host_is_live(const struct sim_host *host)
{
	return host->nr_contexts > 0;
}

/* Whether the contexts are those of the last reset. */
static inline bool sim_host_has_own_contexts(const struct sim_host *host)
{
	return host->has_own_contexts;
}

/* Monitors the physical memory of @node, fast or slow; NULL where it is not monitored. */
struct context *sim_host_node_context(struct sim_host *host, enum tier node);
/* Other contexts from now on, without schemes.  False when memory is out: reset the host. */
bool sim_host_set_contexts(struct sim_host *host, const struct context_spec *specs, size_t nr,
			   const struct sampling *sampling);
/* Advance simulated time by exactly @us.  False when memory is out. */
bool sim_host_advance(struct sim_host *host, uint64_t us);
/*
 * Observe through one context: the tenant that it monitors, or all of them.  @snapshot->regions
 * stay valid until the next call for this host.  False when memory is out.
 */
bool sim_host_snapshot(struct sim_host *host, size_t context, struct snapshot *snapshot);
/* Totals of one tenant since reset. */
void sim_host_truth(const struct sim_host *host, size_t tenant, struct truth *truth);
void sim_host_machine(const struct sim_host *host, struct sim_machine *machine);
double sim_host_region_aggregations(const struct sim_host *host);

#endif

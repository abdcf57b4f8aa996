/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host without DAMON: its machine, its tenants, and what the kernel does by itself.
 *
 * A simulated host has one that is managed, and where it makes a difference a twin that nobody
 * manages, to compare with.
 */
#ifndef DT_WORLD_H
#define DT_WORLD_H

#include "khugepaged.h"
#include "reclaim.h"
#include "tenant.h"

#define WORLD_MAX_TENANTS 16

/* From what a host and its load are drawn. */
struct world_spec {
	struct range profile[NR_PROFILE_PARAMS];
	const struct tenant_spec *tenants[WORLD_MAX_TENANTS];
	size_t nr_tenants;
};

struct world {
	struct machine machine;
	struct tenant *tenants;
	size_t nr_tenants;
	struct reclaim reclaim;
	struct khugepaged khugepaged;
	uint64_t now_us;
	uint64_t next_workload_us;
	uint64_t next_memory_us;
	/* busy threads over the host's CPUs, at most 1 */
	double load;
	double kernel_cpu_seen_us;
	/* of the same load on a host that keeps all of it in fast memory, online at full clock */
	struct power unmanaged_power;

	/* since reset */
	double pressure_us;
	double stall_seen_us;
	uint64_t stall_seen_at_us;
};

/* Draw a world from @seed and begin.  False when memory is out. */
bool world_start(struct world *world, const struct world_spec *spec, uint64_t seed,
		 uint64_t sample_us);
void world_destroy(struct world *world);
/* Whether leaving this host alone could be anything but all memory in the fast tier. */
bool world_needs_twin(const struct world *world);
/* When the load or the kernel do something next. */
uint64_t world_next_event_us(const struct world *world);
/* Let time pass until @now_us, which is not beyond the next event, and do what is due then. */
void world_run(struct world *world, uint64_t now_us);
/* Everything that was accessed until now is back, and shows in the totals. */
void world_settle(struct world *world);
/* A kernel thread used @us of CPU time. */
void world_charge_cpu(struct world *world, double us);

#endif

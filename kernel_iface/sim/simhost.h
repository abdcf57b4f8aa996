/* SPDX-License-Identifier: Apache-2.0 */
/* One simulated host: a tenant's workload and memory, DAMON, DAMOS, and what can be observed. */
#ifndef DT_SIMHOST_H
#define DT_SIMHOST_H

#include "binomial.h"
#include "kdamond.h"
#include "snapshot.h"
#include "workload.h"

#define SIM_MAX_BLOCKS 4096

/* How accesses are checked: each one, or all of a window in one draw. */
enum sampler { SAMPLER_BINOMIAL, SAMPLER_PER_CHECK, NR_SAMPLERS };

enum profile_param {
	PROFILE_MEMORY_RATIO,
	PROFILE_CPU_RATIO,
	PROFILE_POOL_SHARE,
	PROFILE_COMPRESSION_RATIO,
	PROFILE_INCOMPRESSIBLE_SHARE,
	PROFILE_SWAP_RATIO,
	PROFILE_COMPRESSED_IN_US,
	PROFILE_SWAP_IN_US,
	PROFILE_PAGE_OUT_US,
	PROFILE_PAGE_WALK_US,
	PROFILE_CHECK_US,
	PROFILE_PRESSURE_VISIBILITY,
	PROFILE_SWAP_IN_ERROR,
	PROFILE_SWAP_PRICE,
	PROFILE_GAP_SHARE,
	NR_PROFILE_PARAMS
};

extern const struct param profile_params[NR_PROFILE_PARAMS];

/* From what an episode is drawn. */
struct sim_spec {
	const struct workload_family *family;
	/* what a recorded family plays, or NULL; one reference */
	struct program *program;
	struct range workload[WORKLOAD_MAX_PARAMS];
	struct range profile[NR_PROFILE_PARAMS];
};

/* What only the simulator knows, of one control interval or since reset. */
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
};

struct sim_host {
	struct sim_spec spec;
	double profile[NR_PROFILE_PARAMS];
	enum sampler sampler;
	struct workload workload;
	struct memory memory;
	struct kdamond kdamond;
	struct binomial binomial;

	uint64_t range_start;
	uint64_t range_end;
	uint64_t now_us;
	uint64_t next_workload_us;
	uint64_t next_memory_us;
	double memory_total_pages;
	double interference_us;
	double busy_us;
	double pressure_us;

	struct snapshot_region *snapshot_regions;
	size_t snapshot_capacity;
};

void sim_host_init(struct sim_host *host);
void sim_host_destroy(struct sim_host *host);
/* Draw a new episode.  False when memory is out. */
bool sim_host_reset(struct sim_host *host, const struct sim_spec *spec,
		    const struct damon_attrs *attrs, enum sampler sampler, uint64_t seed);
/* Replace the schemes; those that stay at their index keep statistics and quota charges. */
void sim_host_set_schemes(struct sim_host *host, const struct scheme *schemes, size_t nr);
/* Advance simulated time.  False when memory is out. */
bool sim_host_advance(struct sim_host *host, uint64_t us);
/* Observe; @snapshot->regions stay valid until the next call for this host. */
bool sim_host_snapshot(struct sim_host *host, struct snapshot *snapshot);
/* Totals since reset. */
void sim_host_truth(const struct sim_host *host, struct truth *truth);

#endif

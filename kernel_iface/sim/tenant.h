/* SPDX-License-Identifier: Apache-2.0 */
/* One process or container: its load, its memory, its addresses, and the time that it lost. */
#ifndef DT_TENANT_H
#define DT_TENANT_H

#include "workload.h"

/* Ranges of a process: what follows the program, the large mapping, the stack. */
#define TENANT_NR_RANGES 3
/* Of its program, its libraries, their data, its stack, and what tells it the time. */
#define TENANT_NR_OWN 7

/* A few pages that a process has in use whenever it runs, whatever it does with its memory. */
struct own_pages {
	uint64_t start;
	uint64_t end;
};

/* From what a tenant is drawn. */
struct tenant_spec {
	const struct workload_family *family;
	/* what a recorded family plays, or NULL; one reference */
	struct program *program;
	struct range workload[WORKLOAD_MAX_PARAMS];
};

struct tenant {
	struct workload workload;
	struct memory memory;
	/* pairs of start and end; the second is the memory that is followed */
	uint64_t ranges[2 * TENANT_NR_RANGES];
	/* outside of that memory, by address */
	struct own_pages own[TENANT_NR_OWN];

	/* since reset */
	double busy_us;
	/* CPU time that kernel threads took from it */
	double interference_us;
	/* time lost to slow memory, less what huge pages won */
	double memory_us;
	uint32_t oom_kills;
	/* the kernel killed it, and then it begins again; 0: it runs */
	uint64_t down_until_us;
};

/* Draw a tenant's parameters from its spec. */
void tenant_draw(struct tenant *tenant, const struct tenant_spec *spec, struct rng *rng);
double tenant_footprint_pages(const struct tenant *tenant);
/* Begin the load of a tenant that was drawn.  False when memory is out. */
bool tenant_start(struct tenant *tenant, const struct tenant_spec *spec,
		  struct machine *machine, uint64_t seed, uint64_t sample_us);
void tenant_destroy(struct tenant *tenant);
/* Threads of @nr tenants that are busy now. */
double tenants_busy_threads(const struct tenant *tenants, size_t nr);
/* Account @us microseconds in which the load ran as it does now. */
void tenant_pass_time(struct tenant *tenant, double us);
/* The kernel kills it: its memory is free, and nothing runs for a while. */
void tenant_kill(struct tenant *tenant, uint64_t now_us);
/* Let the load do what is due, or begin again after it was killed. */
void tenant_run(struct tenant *tenant, uint64_t now_us);
/* Fractional block number of an address. */
double tenant_block_of(const struct tenant *tenant, uint64_t addr);

/* Probability that a look at one of its own pages, @sample_s after the last, finds it in use. */
double tenant_own_heat(const struct tenant *tenant, double sample_s);

static inline double tenant_lost_us(const struct tenant *t)
{
	return t->memory.stall_us + t->memory.first_touch_us + t->interference_us + t->memory_us;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads: how often each block of the tenant's memory is accessed, over time.
 *
 * A family is a small table of parameters and two functions.  Every parameter is drawn from its
 * range when an episode starts.
 */
#ifndef DT_WORKLOAD_H
#define DT_WORKLOAD_H

#include "memory.h"
#include "param.h"
#include "program.h"

#define WORKLOAD_TICK_US 100000ULL
#define WORKLOAD_MAX_PARAMS 20
#define KV_MAX_SLABS 256
#define PHASES_MAX 8

/* The parameters that every family has, before its own. */
enum {
	WL_FOOTPRINT_BYTES,
	WL_THREADS,
	WL_ACTIVITY,
	/* of the time that it runs: how much of it waits for memory */
	WL_MEMORY_BOUND_SHARE,
	/* of the time that it runs: what it would save if all its memory were huge pages */
	WL_TLB_SHARE,
	WL_NR_COMMON
};

struct workload;

struct workload_family {
	const char *name;
	const struct param *params;
	size_t nr_params;
	/* Set the rates and touched shares of every block at time 0. */
	void (*init)(struct workload *w);
	/* Change them as the load demands; called every WORKLOAD_TICK_US. */
	void (*tick)(struct workload *w, uint64_t now_us);
	/* NULL, or by index what this family has in the place of a common parameter */
	const struct param *common;
	/* 0 for the usual */
	uint64_t min_block_bytes;
};

struct workload {
	const struct workload_family *family;
	struct memory *memory;
	/* what a recorded load plays, and where it stands */
	const struct program *program;
	struct segments segments;
	struct rng rng;
	double params[WORKLOAD_MAX_PARAMS];
	/* threads busy on average, unmanaged */
	double busy_threads;
	uint64_t next_event_us;
	union {
		struct {
			size_t nr_slabs;
			uint16_t rank[KV_MAX_SLABS];
			double rate_hz[KV_MAX_SLABS];
		} kv;
		struct {
			size_t first;
			size_t last;
		} window;
		struct {
			size_t current;
			size_t start[PHASES_MAX];
		} phases;
		struct {
			bool started;
			bool awake;
			size_t wake_start;
		} idle;
		struct {
			double offset;
			size_t hot_blocks;
		} diurnal;
		struct {
			size_t next_row;
			double pass;
		} recorded;
	} state;
};

extern const struct param workload_common_params[WL_NR_COMMON];
extern const struct workload_family *const workload_families[];
extern const size_t nr_workload_families;

/* Number of parameters of @family, the common ones included, and the one at @index. */
size_t workload_nr_params(const struct workload_family *family);
const struct param *workload_param(const struct workload_family *family, size_t index);

/* The family's own parameter at @index. */
static inline double workload_own(const struct workload *w, size_t index)
{
	return w->params[WL_NR_COMMON + index];
}

/* The smallest block that @family's memory is followed in. */
uint64_t workload_min_block_bytes(const struct workload_family *family);

/*
 * Begin an episode over @memory, whose parameters are drawn already.  @program is played by the
 * recorded family alone, and must outlive the workload.  False when memory is out.
 */
bool workload_start(struct workload *w, struct memory *memory, const struct program *program);
void workload_destroy(struct workload *w);

/* Set the rate of @nr blocks from @first, wrapping around the end. */
void workload_set_rates(struct workload *w, size_t first, size_t nr, double rate_hz,
			uint64_t now_us);
/* Touch every block completely. */
void workload_touch_all(struct workload *w);
/* @share of all blocks, at least one. */
size_t workload_blocks(const struct workload *w, double share);
double workload_full_activity(const struct workload *w);

extern const struct workload_family workload_kv;
extern const struct workload_family workload_scan;
extern const struct workload_family workload_phases;
extern const struct workload_family workload_growth;
extern const struct workload_family workload_idle;
extern const struct workload_family workload_diurnal;
/* Not among the families above: it cannot be drawn without a program. */
extern const struct workload_family workload_recorded;

#endif

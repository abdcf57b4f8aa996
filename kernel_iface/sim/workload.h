/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads: how often each block of the tenant's memory is accessed, over time.
 *
 * A family is a small table of parameters and two functions.  Every parameter is drawn from its
 * range when an episode starts.
 */
#ifndef DT_WORKLOAD_H
#define DT_WORKLOAD_H

#include "chunks.h"
#include "memory.h"
#include "param.h"
#include "program.h"
#include "sweep.h"

#define WORKLOAD_TICK_US 100000ULL
#define WORKLOAD_MAX_PARAMS 20
#define PHASES_MAX 8
/* Jobs or requests at a time. */
#define SLOTS_MAX 64

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
	/* Change them as the load demands, by its own clock; called every WORKLOAD_TICK_US. */
	void (*tick)(struct workload *w, uint64_t now_us);
	/* NULL, or by index what this family has in the place of a common parameter */
	const struct param *common;
	/* 0 for the usual */
	uint64_t min_block_bytes;
};

/* Some blocks that belong together. */
struct part {
	size_t first;
	size_t nr;
};

/* One of the equal places for jobs or requests. */
struct slot {
	bool busy;
	uint64_t start_us;
	uint64_t end_us;
	/* of its blocks: how many it will need, and how many are touched */
	size_t wanted;
	size_t touched;
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
		struct chunks kv;
		struct window window;
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
		struct {
			struct part weights, optimizer, dataset;
			struct window window;
			bool evaluating;
			bool bursting;
			uint64_t stage_us;
		} ml;
		struct {
			struct part kept, jobs;
			struct slot slots[SLOTS_MAX];
			size_t nr_slots;
			size_t nr_busy;
		} farm;
		struct {
			struct part vertices;
			struct chunks edges;
			size_t nr_active;
		} graph;
		struct {
			struct part levels, log;
			struct chunks rows;
			struct window window;
			size_t log_block;
			uint64_t checkpoint_us;
		} oltp;
		struct {
			struct part weights, cache;
			struct slot slots[SLOTS_MAX];
			size_t nr_slots;
			size_t nr_busy;
			bool hot;
			uint64_t idle_since_us;
		} inference;
		struct {
			struct part kernel, page_cache, rest;
			struct part woken, read;
			bool booted;
			bool awake;
		} vm;
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
/* The load starts over, in memory that was freed. */
void workload_begin(struct workload *w);
void workload_destroy(struct workload *w);

/* Set the rate of @nr blocks from @first, wrapping around the end. */
void workload_set_rates(struct workload *w, size_t first, size_t nr, double rate_hz,
			uint64_t now_us);
/* Touch every block completely. */
void workload_touch_all(struct workload *w);
/* Touch @share of the pages of @nr blocks from @first; 0 frees them. */
void workload_set_touched(struct workload *w, size_t first, size_t nr, double share,
			  uint64_t now_us);
/*
 * The next part, from block *@next on: @share of all blocks, at least one, but never the last
 * block of all, which is for the rest.
 */
struct part workload_take(const struct workload *w, size_t *next, double share);
struct part workload_take_rest(const struct workload *w, size_t next);
void workload_set_part(struct workload *w, struct part part, double rate_hz, uint64_t now_us);
/* What @part holds are pages of files: dropped or written back, never swapped. */
void workload_set_file(struct workload *w, struct part part);
/* The blocks of slot @index when @nr slots share @part equally. */
struct part workload_slot(struct part part, size_t nr, size_t index);
/* Microseconds until the next of events that come by chance, once in @mean_s on average. */
uint64_t workload_wait_us(struct workload *w, double mean_s);
/* @share of all blocks, at least one. */
size_t workload_blocks(const struct workload *w, double share);
double workload_full_activity(const struct workload *w);

extern const struct workload_family workload_kv;
extern const struct workload_family workload_scan;
extern const struct workload_family workload_phases;
extern const struct workload_family workload_growth;
extern const struct workload_family workload_idle;
extern const struct workload_family workload_diurnal;
extern const struct workload_family workload_ml_epochs;
extern const struct workload_family workload_build_farm;
extern const struct workload_family workload_graph;
extern const struct workload_family workload_oltp;
extern const struct workload_family workload_inference;
extern const struct workload_family workload_idle_vm;
/* Not among the families above: it cannot be drawn without a program. */
extern const struct workload_family workload_recorded;

#endif

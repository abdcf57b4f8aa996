/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576.0
#define MIN_BLOCK_BYTES (2ULL << 20)

const struct param workload_common_params[WL_NR_COMMON] = {
	[WL_FOOTPRINT_BYTES] = { "footprint_bytes", 512 * MIB, 32768 * MIB, 16 * MIB, 0x1p46,
				 true },
	[WL_THREADS] = { "threads", 1, 16, 1, 1024, true },
	[WL_ACTIVITY] = { "activity", 0.3, 1, 0.001, 1, false },
	[WL_MEMORY_BOUND_SHARE] = { "memory_bound_share", 0.1, 0.5, 0, 1, false },
	[WL_TLB_SHARE] = { "tlb_share", 0, 0.1, 0, 0.9, false },
};

const struct workload_family *const workload_families[] = {
	&workload_kv, &workload_scan, &workload_phases,
	&workload_growth, &workload_idle, &workload_diurnal,
	&workload_ml_epochs, &workload_build_farm, &workload_graph,
	&workload_oltp, &workload_inference, &workload_idle_vm,
};
const size_t nr_workload_families = sizeof(workload_families) / sizeof(*workload_families);

size_t workload_nr_params(const struct workload_family *family)
{
	return WL_NR_COMMON + family->nr_params;
}

const struct param *workload_param(const struct workload_family *family, size_t index)
{
	if (index >= WL_NR_COMMON)
		return &family->params[index - WL_NR_COMMON];
	if (family->common && family->common[index].name)
		return &family->common[index];
	return &workload_common_params[index];
}

uint64_t workload_min_block_bytes(const struct workload_family *family)
{
	return family->min_block_bytes ? family->min_block_bytes : MIN_BLOCK_BYTES;
}

bool workload_start(struct workload *w, struct memory *memory, const struct program *program)
{
	workload_destroy(w);
	w->memory = memory;
	w->program = program;
	if (program) {
		w->segments.at = malloc(program->max_segments * sizeof(*w->segments.at));
		if (!w->segments.at)
			return false;
	}
	workload_begin(w);
	return true;
}

void workload_begin(struct workload *w)
{
	w->next_event_us = 0;
	memset(&w->state, 0, sizeof(w->state));
	w->family->init(w);
}

void workload_destroy(struct workload *w)
{
	free(w->segments.at);
	w->segments.at = NULL;
}

void workload_set_rates(struct workload *w, size_t first, size_t nr, double rate_hz,
			uint64_t now_us)
{
	for (size_t i = 0; i < nr; i++)
		memory_set_rate(w->memory, (first + i) % w->memory->nr_blocks, rate_hz, now_us);
}

void workload_touch_all(struct workload *w)
{
	for (size_t i = 0; i < w->memory->nr_blocks; i++)
		memory_set_touched(w->memory, i, 1.0, 0);
}

void workload_set_touched(struct workload *w, size_t first, size_t nr, double share,
			  uint64_t now_us)
{
	for (size_t i = first; i < first + nr; i++)
		memory_set_touched(w->memory, i, share, now_us);
}

struct part workload_take(const struct workload *w, size_t *next, double share)
{
	const size_t left = w->memory->nr_blocks - *next - 1, nr = workload_blocks(w, share);
	const struct part part = { *next, nr < left ? nr : left };

	*next += part.nr;
	return part;
}

struct part workload_take_rest(const struct workload *w, size_t next)
{
	return (struct part){ next, w->memory->nr_blocks - next };
}

void workload_set_part(struct workload *w, struct part part, double rate_hz, uint64_t now_us)
{
	workload_set_rates(w, part.first, part.nr, rate_hz, now_us);
}

void workload_set_file(struct workload *w, struct part part)
{
	for (size_t i = part.first; i < part.first + part.nr; i++)
		memory_set_file(w->memory, i, true);
}

struct part workload_slot(struct part part, size_t nr, size_t index)
{
	const size_t first = index * part.nr / nr;

	return (struct part){ part.first + first, (index + 1) * part.nr / nr - first };
}

uint64_t workload_wait_us(struct workload *w, double mean_s)
{
	return (uint64_t)(-log1p(-rng_unit(&w->rng)) * mean_s * 1e6);
}

size_t workload_blocks(const struct workload *w, double share)
{
	double nr = share * (double)w->memory->nr_blocks;

	return nr < 1.0 ? 1 : (size_t)nr;
}

double workload_full_activity(const struct workload *w)
{
	return w->params[WL_THREADS] * w->params[WL_ACTIVITY];
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "workload.h"

#define MIB 1048576.0

const struct param workload_common_params[WL_NR_COMMON] = {
	[WL_FOOTPRINT_BYTES] = { "footprint_bytes", 512 * MIB, 32768 * MIB, 16 * MIB, 0x1p46,
				 true },
	[WL_THREADS] = { "threads", 1, 16, 1, 1024, true },
	[WL_ACTIVITY] = { "activity", 0.3, 1, 0.001, 1, false },
};

const struct workload_family *const workload_families[] = {
	&workload_kv,	  &workload_scan, &workload_phases,
	&workload_growth, &workload_idle, &workload_diurnal,
};
const size_t nr_workload_families = sizeof(workload_families) / sizeof(*workload_families);

size_t workload_nr_params(const struct workload_family *family)
{
	return WL_NR_COMMON + family->nr_params;
}

const struct param *workload_param(const struct workload_family *family, size_t index)
{
	return index < WL_NR_COMMON ? &workload_common_params[index] :
				      &family->params[index - WL_NR_COMMON];
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

size_t workload_blocks(const struct workload *w, double share)
{
	double nr = share * (double)w->memory->nr_blocks;

	return nr < 1.0 ? 1 : (size_t)nr;
}

double workload_full_activity(const struct workload *w)
{
	return w->params[WL_THREADS] * w->params[WL_ACTIVITY];
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy may see of a host at one instant; fields as in kernel_iface/host.py. */
#ifndef DT_SNAPSHOT_H
#define DT_SNAPSHOT_H

#include <stddef.h>
#include <stdint.h>

#include "scheme.h"

struct snapshot_region {
	uint64_t start;
	uint64_t end;
	uint32_t nr_accesses;
	uint32_t age;
};

struct snapshot {
	uint64_t time_us;
	uint64_t sample_us;
	uint64_t aggr_us;
	const struct snapshot_region *regions;
	size_t nr_regions;
	/* of the first scheme, which is the one that the decision path plans */
	struct scheme_stats stats;
	uint64_t resident_bytes;
	uint64_t swapped_bytes;
	uint64_t compressed_bytes;
	uint64_t memory_total_bytes;
	uint64_t memory_free_bytes;
	uint64_t swap_total_bytes;
	uint64_t swap_free_bytes;
	uint64_t major_faults;
	uint64_t cpu_time_us;
	uint64_t psi_some_us;
	double swap_in_us;
	/* 0 where the host cannot tell: what comes back from a disk costs as much */
	double disk_in_us;
	double disk_swapped_share;
	uint64_t swap_ins;
	uint64_t competing_us;
	/* 0 where no knob needs it */
	uint64_t slow_bytes;
	uint64_t huge_bytes;
	uint64_t fast_total_bytes;
	uint64_t fast_free_bytes;
	uint64_t promoted_bytes;
	uint64_t demoted_bytes;
	double slow_heat_share;
	uint64_t offline_bytes;
	uint64_t offlinable_bytes;
};

#endif

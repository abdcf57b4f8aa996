/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel does by itself when fast memory runs short: kswapd, direct reclaim, OOM. */
#ifndef DT_RECLAIM_H
#define DT_RECLAIM_H

#include "tenant.h"

struct reclaim {
	struct rng rng;
	/* since reset */
	double pages_reclaimed;
	double cpu_us;
	uint32_t oom_kills;
};

/* Free memory up to the high watermark, when it is below the low one. */
void reclaim_balance(struct reclaim *reclaim, struct tenant *tenants, size_t nr_tenants,
		     uint64_t now_us);

#endif

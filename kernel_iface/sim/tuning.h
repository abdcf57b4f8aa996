/* SPDX-License-Identifier: Apache-2.0 */
/* Auto-tuning of the monitoring intervals towards a share of accesses that is seen. */
#ifndef DT_TUNING_H
#define DT_TUNING_H

#include "monitor.h"

/* The attributes that the regions' counts ask for; false when they stay as they are. */
bool damon_tuned_attrs(const struct damon_ctx *ctx, struct damon_attrs *attrs);

#endif

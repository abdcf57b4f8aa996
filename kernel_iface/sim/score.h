/* SPDX-License-Identifier: Apache-2.0 */
/* Priorities of regions: which a scheme takes first when its quota is too small for all. */
#ifndef DT_SCORE_H
#define DT_SCORE_H

#include "monitor.h"
#include "scheme.h"

#define DAMOS_MAX_SCORE 99

enum score_kind { SCORE_ALL, SCORE_HOT, SCORE_COLD };

enum score_kind damos_score_kind(enum damon_ops_id id, enum damos_action action);
/* A region's priority of 0 to DAMOS_MAX_SCORE for actions on hot memory. */
uint32_t damon_hot_score(uint32_t nr_accesses, uint32_t age, const struct damon_attrs *attrs,
			 uint32_t weight_nr_accesses, uint32_t weight_age);

#endif

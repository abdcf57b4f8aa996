/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of a tenant's addresses, and what follows from it: forecast and attributes. */
#ifndef DT_RECALL_H
#define DT_RECALL_H

#include "attributes.h"
#include "forecast.h"
#include "knobs.h"
#include "plan.h"

struct recall {
	struct history history;
	struct forecast forecast;
	struct attributes attributes;
};

/* Whether policies of @groups need it: it takes about 100 KiB a tenant. */
bool recall_is_needed(unsigned groups);
void recall_init(struct recall *recall);
/* @acted_age is the least age, in aggregations, at which a scheme that runs acts. */
void recall_update(struct recall *recall, const struct snapshot *snapshot, uint32_t acted_age);
/* Put into @input what is forecast to be needed, as far ahead as @knobs say. */
void recall_plan(const struct recall *recall, const struct knobs *knobs, struct plan_input *input);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "heat.h"

#include <stdlib.h>
#include <string.h>

bool heat_init(struct heat *h, size_t nr)
{
	heat_destroy(h);
	h->nr = nr;
	h->nr_groups = (nr + HEAT_GROUP - 1) / HEAT_GROUP;
	h->value = calloc(nr, sizeof(*h->value));
	h->prefix = calloc(h->nr_groups * (HEAT_GROUP + 1), sizeof(*h->prefix));
	h->group_prefix = calloc(h->nr_groups + 1, sizeof(*h->group_prefix));
	h->dirty = calloc(h->nr_groups, sizeof(*h->dirty));
	if (h->value && h->prefix && h->group_prefix && h->dirty)
		return true;
	heat_destroy(h);
	return false;
}

void heat_destroy(struct heat *h)
{
	free(h->value);
	free(h->prefix);
	free(h->group_prefix);
	free(h->dirty);
	memset(h, 0, sizeof(*h));
}

void heat_set(struct heat *h, size_t block, double value)
{
	if (h->value[block] == (float)value)
		return;
	h->value[block] = (float)value;
	h->dirty[block / HEAT_GROUP] = true;
	h->any_dirty = true;
}

static void update_group(struct heat *h, size_t group)
{
	double *prefix = h->prefix + group * (HEAT_GROUP + 1), sum = 0.0;
	const size_t first = group * HEAT_GROUP;

	for (size_t i = 0; i < HEAT_GROUP; i++) {
		prefix[i] = sum;
		if (first + i < h->nr)
			sum += (double)h->value[first + i];
	}
	prefix[HEAT_GROUP] = sum;
	h->dirty[group] = false;
}

void heat_update(struct heat *h)
{
	if (!h->any_dirty)
		return;
	for (size_t g = 0; g < h->nr_groups; g++) {
		if (h->dirty[g])
			update_group(h, g);
		h->group_prefix[g + 1] = h->group_prefix[g] +
					 h->prefix[g * (HEAT_GROUP + 1) + HEAT_GROUP];
	}
	h->any_dirty = false;
}

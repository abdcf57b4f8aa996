/* SPDX-License-Identifier: Apache-2.0 */
#include "heat.h"

#include <stdlib.h>
#include <string.h>

bool heat_init(struct heat *h, size_t nr)
{
	heat_destroy(h);
	h->nr = nr;
	h->nr_groups = (nr + HEAT_GROUP - 1) / HEAT_GROUP;
	h->blocks = calloc(nr, sizeof(*h->blocks));
	h->group_prefix = calloc(h->nr_groups + 1, sizeof(*h->group_prefix));
	h->dirty = calloc(h->nr_groups, sizeof(*h->dirty));
	if (h->blocks && h->group_prefix && h->dirty)
		return true;
	heat_destroy(h);
	return false;
}

void heat_destroy(struct heat *h)
{
	free(h->blocks);
	free(h->group_prefix);
	free(h->dirty);
	memset(h, 0, sizeof(*h));
}

void heat_set(struct heat *h, size_t block, double value)
{
	if (h->blocks[block].value == value)
		return;
	h->blocks[block].value = value;
	h->dirty[block / HEAT_GROUP] = true;
	h->any_dirty = true;
}

static size_t end_of_group(const struct heat *h, size_t group)
{
	const size_t end = (group + 1) * HEAT_GROUP;

	return end < h->nr ? end : h->nr;
}

static void update_group(struct heat *h, size_t group)
{
	double sum = 0.0;

	for (size_t i = group * HEAT_GROUP; i < end_of_group(h, group); i++) {
		h->blocks[i].before = sum;
		sum += h->blocks[i].value;
	}
	h->dirty[group] = false;
}

void heat_update(struct heat *h)
{
	if (!h->any_dirty)
		return;
	for (size_t g = 0; g < h->nr_groups; g++) {
		const struct heat_block *last;

		if (h->dirty[g])
			update_group(h, g);
		last = &h->blocks[end_of_group(h, g) - 1];
		h->group_prefix[g + 1] = h->group_prefix[g] + last->before + last->value;
	}
	h->any_dirty = false;
}

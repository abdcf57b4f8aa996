/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access probabilities along an address space, block by block, with their sums before each place.
 *
 * Sums are kept in two levels, in groups of blocks, so that a change costs its group and not
 * everything behind it.
 */
#ifndef DT_HEAT_H
#define DT_HEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAT_GROUP 64

/* @before: sum of the values before the block, in its group. */
struct heat_block {
	double before;
	double value;
};

struct heat {
	size_t nr;
	size_t nr_groups;
	struct heat_block *blocks;
	/* sums of the values before each group, and of all of them */
	double *group_prefix;
	bool *dirty;
	bool any_dirty;
};

/* False when memory is out. */
bool heat_init(struct heat *heat, size_t nr);
void heat_destroy(struct heat *heat);
void heat_set(struct heat *heat, size_t block, double value);
/* Bring the sums up to date after heat_set. */
void heat_update(struct heat *heat);

/* Sum of the values before the fractional block number @x. */
static inline double heat_before(const struct heat *heat, double x)
{
	/* signed: one instruction */
	const size_t block = (size_t)(int64_t)x;
	const struct heat_block *b = &heat->blocks[block];

	if (block >= heat->nr)
		return heat->group_prefix[heat->nr_groups];
	return heat->group_prefix[block / HEAT_GROUP] + b->before +
	       (x - (double)(int64_t)block) * b->value;
}

#endif

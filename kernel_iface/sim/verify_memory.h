/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of a host's memory at any time; looked after as in verify.h. */
#ifndef DT_VERIFY_MEMORY_H
#define DT_VERIFY_MEMORY_H

#include "verify.h"

struct memory;
struct world;

/* NULL, or the invariant that the blocks of @memory or their sums break. */
const char *memory_broken_invariant(const struct memory *memory);
/* The same for all tenants of @world, and for what the machine has. */
const char *world_broken_invariant(const struct world *world);
/* NULL, or what does not hold right after reclaim; pages that come back later may be too many. */
const char *world_overfull(const struct world *world);

#ifdef DT_DEBUG
#define DT_VERIFY_WORLD(world)                                         \
	do {                                                           \
		damon_verify(world_broken_invariant(world), __func__); \
		damon_verify(world_overfull(world), __func__);         \
	} while (0)
#else
#define DT_VERIFY_WORLD(world) ((void)0)
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A monitoring context of a simulated host: a kdamond over tenants' addresses (vaddr) or over the
 * host's physical memory (paddr).
 */
#ifndef DT_CONTEXT_H
#define DT_CONTEXT_H

#include "binomial.h"
#include "frames.h"
#include "kdamond.h"
#include "world.h"

/* How accesses are checked: each one, or all of a window in one draw. */
enum sampler { SAMPLER_BINOMIAL, SAMPLER_PER_CHECK, NR_SAMPLERS };

/* Where physical memory begins. */
#define PADDR_START (4ULL << 30)

struct context_spec {
	enum damon_ops_id ops_id;
	struct damon_attrs attrs;
	/* vaddr: which tenants are the targets */
	uint32_t nr_targets;
	uint32_t targets[WORLD_MAX_TENANTS];
	/* paddr: which nodes, the fast one and the slow */
	bool nodes[NR_FRAME_TIERS];
	size_t nr_probes;
	struct damon_probe probes[DAMON_MAX_PROBES];
};

struct context {
	struct context_spec spec;
	struct kdamond kdamond;
	struct world *world;
	struct frames *frames;
	size_t frame_view;
	/* what was seen at this sampling interval: by target, or in frame_view */
	uint64_t seen_sample_us;
	struct heat heat[WORLD_MAX_TENANTS];
	enum sampler sampler;
	/* for windows of as many samples as an aggregation has */
	const struct binomial *binomial;
};

/* NULL, or what is wrong with @spec for a host. */
const char *context_validate(const struct context_spec *spec, const struct world *world);
/* Everything but the kdamond's schemes is filled in.  False when memory is out. */
bool context_start(struct context *context, uint64_t seed);
void context_destroy(struct context *context);
/* What is seen of a block of @tenant changed. */
void context_block_seen(struct context *context, size_t tenant, size_t block);

/* For the operations sets: bring what is seen up to date with interval and memory. */
void context_look(struct context *context);
/* A stretch of addresses that lies on blocks of heat, one after the other. */
struct address_map {
	uint64_t start;
	uint64_t end;
	double blocks_per_byte;
	/* P(a page of @block is seen accessed in one sample), asked of memory and not of its sums */
	double (*seen)(const struct context *context, uint32_t target, size_t block);
	/* pages beside it, by address, and the heat of each */
	const struct own_pages *own;
	size_t nr_own;
	double own_heat;
};

/*
 * Draw @nr_samples access checks of each of @nr regions, which are in order.  Outside of the map
 * and its own pages nothing is seen.
 */
void context_check(struct context *context, const struct heat *heat,
		   const struct address_map *map, struct damon_region *regions, size_t nr,
		   uint64_t nr_samples);
/* Successes among @nr looks, each with probability @p. */
uint32_t context_draw(struct context *context, double p, uint64_t nr);
uint64_t context_free_permille(void *data);
uint64_t context_goal_value(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
			    const struct quota_goal *goal);
/* Charge what a walk over @pages pages and an action's own @elapsed_us took. */
void context_charge(struct context *context, double pages, struct damos_result *result);

extern const struct damon_ops vaddr_ops, paddr_ops;

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The operations set for the addresses of processes. */
#include <math.h>

#include "action.h"
#include "context.h"

static const struct tenant *tenant_of(const struct context *c, uint32_t target)
{
	return &c->world->tenants[c->spec.targets[target]];
}

static double seen(const struct context *c, uint32_t target, size_t block)
{
	return memory_seen(&tenant_of(c, target)->memory, block,
			   (double)c->kdamond.ctx.attrs.sample_us * 1e-6);
}

static void check_accesses(void *data, struct damon_ctx *ctx, uint64_t nr)
{
	const double sample_s = (double)ctx->attrs.sample_us * 1e-6;
	struct context *c = data;
	size_t first = 0;

	context_look(c);
	world_charge_cpu(c->world, (double)(ctx->nr_regions * nr) *
					   c->world->machine.profile[PROFILE_CHECK_US]);
	for (uint32_t t = 0; t < c->spec.nr_targets; t++) {
		const struct tenant *tenant = tenant_of(c, t);
		const struct address_map map = { tenant->ranges[2], tenant->ranges[3],
						 tenant->memory.blocks_per_byte, seen, tenant->own,
						 TENANT_NR_OWN,
						 tenant_own_heat(tenant, sample_s) };
		const size_t end = damon_first_region(ctx, t + 1);

		context_check(c, &c->heat[t], &map, &ctx->regions[first], end - first, nr);
		first = end;
	}
}

/* Filters are asked only where the kernel walks the pages itself, and not madvise(). */
static bool walks_pages(enum damos_action action)
{
	return action == DAMOS_STAT || action == DAMOS_MIGRATE_HOT || action == DAMOS_MIGRATE_COLD;
}

static void apply(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
		  const struct damon_region *r, struct damos_result *result)
{
	struct context *c = data;
	struct tenant *t = &c->world->tenants[c->spec.targets[r->target]];
	const double start = tenant_block_of(t, r->start), end = tenant_block_of(t, r->end);
	struct action_result done = { 0 };
	struct extent extent = {
		.tier = NR_TIERS,
		.memcg = c->spec.targets[r->target],
		.filtered = scheme->nr_filters && walks_pages(scheme->action) &&
			    !result->core_allowed,
	};

	(void)ctx;
	if (scheme->action == DAMOS_STAT && !extent.filtered)
		return;
	for (size_t i = (size_t)start; (double)i < end; i++) {
		extent_walk(&extent, &t->memory.walked, i, fmax(start - (double)i, 0.0),
			    fmin(end - (double)i, 1.0), c->world->now_us);
		action_apply(&t->memory, i, &extent, scheme, c->world->now_us, &done);
	}
	result->elapsed_us = done.elapsed_us;
	if (walks_pages(scheme->action)) {
		result->applied_bytes = (uint64_t)(done.pages_applied * DT_PAGE_BYTES);
		result->filter_passed_bytes = (uint64_t)(done.pages_passed * DT_PAGE_BYTES);
	} else {
		/* madvise() says nothing of what it did: what was walked counts as applied */
		result->applied_bytes = r->end - r->start;
	}
	context_charge(c, (end - start) * t->memory.pages_per_block, result);
}

const struct damon_ops vaddr_ops = {
	.check_accesses = check_accesses,
	.apply = apply,
	.goal_value = context_goal_value,
	.free_mem_permille = context_free_permille,
};

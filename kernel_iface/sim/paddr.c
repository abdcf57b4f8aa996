/* SPDX-License-Identifier: Apache-2.0 */
/* The operations set for physical memory: what nobody uses lies in regions too, and looks cold. */
#include <math.h>

#include "action.h"
#include "context.h"

static double frame_of(const struct frames *f, uint64_t addr)
{
	return (double)(addr - PADDR_START) / (f->pages_per_frame * DT_PAGE_BYTES);
}

/* ---- probes ---- */

static bool probe_filter_matches(const struct damon_probe_filter *filter,
				 const struct memory *memory, size_t block, size_t tenant)
{
	const bool is = filter->type == DAMON_PROBE_ANON ? !memory->blocks[block].is_file :
							   filter->memcg == tenant;

	return is == filter->matching;
}

/* The first filter that matches decides; without one, the opposite of the last. */
static bool probe_hits(const struct damon_probe *probe, const struct memory *memory, size_t block,
		       size_t tenant)
{
	for (uint32_t i = 0; i < probe->nr_filters; i++)
		if (probe_filter_matches(&probe->filters[i], memory, block, tenant))
			return probe->filters[i].allow;
	return !probe->nr_filters || !probe->filters[probe->nr_filters - 1].allow;
}

struct probe_sum {
	const struct context *context;
	const struct damon_probe *probe;
	double share;
};

static void add_probe_share(void *data, size_t tenant, size_t block, enum tier tier, double share)
{
	struct probe_sum *sum = data;

	(void)tier;
	if (probe_hits(sum->probe, &sum->context->world->tenants[tenant].memory, block, tenant))
		sum->share += share;
}

static double probe_probability(const struct context *c, const struct damon_probe *probe,
				double start, double end)
{
	double hits = 0.0;

	for (size_t i = (size_t)start; (double)i < end && i < c->frames->nr_frames; i++) {
		struct probe_sum sum = { c, probe, 0.0 };

		frames_visit(c->frames, i, add_probe_share, &sum);
		hits += fmin(sum.share, 1.0) *
			(fmin(end, (double)(i + 1)) - fmax(start, (double)i));
	}
	return hits / (end - start);
}

static void check_probes(struct context *c, struct damon_region *r, double start, double end,
			 uint64_t nr)
{
	for (size_t p = 0; p < c->spec.nr_probes; p++) {
		const double share = probe_probability(c, &c->spec.probes[p], start, end);
		const uint32_t hits = r->probe_hits[p] + context_draw(c, share, nr);

		r->probe_hits[p] = (uint8_t)(hits > UINT8_MAX ? UINT8_MAX : hits);
	}
}

/* ---- operations ---- */

static double seen(const struct context *c, uint32_t target, size_t frame)
{
	(void)target;
	return frames_seen(c->frames, frame, (double)c->kdamond.ctx.attrs.sample_us * 1e-6);
}

static void check_accesses(void *data, struct damon_ctx *ctx, uint64_t nr)
{
	struct context *c = data;
	const struct frames *f = c->frames;
	const double frame_bytes = f->pages_per_frame * DT_PAGE_BYTES;
	const struct address_map map = {
		PADDR_START, PADDR_START + (uint64_t)((double)f->nr_frames * frame_bytes),
		1.0 / frame_bytes, seen, NULL, 0, 0.0
	};

	context_look(c);
	world_charge_cpu(c->world, (double)(ctx->nr_regions * nr) *
					   c->world->machine.profile[PROFILE_CHECK_US]);
	if (!ctx->attributes_only)
		context_check(c, &f->views[c->frame_view].heat, &map, ctx->regions,
			      ctx->nr_regions, nr);
	for (size_t i = 0; c->spec.nr_probes && i < ctx->nr_regions; i++) {
		struct damon_region *r = &ctx->regions[i];

		check_probes(c, r, frame_of(f, r->start), frame_of(f, r->end), nr);
	}
}

struct apply_walk {
	struct context *context;
	const struct scheme *scheme;
	struct extent extent;
	struct action_result done;
};

static void act_on_occupant(void *data, size_t tenant, size_t block, enum tier tier, double share)
{
	struct apply_walk *walk = data;

	(void)share;
	walk->extent.tier = tier;
	walk->extent.memcg = (uint32_t)tenant;
	action_apply(&walk->context->world->tenants[tenant].memory, block, &walk->extent,
		     walk->scheme, walk->context->world->now_us, &walk->done);
}

static void apply(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
		  const struct damon_region *r, struct damos_result *result)
{
	struct context *c = data;
	const double start = frame_of(c->frames, r->start), end = frame_of(c->frames, r->end);
	struct apply_walk walk = { .context = c, .scheme = scheme };

	(void)ctx;
	/* page-out has a filter of its own, against young pages */
	walk.extent.filtered = !result->core_allowed &&
			       (scheme->nr_filters || scheme->action == DAMOS_PAGEOUT);
	for (size_t i = (size_t)start; (double)i < end && i < c->frames->nr_frames; i++) {
		extent_walk(&walk.extent, &c->frames->walked, i, fmax(start - (double)i, 0.0),
			    fmin(end - (double)i, 1.0), c->world->now_us);
		frames_visit(c->frames, i, act_on_occupant, &walk);
	}
	result->elapsed_us = walk.done.elapsed_us;
	result->applied_bytes = (uint64_t)(walk.done.pages_applied * DT_PAGE_BYTES);
	result->filter_passed_bytes = (uint64_t)(walk.done.pages_passed * DT_PAGE_BYTES);
	context_charge(c, (end - start) * c->frames->pages_per_frame, result);
}

const struct damon_ops paddr_ops = {
	.check_accesses = check_accesses,
	.apply = apply,
	.goal_value = context_goal_value,
	.free_mem_permille = context_free_permille,
};

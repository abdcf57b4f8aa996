/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <math.h>
#include <string.h>

#include "pagefilter.h"
#include "quota.h"

#define BP 1e4

static const char *validate_nodes(const struct context_spec *spec, const struct machine *m)
{
	const double pages = m->pages_max[TIER_FAST] + m->pages_max[TIER_SLOW];

	if (spec->nr_targets)
		return "paddr has nodes, and no targets";
	if (!spec->nodes[TIER_FAST] && !spec->nodes[TIER_SLOW])
		return "paddr needs a node";
	if (!spec->nodes[TIER_FAST] && m->pages_max[TIER_SLOW] <= 0.0)
		return "the host has no slow node";
	if (pages * DT_PAGE_BYTES > (double)(DAMON_MAX_ADDR / 2))
		return "the host has more memory than physical addresses: lower memory_ratio";
	return NULL;
}

static const char *validate_targets(const struct context_spec *spec, size_t nr_tenants)
{
	if (!spec->nr_targets)
		return "vaddr needs a target";
	for (uint32_t i = 0; i < spec->nr_targets; i++)
		if (spec->targets[i] >= nr_tenants)
			return "no such tenant";
	if (spec->nodes[TIER_FAST] || spec->nodes[TIER_SLOW])
		return "vaddr has targets, and no nodes";
	return spec->nr_probes ? "probes need paddr" : NULL;
}

const char *context_validate(const struct context_spec *spec, const struct world *world)
{
	const char *wrong = damon_validate_attrs(&spec->attrs);

	if (!wrong)
		wrong = damon_validate_probes(&spec->attrs, spec->probes, spec->nr_probes);
	if (wrong)
		return wrong;
	if (spec->ops_id == DAMON_OPS_PADDR)
		return validate_nodes(spec, &world->machine);
	return validate_targets(spec, world->nr_tenants);
}

static void look_at_blocks(struct context *c, uint32_t target, double sample_s)
{
	const struct memory *m = &c->world->tenants[c->spec.targets[target]].memory;

	for (size_t i = 0; i < m->nr_blocks; i++)
		heat_set(&c->heat[target], i, memory_seen(m, i, sample_s));
}

void context_look(struct context *c)
{
	const uint64_t sample_us = c->kdamond.ctx.attrs.sample_us;

	/* the interval may be tuned while running, and with it changes what one sample sees */
	if (c->seen_sample_us != sample_us) {
		c->seen_sample_us = sample_us;
		if (c->spec.ops_id == DAMON_OPS_PADDR)
			frames_set_sample_us(c->frames, c->frame_view, sample_us);
		for (uint32_t t = 0; t < c->spec.nr_targets; t++)
			look_at_blocks(c, t, (double)sample_us * 1e-6);
	}
	for (uint32_t t = 0; t < c->spec.nr_targets; t++)
		heat_update(&c->heat[t]);
	if (c->spec.ops_id == DAMON_OPS_PADDR)
		heat_update(&c->frames->views[c->frame_view].heat);
}

void context_block_seen(struct context *c, size_t tenant, size_t block)
{
	for (uint32_t t = 0; t < c->spec.nr_targets; t++)
		if (c->spec.targets[t] == tenant)
			heat_set(&c->heat[t], block,
				 memory_seen(&c->world->tenants[tenant].memory, block,
					     (double)c->seen_sample_us * 1e-6));
}

static bool set_vaddr_regions(struct context *c)
{
	for (uint32_t t = 0; t < c->spec.nr_targets; t++) {
		const struct tenant *tenant = &c->world->tenants[c->spec.targets[t]];

		if (!heat_init(&c->heat[t], tenant->memory.nr_blocks) ||
		    !damon_set_regions(&c->kdamond.ctx, t, tenant->ranges, TENANT_NR_RANGES))
			return false;
	}
	return true;
}

static bool set_paddr_regions(struct context *c)
{
	const struct frames *f = c->frames;
	const uint64_t bytes = (uint64_t)(f->pages_per_frame * DT_PAGE_BYTES);
	const uint64_t border = PADDR_START + f->nr_fast * bytes;
	uint64_t ranges[4];
	size_t nr = 0;

	if (c->spec.nodes[TIER_FAST]) {
		ranges[nr++] = PADDR_START;
		ranges[nr++] = border;
	}
	if (c->spec.nodes[TIER_SLOW] && f->nr_frames > f->nr_fast) {
		ranges[nr++] = border;
		ranges[nr++] = PADDR_START + f->nr_frames * bytes;
	}
	return damon_set_regions(&c->kdamond.ctx, 0, ranges, nr / 2);
}

bool context_start(struct context *c, uint64_t seed)
{
	const bool paddr = c->spec.ops_id == DAMON_OPS_PADDR;
	bool ok;

	kdamond_init(&c->kdamond, paddr ? &paddr_ops : &vaddr_ops, c, &c->spec.attrs, seed);
	c->kdamond.ctx.ops_id = c->spec.ops_id;
	damon_set_probes(&c->kdamond.ctx, c->spec.probes, c->spec.nr_probes);
	ok = paddr ? set_paddr_regions(c) : set_vaddr_regions(c);
	if (!ok)
		return false;
	context_look(c);
	return kdamond_start(&c->kdamond, c->world->now_us);
}

void context_destroy(struct context *c)
{
	for (uint32_t t = 0; t < WORLD_MAX_TENANTS; t++)
		heat_destroy(&c->heat[t]);
	damon_destroy_ctx(&c->kdamond.ctx);
}

/* ---- what both operations sets share ---- */

uint32_t context_draw(struct context *c, double p, uint64_t nr)
{
	struct rng *rng = &c->kdamond.ctx.rng;
	const double small = p > 0.5 ? 1.0 - p : p;
	uint32_t hits = 0;

	if (nr == c->binomial->n)
		return binomial_draw(c->binomial, rng, p);
	for (uint64_t left = nr; left && small > 0.0;) {
		const uint32_t part = (uint32_t)u64_min(left, BINOMIAL_MAX_N);

		hits += binomial_invert(c->binomial, part, small, rng_unit(rng));
		left -= part;
	}
	return p > 0.5 ? (uint32_t)nr - hits : hits;
}

static bool is_own_page(const struct address_map *map, uint64_t addr)
{
	for (size_t i = 0; i < map->nr_own; i++)
		if (addr >= map->own[i].start && addr < map->own[i].end)
			return true;
	return false;
}

/* Bytes of @r in own pages from the @first on; those are left behind that end before @r ends. */
static uint64_t own_bytes(const struct address_map *map, const struct damon_region *r,
			  size_t *first)
{
	uint64_t bytes = 0;

	for (; *first < map->nr_own && map->own[*first].start < r->end; ++*first) {
		const struct own_pages *own = &map->own[*first];
		const uint64_t start = u64_max(own->start, r->start);
		const uint64_t end = u64_min(own->end, r->end);

		bytes += end > start ? end - start : 0;
		if (own->end > r->end)
			break;
	}
	return bytes;
}

/*
 * The reference: look at one page of the region at each sample.  It asks memory itself, so that it
 * tells as well whether what the fast way adds up is what memory holds.
 */
static uint32_t check_one_by_one(struct context *c, const struct address_map *map,
				 const struct damon_region *r, uint64_t nr)
{
	struct rng *rng = &c->kdamond.ctx.rng;
	uint32_t hits = 0;

	for (uint64_t k = 0; k < nr; k++) {
		const uint64_t addr = r->start + rng_below(rng, region_sz(r));
		size_t block;

		if (addr < map->start || addr >= map->end) {
			if (is_own_page(map, addr))
				hits += rng_unit(rng) < map->own_heat;
			continue;
		}
		block = (size_t)((double)(addr - map->start) * map->blocks_per_byte);
		hits += rng_unit(rng) < map->seen(c, r->target, block);
	}
	return hits;
}

/* Signed numbers convert to floating point in one instruction; addresses are below 2^60. */
static inline double to_double(uint64_t x)
{
	return (double)(int64_t)x;
}

static inline double heat_before_addr(const struct heat *heat, const struct address_map *map,
				      uint64_t addr)
{
	if (addr <= map->start)
		return 0.0;
	return heat_before(heat, to_double(addr - map->start) * map->blocks_per_byte);
}

/*
 * One draw for all of a region's looks; @nr_samples makes an aggregation.  What does not change
 * is copied, so that it can stay in registers while regions are written.
 */
static void check_whole(struct context *c, struct heat heat, struct address_map map,
			struct damon_region *regions, size_t nr)
{
	const struct binomial *binomial = c->binomial;
	const double bytes_per_block = 1.0 / map.blocks_per_byte;
	struct rng rng = c->kdamond.ctx.rng;
	uint64_t seen_until = 0;
	double before = 0.0;
	size_t own = 0;

	for (struct damon_region *r = regions; r < regions + nr; r++) {
		const uint64_t start = r->start, end = r->end;
		double after, mean;

		/* mostly the next region begins where this one ends */
		if (start != seen_until)
			before = heat_before_addr(&heat, &map, start);
		after = heat_before_addr(&heat, &map, end);
		mean = (after - before) * bytes_per_block / to_double(end - start);
		if (own < map.nr_own && map.own[own].start < end)
			mean += to_double(own_bytes(&map, r, &own)) * map.own_heat /
				to_double(end - start);
		before = after;
		seen_until = end;
		if (mean > 0.0)
			r->nr_accesses += binomial_draw(binomial, &rng, mean < 1.0 ? mean : 1.0);
	}
	c->kdamond.ctx.rng = rng;
}

static void check_part(struct context *c, const struct heat *heat,
		       const struct address_map *map, struct damon_region *r, uint64_t nr)
{
	const double hits = heat_before_addr(heat, map, r->end) -
			    heat_before_addr(heat, map, r->start);
	size_t own = 0;
	const double own_hits = to_double(own_bytes(map, r, &own)) * map->own_heat;
	const double mean = (hits / map->blocks_per_byte + own_hits) / to_double(region_sz(r));

	if (mean > 0.0)
		r->nr_accesses += context_draw(c, fmin(mean, 1.0), nr);
}

void context_check(struct context *c, const struct heat *heat, const struct address_map *map,
		   struct damon_region *regions, size_t nr, uint64_t nr_samples)
{
	if (c->sampler == SAMPLER_BINOMIAL && nr_samples == c->binomial->n) {
		check_whole(c, *heat, *map, regions, nr);
		return;
	}
	for (size_t i = 0; i < nr; i++)
		if (c->sampler == SAMPLER_PER_CHECK)
			regions[i].nr_accesses +=
				check_one_by_one(c, map, &regions[i], nr_samples);
		else
			check_part(c, heat, map, &regions[i], nr_samples);
}

uint64_t context_free_permille(void *data)
{
	const struct machine *m = &((struct context *)data)->world->machine;

	const double free = machine_free_pages(m) + m->pages_max[TIER_SLOW] - m->pages[TIER_SLOW];
	const double total = machine_online_pages(m, TIER_FAST) + m->pages_max[TIER_SLOW];

	return total > 0.0 ? (uint64_t)(fmax(free, 0.0) * 1e3 / total) : 0;
}

void context_charge(struct context *c, double pages, struct damos_result *result)
{
	result->elapsed_us += pages * c->world->machine.profile[PROFILE_PAGE_WALK_US];
	world_charge_cpu(c->world, result->elapsed_us);
}

/* ---- goals ---- */

static double node_used_share(const struct machine *m, int32_t nid)
{
	const bool known = nid == TIER_FAST || nid == TIER_SLOW;
	const double max = known ? machine_online_pages(m, (enum tier)nid) : 0.0;
	const double free = nid == TIER_FAST ? machine_free_pages(m) : max - m->pages[TIER_SLOW];

	return max > 0.0 ? fmin(fmax(1.0 - free / max, 0.0), 1.0) : 0.0;
}

static double node_memcg_share(const struct world *w, const struct quota_goal *goal)
{
	const bool known = goal->nid == TIER_FAST || goal->nid == TIER_SLOW;
	const double max = known ? machine_online_pages(&w->machine, (enum tier)goal->nid) : 0.0;

	if (max <= 0.0 || goal->memcg >= w->nr_tenants)
		return 0.0;
	return fmin(w->tenants[goal->memcg].memory.tier[goal->nid] / max, 1.0);
}

static double active_share(const struct world *w)
{
	double active = 0.0, resident = 0.0;

	for (size_t t = 0; t < w->nr_tenants; t++) {
		const struct memory *m = &w->tenants[t].memory;

		for (size_t i = 0; i < m->nr_blocks; i++) {
			const double pages = block_resident(&m->blocks[i]) * m->pages_per_block;

			active += pages * page_active_share(&m->blocks[i]);
			resident += pages;
		}
	}
	return resident > 0.0 ? active / resident : 0.0;
}

/* Of the pages that the scheme's pattern matches, those on the goal's node. */
static double eligible_share(const struct context *c, const struct damon_ctx *ctx,
			     const struct scheme *scheme, int32_t nid)
{
	const struct frames *f = c->frames;
	const double frame_bytes = f->pages_per_frame * DT_PAGE_BYTES;
	double there = 0.0, all = 0.0;

	for (size_t i = 0; i < ctx->nr_regions; i++) {
		const struct damon_region *r = &ctx->regions[i];
		const double start = (double)(r->start - PADDR_START) / frame_bytes;
		const double end = (double)(r->end - PADDR_START) / frame_bytes;

		if (!damos_pattern_matches(ctx, r, scheme))
			continue;
		for (size_t k = (size_t)start; (double)k < end && k < f->nr_frames; k++) {
			const double part = fmin(end, (double)(k + 1)) - fmax(start, (double)k);
			const double pages = part * (double)f->used[k];

			all += pages;
			there += (k < f->nr_fast ? TIER_FAST : TIER_SLOW) == nid ? pages : 0.0;
		}
	}
	return all > 0.0 ? there / all : 0.0;
}

uint64_t context_goal_value(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
			    const struct quota_goal *goal)
{
	const struct context *c = data;
	const struct world *w = c->world;

	switch (goal->metric) {
	case DAMOS_GOAL_SOME_MEM_PSI_US:
		return (uint64_t)w->pressure_us;
	case DAMOS_GOAL_NODE_MEM_USED_BP:
		return (uint64_t)(BP * node_used_share(&w->machine, goal->nid));
	case DAMOS_GOAL_NODE_MEM_FREE_BP:
		return (uint64_t)(BP * (1.0 - node_used_share(&w->machine, goal->nid)));
	case DAMOS_GOAL_NODE_MEMCG_USED_BP:
		return (uint64_t)(BP * node_memcg_share(w, goal));
	case DAMOS_GOAL_NODE_MEMCG_FREE_BP:
		return (uint64_t)(BP * (1.0 - node_memcg_share(w, goal)));
	case DAMOS_GOAL_ACTIVE_MEM_BP:
		return (uint64_t)(BP * active_share(w));
	case DAMOS_GOAL_INACTIVE_MEM_BP:
		return (uint64_t)(BP * (1.0 - active_share(w)));
	case DAMOS_GOAL_NODE_ELIGIBLE_MEM_BP:
		return c->spec.ops_id == DAMON_OPS_PADDR ?
			       (uint64_t)(BP * eligible_share(c, ctx, scheme, goal->nid)) : 0;
	default:
		return goal->current_value;
	}
}

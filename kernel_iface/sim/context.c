/* SPDX-License-Identifier: Apache-2.0 */
#include "context.h"

#include <math.h>

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

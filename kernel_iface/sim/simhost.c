/* SPDX-License-Identifier: Apache-2.0 */
#include "simhost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_PER_GIB 0x1p30

/* ---- beginning and end ---- */

static void destroy_contexts(struct sim_host *h)
{
	for (size_t i = 0; i < h->nr_contexts; i++)
		context_destroy(&h->contexts[i]);
	free(h->contexts);
	h->contexts = NULL;
	h->nr_contexts = 0;
	h->has_own_contexts = h->has_node_contexts = false;
	for (size_t t = 0; t < h->world.nr_tenants; t++)
		h->world.tenants[t].memory.moved = NULL;
	frames_destroy(&h->frames);
	h->has_frames = false;
}

static void destroy_episode(struct sim_host *h)
{
	destroy_contexts(h);
	world_destroy(&h->world);
	world_destroy(&h->twin);
	h->has_twin = false;
	for (size_t t = 0; t < WORLD_MAX_TENANTS; t++) {
		program_put(h->programs[t]);
		h->programs[t] = NULL;
	}
}

void sim_host_destroy(struct sim_host *h)
{
	destroy_episode(h);
	free(h->snapshot_regions);
	memset(h, 0, sizeof(*h));
}

static void keep_programs(struct sim_host *h, const struct sim_spec *const *specs, size_t nr)
{
	for (size_t t = 0; t < nr; t++)
		h->programs[t] = program_get(specs[t]->tenant.program);
}

static bool start_worlds(struct sim_host *h, const struct sim_spec *const *specs, size_t nr,
			 uint64_t seed, uint64_t sample_us)
{
	struct world_spec spec = { .nr_tenants = nr };

	memcpy(spec.profile, specs[0]->profile, sizeof(spec.profile));
	for (size_t t = 0; t < nr; t++)
		spec.tenants[t] = &specs[t]->tenant;
	if (!world_start(&h->world, &spec, seed, sample_us))
		return false;
	h->has_twin = world_needs_twin(&h->world);
	return !h->has_twin || world_start(&h->twin, &spec, seed, sample_us);
}

static size_t add_nodes(struct context_spec *specs, const struct sampling *sampling)
{
	for (enum tier node = TIER_FAST; node <= TIER_SLOW; node++) {
		specs[node] = (struct context_spec){ .ops_id = DAMON_OPS_PADDR,
						     .attrs = sampling->attrs };
		specs[node].nodes[node] = true;
	}
	return NR_FRAME_TIERS;
}

static bool start_own_contexts(struct sim_host *h, const struct sampling *sampling)
{
	struct context_spec specs[WORLD_MAX_TENANTS + NR_FRAME_TIERS];
	const bool has_nodes = sampling->watches_nodes &&
			       h->world.machine.pages_max[TIER_SLOW] > 0.0;
	size_t nr = 0;

	for (; nr < h->world.nr_tenants; nr++)
		specs[nr] = (struct context_spec){ .ops_id = DAMON_OPS_VADDR,
						   .attrs = sampling->attrs,
						   .nr_targets = 1,
						   .targets = { (uint32_t)nr } };
	if (has_nodes)
		nr += add_nodes(&specs[nr], sampling);
	if (!sim_host_set_contexts(h, specs, nr, sampling))
		return false;
	h->has_own_contexts = true;
	h->has_node_contexts = has_nodes;
	return true;
}

struct context *sim_host_node_context(struct sim_host *h, enum tier node)
{
	return h->has_node_contexts ? &h->contexts[h->world.nr_tenants + node] : NULL;
}

bool sim_host_reset(struct sim_host *h, const struct sim_spec *const *specs, size_t nr,
		    const struct sampling *sampling, uint64_t seed)
{
	destroy_episode(h);
	h->asked_us = 0;
	keep_programs(h, specs, nr);
	/* DAMON's own chances are not the load's */
	rng_seed(&h->seeds, ~seed);
	if (start_worlds(h, specs, nr, seed, sampling->attrs.sample_us) &&
	    start_own_contexts(h, sampling))
		return true;
	destroy_episode(h);
	return false;
}

/* ---- contexts ---- */

static size_t tenant_of(const struct sim_host *h, const struct memory *memory)
{
	size_t t = 0;

	while (&h->world.tenants[t].memory != memory)
		t++;
	return t;
}

static void block_moved(void *data, struct memory *memory, size_t block, bool seen)
{
	struct sim_host *h = data;

	for (size_t i = 0; seen && i < h->nr_contexts; i++)
		context_block_seen(&h->contexts[i], tenant_of(h, memory), block);
	if (h->has_frames)
		frames_update_block(&h->frames, tenant_of(h, memory), block);
}

static bool start_frames(struct sim_host *h, const struct context_spec *specs, size_t nr)
{
	struct memory *memories[WORLD_MAX_TENANTS];
	size_t nr_views = 0;

	for (size_t i = 0; i < nr; i++)
		nr_views += specs[i].ops_id == DAMON_OPS_PADDR;
	if (!nr_views)
		return true;
	for (size_t t = 0; t < h->world.nr_tenants; t++)
		memories[t] = &h->world.tenants[t].memory;
	h->has_frames = frames_init(&h->frames, memories, h->world.nr_tenants, nr_views);
	return h->has_frames;
}

bool sim_host_set_contexts(struct sim_host *h, const struct context_spec *specs, size_t nr,
			   const struct sampling *sampling)
{
	size_t nr_views = 0;

	destroy_contexts(h);
	h->contexts = calloc(nr, sizeof(*h->contexts));
	if (!h->contexts || !start_frames(h, specs, nr))
		return false;
	for (size_t t = 0; t < h->world.nr_tenants; t++) {
		h->world.tenants[t].memory.moved = block_moved;
		h->world.tenants[t].memory.moved_data = h;
	}
	for (size_t i = 0; i < nr; i++) {
		struct context *c = &h->contexts[h->nr_contexts++];

		c->spec = specs[i];
		c->world = &h->world;
		c->frames = &h->frames;
		c->frame_view = specs[i].ops_id == DAMON_OPS_PADDR ? nr_views++ : 0;
		c->sampler = sampling->sampler;
		c->binomial = &sampling->binomial;
		if (!context_start(c, rng_u64(&h->seeds))) {
			destroy_contexts(h);
			return false;
		}
	}
	return true;
}

/* ---- time ---- */

static uint64_t next_event_us(const struct sim_host *h)
{
	uint64_t next = u64_min(h->asked_us, world_next_event_us(&h->world));

	for (size_t i = 0; i < h->nr_contexts; i++)
		next = u64_min(next, kdamond_next_event_us(&h->contexts[i].kdamond));
	return u64_max(next, h->world.now_us);
}

static bool advance_to(struct sim_host *h, uint64_t now_us)
{
	/* what was accessed until now, DAMON saw before anything changes */
	for (size_t i = 0; i < h->nr_contexts; i++)
		kdamond_catch_up(&h->contexts[i].kdamond, now_us);
	world_run(&h->world, now_us);
	/* in the same steps, so that all it does without management is the same */
	if (h->has_twin)
		world_run(&h->twin, now_us);
	for (size_t i = 0; i < h->nr_contexts; i++)
		if (!kdamond_run(&h->contexts[i].kdamond, now_us))
			return false;
	return true;
}

bool sim_host_advance(struct sim_host *h, uint64_t us)
{
	h->asked_us += us;
	while (h->world.now_us < h->asked_us)
		if (!advance_to(h, next_event_us(h)))
			return false;
	world_settle(&h->world);
	if (h->has_twin)
		world_settle(&h->twin);
	return true;
}

double sim_host_region_aggregations(const struct sim_host *h)
{
	double sum = 0.0;

	for (size_t i = 0; i < h->nr_contexts; i++)
		sum += h->contexts[i].kdamond.region_aggregations;
	return sum;
}

/* ---- what a host shows ---- */

static uint64_t bytes_of(double pages)
{
	const double bytes = pages * DT_PAGE_BYTES;

	return bytes <= 0.0 ? 0 : bytes < 0x1p64 ? (uint64_t)bytes : UINT64_MAX;
}

static bool reserve_snapshot(struct sim_host *h, const struct damon_ctx *damon)
{
	struct snapshot_region *regions;

	if (h->snapshot_capacity >= damon->nr_regions)
		return true;
	regions = realloc(h->snapshot_regions, damon->capacity * sizeof(*regions));
	if (!regions)
		return false;
	h->snapshot_regions = regions;
	h->snapshot_capacity = damon->capacity;
	return true;
}

/* A kernel shows regions before it splits them: halves that are still alike are one. */
static bool joins(const struct snapshot_region *last, const struct snapshot_region *next,
		  uint64_t sz_limit)
{
	return last->end == next->start && last->nr_accesses == next->nr_accesses &&
	       last->age == next->age && next->end - last->start <= sz_limit;
}

static bool snapshot_regions(struct sim_host *h, const struct damon_ctx *damon,
			     struct snapshot *snapshot)
{
	const uint64_t left_bp = damon_left_bp(damon);
	struct snapshot_region *out;
	size_t nr = 0;

	if (!reserve_snapshot(h, damon))
		return false;
	out = h->snapshot_regions;
	for (size_t i = 0; i < damon->nr_regions; i++) {
		const struct damon_region *r = &damon->regions[i];
		const struct snapshot_region next = {
			.start = r->start,
			.end = r->end,
			.nr_accesses = damon_mvsum(r->nr_accesses, r->last_nr_accesses, left_bp),
			.age = r->age,
		};

		if (nr && joins(&out[nr - 1], &next, damon->sz_limit))
			out[nr - 1].end = next.end;
		else
			out[nr++] = next;
	}
	snapshot->regions = out;
	snapshot->nr_regions = nr;
	return true;
}

/* What the tenants of a context have together. */
static void add_tenant(struct snapshot *s, const struct tenant *t)
{
	const struct memory *m = &t->memory;

	s->slow_bytes += bytes_of(m->tier[TIER_SLOW]);
	s->huge_bytes += bytes_of(m->huge);
	s->resident_bytes += bytes_of(memory_resident(m));
	s->swapped_bytes += bytes_of(m->tier[TIER_POOL] + m->tier[TIER_SWAP]);
	s->major_faults += (uint64_t)m->faults;
	s->cpu_time_us += (uint64_t)t->busy_us;
}

static void fill_host(struct snapshot *s, const struct world *w)
{
	const struct machine *m = &w->machine;
	const double *profile = m->profile;
	const double swap = m->pages_max[TIER_SWAP] + m->pages_max[TIER_POOL];
	const double swapped = m->pages[TIER_SWAP] + m->pages[TIER_POOL];
	const double slow_free = m->pages_max[TIER_SLOW] - m->pages[TIER_SLOW];
	const bool has_pool = m->pages_max[TIER_POOL] > 0.0;

	s->compressed_bytes = bytes_of(m->pages[TIER_POOL] / profile[PROFILE_COMPRESSION_RATIO]);
	s->memory_total_bytes = bytes_of(machine_online_pages(m, TIER_FAST) +
					 machine_online_pages(m, TIER_SLOW));
	s->memory_free_bytes = bytes_of(machine_free_pages(m) + slow_free);
	s->swap_total_bytes = bytes_of(swap);
	s->swap_free_bytes = bytes_of(swap - swapped);
	s->psi_some_us = (uint64_t)w->pressure_us;
	s->swap_in_us = machine_fault_us(m, has_pool ? TIER_POOL : TIER_SWAP) *
			profile[PROFILE_SWAP_IN_ERROR];
	s->disk_in_us = machine_fault_us(m, TIER_SWAP) * profile[PROFILE_SWAP_IN_ERROR];
	/* less than a page is what rounding has left of none */
	if (swapped >= 1.0)
		s->disk_swapped_share = fmin(fmax(m->pages[TIER_SWAP] / swapped, 0.0), 1.0);
	for (size_t t = 0; t < w->nr_tenants; t++) {
		s->swap_ins += (uint64_t)w->tenants[t].memory.swap_ins;
		s->competing_us += (uint64_t)w->tenants[t].interference_us;
	}
}

static void fill_power(struct snapshot *s, const struct power *p)
{
	const double block_pages = p->block_gib * PAGES_PER_GIB;

	s->offline_bytes = bytes_of((double)p->nr_offline * block_pages);
	s->offlinable_bytes = bytes_of((double)(p->nr_movable - p->nr_offline) * block_pages);
}

static double heat_of(const struct kdamond *kdamond)
{
	double heat = 0.0;

	for (size_t i = 0; i < kdamond->ctx.nr_regions; i++) {
		const struct damon_region *r = &kdamond->ctx.regions[i];

		heat += (double)r->nr_accesses * (double)(r->end - r->start);
	}
	return heat;
}

/* @tenant's schemes have its number in each node's context. */
static void fill_nodes(struct sim_host *h, size_t tenant, struct snapshot *s)
{
	const struct machine *m = &h->world.machine;
	const struct kdamond *fast, *slow;
	double heat;

	if (!h->has_node_contexts)
		return;
	fast = &sim_host_node_context(h, TIER_FAST)->kdamond;
	slow = &sim_host_node_context(h, TIER_SLOW)->kdamond;
	s->fast_total_bytes = bytes_of(machine_online_pages(m, TIER_FAST));
	s->fast_free_bytes = bytes_of(machine_free_pages(m));
	heat = heat_of(fast) + heat_of(slow);
	s->slow_heat_share = heat > 0.0 ? heat_of(slow) / heat : 0.0;
	if (tenant < fast->nr_schemes)
		s->demoted_bytes = fast->schemes[tenant].stats.sz_applied_bytes;
	if (tenant < slow->nr_schemes)
		s->promoted_bytes = slow->schemes[tenant].stats.sz_applied_bytes;
}

bool sim_host_snapshot(struct sim_host *h, size_t context, struct snapshot *s)
{
	const struct context *c = &h->contexts[context];
	const struct damon_attrs *attrs = &c->kdamond.ctx.attrs;

	*s = (struct snapshot){
		.time_us = h->world.now_us,
		.sample_us = attrs->sample_us,
		.aggr_us = attrs->aggr_us,
	};
	for (uint32_t t = 0; t < c->spec.nr_targets; t++)
		add_tenant(s, &h->world.tenants[c->spec.targets[t]]);
	for (size_t t = 0; !c->spec.nr_targets && t < h->world.nr_tenants; t++)
		add_tenant(s, &h->world.tenants[t]);
	fill_host(s, &h->world);
	fill_power(s, &h->world.machine.power);
	fill_nodes(h, context, s);
	if (c->kdamond.nr_schemes)
		s->stats = c->kdamond.schemes[0].stats;
	return snapshot_regions(h, &c->kdamond.ctx, s);
}

/* ---- what only the simulator knows ---- */

static double byte_s(double page_us)
{
	return page_us * DT_PAGE_BYTES * 1e-6;
}

static double cost_of(const struct world *w, const struct tenant *t, double energy_j)
{
	const double *profile = w->machine.profile;
	const double *page_us = t->memory.tier_page_us;

	return byte_s(page_us[TIER_FAST]) +
	       byte_s(page_us[TIER_SLOW]) * profile[PROFILE_SLOW_PRICE] +
	       byte_s(page_us[TIER_POOL]) / profile[PROFILE_COMPRESSION_RATIO] +
	       byte_s(page_us[TIER_SWAP]) * profile[PROFILE_SWAP_PRICE] +
	       energy_j * profile[PROFILE_ENERGY_PRICE] * BYTES_PER_GIB;
}

static double energy_of(const struct world *w, const struct power *power)
{
	return power->energy_j / (double)w->nr_tenants;
}

void sim_host_truth(const struct sim_host *h, size_t tenant, struct truth *truth)
{
	const struct tenant *t = &h->world.tenants[tenant];
	const struct memory *m = &t->memory;

	*truth = (struct truth){
		.time_us = (double)h->world.now_us,
		.resident_byte_s = byte_s(m->tier_page_us[TIER_FAST] + m->tier_page_us[TIER_SLOW]),
		.touched_byte_s = byte_s(m->touched_page_us),
		.stall_us = m->stall_us,
		.interference_us = t->interference_us,
		.busy_us = t->busy_us,
		.faults = m->faults,
		.pages_out = m->pages_out,
		.lost_us = tenant_lost_us(t),
		.slow_byte_s = byte_s(m->tier_page_us[TIER_SLOW]),
		.huge_byte_s = byte_s(m->huge_page_us),
		.pages_promoted = m->pages_promoted,
		.pages_demoted = m->pages_demoted,
		.energy_j = energy_of(&h->world, &h->world.machine.power),
		.oom_kills = t->oom_kills,
	};
	truth->cost_byte_s = cost_of(&h->world, t, truth->energy_j);
	if (h->has_twin) {
		const struct tenant *twin = &h->twin.tenants[tenant];

		truth->energy_unmanaged_j = energy_of(&h->twin, &h->twin.machine.power);
		truth->lost_unmanaged_us = tenant_lost_us(twin);
		truth->cost_unmanaged_byte_s = cost_of(&h->twin, twin, truth->energy_unmanaged_j);
	} else {
		/* all of it stays where it was touched */
		truth->energy_unmanaged_j = energy_of(&h->world, &h->world.unmanaged_power);
		truth->lost_unmanaged_us = m->first_touch_us;
		truth->cost_unmanaged_byte_s = truth->touched_byte_s +
			truth->energy_unmanaged_j * h->world.machine.profile[PROFILE_ENERGY_PRICE] *
				BYTES_PER_GIB;
	}
}

void sim_host_machine(const struct sim_host *h, struct sim_machine *machine)
{
	const struct machine *m = &h->world.machine;

	*machine = (struct sim_machine){
		.free_bytes = machine_free_pages(m) * DT_PAGE_BYTES,
		.power = m->power,
		.kernel_reclaimed_bytes = h->world.reclaim.pages_reclaimed * DT_PAGE_BYTES,
		.oom_kills = h->world.reclaim.oom_kills,
	};
	for (size_t t = 0; t < NR_TIERS; t++) {
		machine->used_bytes[t] = m->pages[t] * DT_PAGE_BYTES;
		machine->max_bytes[t] = m->pages_max[t] * DT_PAGE_BYTES;
	}
}

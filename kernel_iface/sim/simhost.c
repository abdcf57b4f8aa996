/* SPDX-License-Identifier: Apache-2.0 */
#include "simhost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where a mapping of a 64-bit process typically lies. */
#define MAPPING_START 0x7f0000000000ULL
/*
 * A heap below and a stack above: DAMON starts from three ranges with two large gaps.  What lies
 * between the program and its heap is monitored as well, though nothing is mapped there.
 */
#define HEAP_START 0x555555000000ULL
#define STACK_START 0x7ffffffde000ULL
#define SMALL_RANGE_BYTES (132ULL << 10)
/* Memory that does not fit between them, beyond 1 TiB, pushes what lies above it away. */
#define MIN_GAP_BYTES (1ULL << 30)

const struct param profile_params[NR_PROFILE_PARAMS] = {
	/* memory of the host over the tenant's footprint */
	[PROFILE_MEMORY_RATIO] = { "memory_ratio", 1.1, 3, 1, 1e6, true },
	/* CPUs over the tenant's threads */
	[PROFILE_CPU_RATIO] = { "cpu_ratio", 1, 4, 0.1, 1e6, true },
	/* part of the host's memory that compressed pages may occupy, before compression */
	[PROFILE_POOL_SHARE] = { "pool_share", 0, 1, 0, 8, false },
	[PROFILE_COMPRESSION_RATIO] = { "compression_ratio", 2, 4, 1, 100, false },
	[PROFILE_INCOMPRESSIBLE_SHARE] = { "incompressible_share", 0, 0.2, 0, 1, false },
	/* swap device over the host's memory */
	[PROFILE_SWAP_RATIO] = { "swap_ratio", 0.25, 2, 0, 1e6, false },
	[PROFILE_COMPRESSED_IN_US] = { "compressed_in_us", 4, 100, 0, 1e6, true },
	[PROFILE_SWAP_IN_US] = { "swap_in_us", 25, 200, 0, 1e6, true },
	[PROFILE_PAGE_OUT_US] = { "page_out_us", 1, 30, 0, 1e6, true },
	[PROFILE_PAGE_WALK_US] = { "page_walk_us", 0.01, 0.1, 0, 1e6, true },
	[PROFILE_CHECK_US] = { "check_us", 0.1, 0.5, 0, 1e6, true },
	/* how much of the stall time the kernel's pressure accounting shows */
	[PROFILE_PRESSURE_VISIBILITY] = { "pressure_visibility", 0, 1, 0, 1, false },
	/* what the host believes a fault costs, over what it does cost */
	[PROFILE_SWAP_IN_ERROR] = { "swap_in_error", 0.7, 1.4, 0.01, 100, true },
	/* price of a swapped byte over a byte of DRAM */
	[PROFILE_SWAP_PRICE] = { "swap_price", 0.02, 0.02, 0, 1, false },
	/* addresses that DAMON monitors and nothing is mapped at, over the footprint */
	[PROFILE_GAP_SHARE] = { "gap_share", 0, 0.15, 0, 4, false },
};

static const struct damon_ops sim_ops;

void sim_host_init(struct sim_host *h)
{
	memset(h, 0, sizeof(*h));
}

void sim_host_destroy(struct sim_host *h)
{
	workload_destroy(&h->workload);
	program_put(h->spec.program);
	memory_destroy(&h->memory);
	damon_destroy_ctx(&h->kdamond.ctx);
	free(h->snapshot_regions);
	memset(h, 0, sizeof(*h));
}

/* Blocks grow with the footprint, so that the cost of a step does not. */
static uint64_t block_bytes_of(const struct workload_family *family, double footprint_bytes)
{
	uint64_t bytes = workload_min_block_bytes(family);

	while (footprint_bytes / (double)bytes > SIM_MAX_BLOCKS)
		bytes *= 2;
	return bytes;
}

static struct memory_costs costs_of(const struct sim_host *h)
{
	const double *p = h->profile;

	return (struct memory_costs){
		.compressed_in_us = p[PROFILE_COMPRESSED_IN_US],
		.swap_in_us = p[PROFILE_SWAP_IN_US],
		.page_out_us = p[PROFILE_PAGE_OUT_US],
		.page_walk_us = p[PROFILE_PAGE_WALK_US],
		.compression_ratio = p[PROFILE_COMPRESSION_RATIO],
		.incompressible_share = p[PROFILE_INCOMPRESSIBLE_SHARE],
		.pool_pages_max = p[PROFILE_POOL_SHARE] * h->memory_total_pages,
		.swap_pages_max = p[PROFILE_SWAP_RATIO] * h->memory_total_pages,
	};
}

static void draw_parameters(struct sim_host *h, const struct sim_spec *spec)
{
	struct workload *w = &h->workload;
	struct program *before = h->spec.program;

	h->spec = *spec;
	program_get(h->spec.program);
	program_put(before);
	w->family = spec->family;
	for (size_t i = 0; i < workload_nr_params(spec->family); i++)
		w->params[i] = param_draw(workload_param(spec->family, i), &spec->workload[i],
					  &w->rng);
	for (size_t i = 0; i < NR_PROFILE_PARAMS; i++)
		h->profile[i] = param_draw(&profile_params[i], &spec->profile[i], &w->rng);
}

bool sim_host_reset(struct sim_host *h, const struct sim_spec *spec,
		    const struct damon_attrs *attrs, enum sampler sampler, uint64_t seed)
{
	struct workload *w = &h->workload;
	uint64_t block_bytes, heap_end, stack_start, ranges[6];
	struct memory_costs costs;
	size_t nr_blocks;

	rng_seed(&w->rng, seed);
	draw_parameters(h, spec);
	block_bytes = block_bytes_of(w->family, w->params[WL_FOOTPRINT_BYTES]);
	nr_blocks = (size_t)ceil(w->params[WL_FOOTPRINT_BYTES] / (double)block_bytes);
	h->memory_total_pages = h->profile[PROFILE_MEMORY_RATIO] * (double)nr_blocks *
				(double)block_bytes / DT_PAGE_BYTES;
	costs = costs_of(h);
	if (!memory_init(&h->memory, nr_blocks, block_bytes, attrs->sample_us, &costs))
		return false;

	h->sampler = sampler;
	heap_end = HEAP_START + SMALL_RANGE_BYTES +
		   align_down((uint64_t)(h->profile[PROFILE_GAP_SHARE] *
					 w->params[WL_FOOTPRINT_BYTES]), DAMON_MIN_REGION_SZ);
	h->range_start = u64_max(MAPPING_START, heap_end + MIN_GAP_BYTES);
	h->range_end = h->range_start + nr_blocks * block_bytes;
	stack_start = u64_max(STACK_START, h->range_end + MIN_GAP_BYTES);
	h->now_us = 0;
	h->next_workload_us = WORKLOAD_TICK_US;
	h->next_memory_us = MEMORY_TICK_US;
	h->interference_us = h->busy_us = h->pressure_us = 0.0;

	if (!workload_start(w, &h->memory, h->spec.program))
		return false;

	kdamond_init(&h->kdamond, &sim_ops, h, attrs, rng_u64(&w->rng));
	memcpy(ranges, (uint64_t[6]){ HEAP_START, heap_end, h->range_start, h->range_end,
				      stack_start, stack_start + SMALL_RANGE_BYTES },
	       sizeof(ranges));
	return damon_set_regions(&h->kdamond.ctx, 0, ranges, 3) && kdamond_start(&h->kdamond, 0);
}

void sim_host_set_schemes(struct sim_host *h, const struct scheme *schemes, size_t nr)
{
	kdamond_commit_schemes(&h->kdamond, schemes, nr);
}

static double compressed_pool_pages(const struct sim_host *h)
{
	return h->memory.compressed / h->memory.costs.compression_ratio;
}

static double free_pages(const struct sim_host *h)
{
	return fmax(h->memory_total_pages - memory_resident(&h->memory) -
			    compressed_pool_pages(h), 0.0);
}

/* Fractional block number of an address; the small ranges hold nothing that is followed. */
static double block_of(const struct sim_host *h, uint64_t addr)
{
	if (addr <= h->range_start)
		return 0.0;
	if (addr >= h->range_end)
		return (double)h->memory.nr_blocks;
	return (double)(addr - h->range_start) * h->memory.blocks_per_byte;
}

/* kdamond takes CPU time from the tenant as often as it lands on one of its busy CPUs. */
static void charge_kdamond(struct sim_host *h, double us)
{
	const double cpus = h->workload.params[WL_THREADS] * h->profile[PROFILE_CPU_RATIO];

	h->interference_us += us * fmin(h->workload.busy_threads / cpus, 1.0);
}

static void apply_scheme(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
			 const struct damon_region *r, struct damos_result *result)
{
	struct sim_host *h = data;

	(void)ctx;
	if (scheme->action != DAMOS_PAGEOUT)
		return;
	result->elapsed_us = memory_page_out(&h->memory, block_of(h, r->start),
					     block_of(h, r->end), h->now_us);
	charge_kdamond(h, result->elapsed_us);
	/* As with the kernel's page-out by address: what was walked counts as applied. */
	result->applied_bytes = region_sz(r);
}

/* Sum over @nr samples of each region's access checks, one draw a region. */
static void sample_binomial(struct sim_host *h, uint32_t nr)
{
	const struct memory *m = &h->memory;
	uint64_t before_addr = 0;
	double before = 0.0;

	if (h->binomial.n != nr)
		binomial_init(&h->binomial, nr);
	for (size_t i = 0; i < h->kdamond.ctx.nr_regions; i++) {
		struct damon_region *r = &h->kdamond.ctx.regions[i];
		double after, mean;

		if (r->end <= h->range_start || r->start >= h->range_end)
			continue;
		if (r->start != before_addr)
			before = memory_probability_before(m, block_of(h, r->start));
		after = memory_probability_before(m, block_of(h, r->end));
		mean = (after - before) / ((double)region_sz(r) * m->blocks_per_byte);
		before = after;
		before_addr = r->end;
		if (mean > 0.0)
			r->nr_accesses += binomial_draw(&h->binomial, &h->kdamond.ctx.rng,
							mean < 1.0 ? mean : 1.0);
	}
}

/* The reference: at each of @nr samples, look at one page of each region. */
static void sample_per_check(struct sim_host *h, uint32_t nr)
{
	const struct memory *m = &h->memory;

	for (uint32_t k = 0; k < nr; k++) {
		for (size_t i = 0; i < h->kdamond.ctx.nr_regions; i++) {
			struct damon_region *r = &h->kdamond.ctx.regions[i];
			uint64_t addr = r->start + rng_below(&h->kdamond.ctx.rng, region_sz(r));
			double block = block_of(h, addr);

			if (addr < h->range_start || addr >= h->range_end)
				continue;
			r->nr_accesses += rng_unit(&h->kdamond.ctx.rng) <
				(double)m->blocks[(size_t)block].access_probability;
		}
	}
}

static void check_accesses(void *data, struct damon_ctx *ctx, uint64_t nr)
{
	struct sim_host *h = data;

	(void)ctx;
	charge_kdamond(h, (double)(h->kdamond.ctx.nr_regions * nr) * h->profile[PROFILE_CHECK_US]);
	while (nr) {
		uint32_t part = nr > BINOMIAL_MAX_N ? BINOMIAL_MAX_N : (uint32_t)nr;

		if (h->sampler == SAMPLER_BINOMIAL)
			sample_binomial(h, part);
		else
			sample_per_check(h, part);
		nr -= part;
	}
}

static uint64_t free_mem_permille(void *data)
{
	const struct sim_host *h = data;

	return (uint64_t)(free_pages(h) * 1000.0 / h->memory_total_pages);
}

/* The metrics of this memory; what there is none of is 0. */
static uint64_t goal_value(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
			   const struct quota_goal *goal)
{
	const struct sim_host *h = data;
	const double free_bp = free_pages(h) * 1e4 / h->memory_total_pages;

	(void)ctx;
	(void)scheme;
	switch (goal->metric) {
	case DAMOS_GOAL_SOME_MEM_PSI_US:
		return (uint64_t)h->pressure_us;
	case DAMOS_GOAL_NODE_MEM_FREE_BP:
		return goal->nid ? 10000 : (uint64_t)free_bp;
	case DAMOS_GOAL_NODE_MEM_USED_BP:
		return goal->nid ? 0 : (uint64_t)(1e4 - free_bp);
	default:
		return 0;
	}
}

static const struct damon_ops sim_ops = {
	.check_accesses = check_accesses,
	.apply = apply_scheme,
	.goal_value = goal_value,
	.free_mem_permille = free_mem_permille,
};

static void pass_time(struct sim_host *h, uint64_t us)
{
	h->now_us += us;
	h->busy_us += h->workload.busy_threads * (double)us;
	if (h->now_us >= h->next_memory_us) {
		memory_settle(&h->memory, h->now_us);
		h->next_memory_us = h->now_us + MEMORY_TICK_US;
	}
}

static void run_workload(struct sim_host *h)
{
	if (h->now_us < h->next_workload_us)
		return;
	h->workload.family->tick(&h->workload, h->now_us);
	memory_update_sums(&h->memory);
	h->next_workload_us = h->now_us + WORKLOAD_TICK_US;
}

static bool advance_to_event(struct sim_host *h, uint64_t until_us)
{
	uint64_t next_us = u64_min(u64_min(h->next_workload_us, h->next_memory_us),
				   u64_min(kdamond_next_event_us(&h->kdamond), until_us));

	pass_time(h, next_us - h->now_us);
	if (!kdamond_run(&h->kdamond, h->now_us))
		return false;
	run_workload(h);
	return true;
}

bool sim_host_advance(struct sim_host *h, uint64_t us)
{
	const double stall_before_us = h->memory.stall_us;
	const uint64_t start_us = h->now_us;
	double stall_us;

	while (h->now_us < start_us + us)
		if (!advance_to_event(h, start_us + us))
			return false;
	memory_settle(&h->memory, h->now_us);
	stall_us = h->memory.stall_us - stall_before_us;
	h->pressure_us += fmin(stall_us, (double)(h->now_us - start_us)) *
			  h->profile[PROFILE_PRESSURE_VISIBILITY];
	return true;
}

static uint64_t bytes_of(double pages)
{
	const double bytes = pages * DT_PAGE_BYTES;

	return bytes <= 0.0 ? 0 : bytes < 0x1p64 ? (uint64_t)bytes : UINT64_MAX;
}

static bool snapshot_regions(struct sim_host *h, struct snapshot *snapshot)
{
	const struct damon_ctx *damon = &h->kdamond.ctx;
	const uint64_t left_bp = damon_left_bp(damon);

	if (h->snapshot_capacity < damon->nr_regions) {
		struct snapshot_region *regions = realloc(h->snapshot_regions,
			damon->capacity * sizeof(*regions));

		if (!regions)
			return false;
		h->snapshot_regions = regions;
		h->snapshot_capacity = damon->capacity;
	}
	for (size_t i = 0; i < damon->nr_regions; i++) {
		const struct damon_region *r = &damon->regions[i];

		h->snapshot_regions[i] = (struct snapshot_region){
			.start = r->start,
			.end = r->end,
			.nr_accesses = damon_mvsum(r->nr_accesses, r->last_nr_accesses, left_bp),
			.age = r->age,
		};
	}
	snapshot->regions = h->snapshot_regions;
	snapshot->nr_regions = damon->nr_regions;
	return true;
}

bool sim_host_snapshot(struct sim_host *h, struct snapshot *s)
{
	const struct memory *m = &h->memory;
	const bool has_pool = m->costs.pool_pages_max > 0.0;

	*s = (struct snapshot){
		.time_us = h->now_us,
		.sample_us = h->kdamond.ctx.attrs.sample_us,
		.aggr_us = h->kdamond.ctx.attrs.aggr_us,
		.resident_bytes = bytes_of(memory_resident(m)),
		.swapped_bytes = bytes_of(m->compressed + m->swapped),
		.compressed_bytes = bytes_of(compressed_pool_pages(h)),
		.memory_total_bytes = bytes_of(h->memory_total_pages),
		.memory_free_bytes = bytes_of(free_pages(h)),
		.swap_total_bytes = bytes_of(m->costs.swap_pages_max + m->costs.pool_pages_max),
		.swap_free_bytes = bytes_of(m->costs.swap_pages_max + m->costs.pool_pages_max -
					    m->swapped - m->compressed),
		.major_faults = (uint64_t)m->faults,
		.cpu_time_us = (uint64_t)h->busy_us,
		.psi_some_us = (uint64_t)h->pressure_us,
		.swap_in_us = (has_pool ? m->costs.compressed_in_us : m->costs.swap_in_us) *
			      h->profile[PROFILE_SWAP_IN_ERROR],
	};
	if (h->kdamond.nr_schemes)
		s->stats = h->kdamond.schemes[0].stats;
	return snapshot_regions(h, s);
}

void sim_host_truth(const struct sim_host *h, struct truth *t)
{
	const struct memory *m = &h->memory;
	const double byte_s = DT_PAGE_BYTES * 1e-6;

	t->time_us = (double)h->now_us;
	t->touched_byte_s = m->touched_page_us * byte_s;
	t->resident_byte_s = m->resident_page_us * byte_s;
	t->cost_unmanaged_byte_s = t->touched_byte_s;
	t->cost_byte_s = t->resident_byte_s +
			 m->compressed_page_us * byte_s / m->costs.compression_ratio +
			 m->swapped_page_us * byte_s * h->profile[PROFILE_SWAP_PRICE];
	t->stall_us = m->stall_us;
	t->interference_us = h->interference_us;
	t->busy_us = h->busy_us;
	t->faults = m->faults;
	t->pages_out = m->pages_out;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant.h"

#include <math.h>
#include <string.h>

#include "monitor.h"

/* More blocks than this make a step slower and no truer: they grow with the footprint. */
#define TENANT_MAX_BLOCKS 4096
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
/* The memory bus is that busy when a load waits for memory all the time. */
#define BUS_SHARE 0.8
#define BUS_SHARE_MAX 0.95
/* So long it takes until a killed process works again. */
#define RESTART_US 10000000ULL

/* A thread that runs is at its own pages again and again; this is how often at least. */
#define OWN_HZ 2000.0

void tenant_draw(struct tenant *t, const struct tenant_spec *spec, struct rng *rng)
{
	struct workload *w = &t->workload;

	w->family = spec->family;
	for (size_t i = 0; i < workload_nr_params(spec->family); i++)
		w->params[i] = param_draw(workload_param(spec->family, i), &spec->workload[i], rng);
}

static uint64_t block_bytes_of(const struct workload *w)
{
	uint64_t bytes = workload_min_block_bytes(w->family);

	while (w->params[WL_FOOTPRINT_BYTES] / (double)bytes > TENANT_MAX_BLOCKS)
		bytes *= 2;
	return bytes;
}

static size_t nr_blocks_of(const struct workload *w)
{
	return (size_t)ceil(w->params[WL_FOOTPRINT_BYTES] / (double)block_bytes_of(w));
}

double tenant_footprint_pages(const struct tenant *t)
{
	return (double)nr_blocks_of(&t->workload) * (double)block_bytes_of(&t->workload) /
	       DT_PAGE_BYTES;
}

static void lay_out(struct tenant *t, double gap_share)
{
	const struct workload *w = &t->workload;
	const uint64_t gap = align_down((uint64_t)(gap_share * w->params[WL_FOOTPRINT_BYTES]),
					DAMON_MIN_REGION_SZ);
	uint64_t *ranges = t->ranges;

	ranges[0] = HEAP_START;
	ranges[1] = HEAP_START + SMALL_RANGE_BYTES + gap;
	ranges[2] = u64_max(MAPPING_START, ranges[1] + MIN_GAP_BYTES);
	ranges[3] = ranges[2] + nr_blocks_of(w) * block_bytes_of(w);
	ranges[4] = u64_max(STACK_START, ranges[3] + MIN_GAP_BYTES);
	ranges[5] = ranges[4] + SMALL_RANGE_BYTES;
}

static struct own_pages own_pages_at(uint64_t start, uint64_t offset, uint64_t nr)
{
	const uint64_t at = start + align_down(offset, DAMON_MIN_REGION_SZ);

	return (struct own_pages){ at, at + nr * DAMON_MIN_REGION_SZ };
}

/*
 * To DAMON they are single pages with the highest counts there are, and the highest count
 * decides what is merged: without them there would be several times as many regions.
 */
static void place_own_pages(struct tenant *t)
{
	const uint64_t low = t->ranges[0], bytes = t->ranges[1] - low, high = t->ranges[4];
	const uint64_t page = DAMON_MIN_REGION_SZ;

	t->own[0] = own_pages_at(low, page, 1);
	t->own[1] = own_pages_at(low, bytes / 2, 2);
	t->own[2] = own_pages_at(low, bytes / 4 * 3, 1);
	t->own[3] = own_pages_at(low, bytes - bytes / 10, 1);
	t->own[4] = own_pages_at(high, 23 * page, 1);
	t->own[5] = own_pages_at(high, 28 * page, 1);
	t->own[6] = own_pages_at(high, 32 * page, 1);
}

double tenant_own_heat(const struct tenant *t, double sample_s)
{
	return -expm1(-OWN_HZ * t->workload.busy_threads * sample_s);
}

bool tenant_start(struct tenant *t, const struct tenant_spec *spec, struct machine *machine,
		  uint64_t seed, uint64_t sample_us)
{
	lay_out(t, machine->profile[PROFILE_GAP_SHARE]);
	place_own_pages(t);
	rng_seed(&t->workload.rng, seed);
	if (!memory_init(&t->memory, machine, nr_blocks_of(&t->workload),
			 block_bytes_of(&t->workload), sample_us))
		return false;
	return workload_start(&t->workload, &t->memory, spec->program);
}

void tenant_destroy(struct tenant *t)
{
	workload_destroy(&t->workload);
	memory_destroy(&t->memory);
}

/* How much longer requests take on a bus that is busy for the share @load of the time. */
static double queueing(double load)
{
	return 1.0 / (1.0 - fmin(load, BUS_SHARE_MAX));
}

/*
 * How much longer accesses take, of which the share @slow is to slow memory, than where all are to
 * fast memory at its full clock.  A slower clock has less bandwidth to give, so that requests wait
 * for one another; each tier has a bus of its own, so that they wait less where both serve some.
 */
static double access_penalty(const struct machine *m, double memory_bound, double slow)
{
	const double *profile = m->profile;
	const double load = BUS_SHARE * memory_bound;
	const double fast_time = (1.0 - slow) * queueing(load * (1.0 - slow) / m->power.clock_cap);
	const double slow_time = slow * (1.0 + machine_slow_penalty(m)) * queueing(load * slow);
	const double time = (fast_time + slow_time) / queueing(load);
	/* the slow bus alone takes so long, however many requests are underway */
	const double least =
		load * slow * profile[PROFILE_FAST_GBPS] / profile[PROFILE_SLOW_GBPS];

	return fmax(time, least) - 1.0;
}

/* What rounding left of a sum that went back to 0 is no share. */
static double share_of_accesses(const struct memory *m, double hz)
{
	return m->access_hz > 1e-9 ? fmin(fmax(hz / m->access_hz, 0.0), 1.0) : 0.0;
}

double tenants_busy_threads(const struct tenant *tenants, size_t nr)
{
	double busy = 0.0;

	for (size_t t = 0; t < nr; t++)
		busy += tenants[t].workload.busy_threads;
	return busy;
}

void tenant_pass_time(struct tenant *t, double us)
{
	const struct memory *m = &t->memory;
	const double bound = t->workload.params[WL_MEMORY_BOUND_SHARE];
	const double busy_us = t->workload.busy_threads * us;
	double lost = bound * access_penalty(m->machine, bound, share_of_accesses(m, m->slow_hz));

	lost -= t->workload.params[WL_TLB_SHARE] * share_of_accesses(m, m->huge_hz);
	t->busy_us += busy_us;
	t->memory_us += busy_us * lost;
}

void tenant_kill(struct tenant *t, uint64_t now_us)
{
	struct memory *m = &t->memory;

	for (size_t i = 0; i < m->nr_blocks; i++) {
		memory_set_touched(m, i, 0.0, now_us - m->origin_us);
		memory_set_rate(m, i, 0.0, now_us - m->origin_us);
		m->blocks[i].advice = THP_NO_ADVICE;
	}
	m->stall_us += (double)RESTART_US * t->workload.busy_threads;
	t->workload.busy_threads = 0.0;
	t->down_until_us = now_us + RESTART_US;
	t->oom_kills++;
}

void tenant_run(struct tenant *t, uint64_t now_us)
{
	struct workload *w = &t->workload;

	if (!t->down_until_us) {
		w->family->tick(w, now_us - t->memory.origin_us);
	} else if (now_us >= t->down_until_us) {
		t->down_until_us = 0;
		t->memory.origin_us = now_us;
		workload_begin(w);
	}
}

double tenant_block_of(const struct tenant *t, uint64_t addr)
{
	if (addr <= t->ranges[2])
		return 0.0;
	if (addr >= t->ranges[3])
		return (double)t->memory.nr_blocks;
	return (double)(addr - t->ranges[2]) * t->memory.blocks_per_byte;
}

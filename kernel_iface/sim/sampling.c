/* SPDX-License-Identifier: Apache-2.0 */
/* How accesses are checked: all of a window in one draw, or each one, which is the reference. */
#include "context.h"

#include <math.h>

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

/* Regions whose means are known before the first is drawn by: each loop fits into registers. */
#define CHUNK 64

/* Shares of the looks at each of @nr regions that find an access. */
static void mean_of_each(const struct heat heat, const struct address_map map,
			 const struct damon_region *regions, size_t nr, size_t *own, double *mean)
{
	const double bytes_per_block = 1.0 / map.blocks_per_byte;
	uint64_t seen_until = 0;
	double before = 0.0;

	for (size_t i = 0; i < nr; i++) {
		const struct damon_region *r = &regions[i];
		const uint64_t start = r->start, end = r->end;
		double after;

		/* mostly the next region begins where this one ends */
		if (start != seen_until)
			before = heat_before_addr(&heat, &map, start);
		after = heat_before_addr(&heat, &map, end);
		mean[i] = (after - before) * bytes_per_block / to_double(end - start);
		if (*own < map.nr_own && map.own[*own].start < end)
			mean[i] += to_double(own_bytes(&map, r, own)) * map.own_heat /
				to_double(end - start);
		before = after;
		seen_until = end;
	}
}

/* One draw for all of a region's looks; @nr_samples makes an aggregation. */
static void check_whole(struct context *c, const struct heat *heat, const struct address_map *map,
			struct damon_region *regions, size_t nr)
{
	const struct binomial *binomial = c->binomial;
	struct rng rng = c->kdamond.ctx.rng;
	double mean[CHUNK];
	size_t own = 0;

	for (size_t n; nr; regions += n, nr -= n) {
		n = u64_min(nr, CHUNK);
		mean_of_each(*heat, *map, regions, n, &own, mean);
		for (size_t i = 0; i < n; i++)
			if (mean[i] > 0.0)
				regions[i].nr_accesses +=
					binomial_draw(binomial, &rng,
						      mean[i] < 1.0 ? mean[i] : 1.0);
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
		check_whole(c, heat, map, regions, nr);
		return;
	}
	for (size_t i = 0; i < nr; i++)
		if (c->sampler == SAMPLER_PER_CHECK)
			regions[i].nr_accesses +=
				check_one_by_one(c, map, &regions[i], nr_samples);
		else
			check_part(c, heat, map, &regions[i], nr_samples);
}

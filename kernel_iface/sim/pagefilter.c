/* SPDX-License-Identifier: Apache-2.0 */
#include "pagefilter.h"

#include <math.h>

#include "filters.h"

/* A page that is accessed more often than this is on the active list, if nobody moved it. */
#define ACTIVE_RATE_HZ (1.0 / 60.0)
#define HUGE_PAGE_BYTES (2ULL << 20)
#define BASE_PAGE_BYTES 4096ULL

/* One kind of page of a block. */
struct kind {
	bool young;
	bool huge;
	bool active;
};

static bool is_of_type(const struct damos_filter *f, const struct block *b, const struct kind *k,
		       uint32_t memcg)
{
	const uint64_t bytes = k->huge ? HUGE_PAGE_BYTES : BASE_PAGE_BYTES;

	switch (f->type) {
	case DAMOS_FILTER_ANON:
		return !b->is_file;
	case DAMOS_FILTER_ACTIVE:
		return k->active;
	case DAMOS_FILTER_MEMCG:
		return f->memcg == memcg;
	case DAMOS_FILTER_YOUNG:
		return k->young;
	case DAMOS_FILTER_HUGEPAGE_SIZE:
		return f->min_bytes <= bytes && bytes <= f->max_bytes;
	default:
		/* every page that is followed here is mapped */
		return false;
	}
}

/* The first filter that matches decides; without one, the opposite of the last filter. */
static bool passes(const struct scheme *s, const struct block *b, const struct kind *k,
		   uint32_t memcg, bool reject_young)
{
	const struct damos_filter *last = NULL;

	for (uint32_t i = 0; i < s->nr_filters; i++) {
		const struct damos_filter *f = &s->filters[i];

		if (!damos_filter_for_ops(f->type))
			continue;
		last = f;
		if (is_of_type(f, b, k, memcg) == f->matching)
			return f->allow;
	}
	if (reject_young && k->young)
		return false;
	return !last || reject_young || !last->allow;
}

static bool asks_for(const struct scheme *s, enum damos_filter_type type)
{
	for (uint32_t i = 0; i < s->nr_filters; i++)
		if (s->filters[i].type == type)
			return true;
	return false;
}

/* Accessed since the bits were cleared; a page whose bit nobody ever cleared is young. */
static double young_share(const struct block *b, bool huge, uint64_t now_us)
{
	const double pages = huge ? PAGES_PER_HUGE_PAGE * (double)b->touched : 1.0;

	/* or only just, on the way over another part of the block */
	if (!b->cleared_us || b->cleared_us == now_us)
		return 1.0;
	return -expm1(-(double)b->rate_hz * pages * (double)(now_us - b->cleared_us) * 1e-6);
}

double page_active_share(const struct block *b)
{
	if (b->active >= 0.0f)
		return (double)b->active;
	return (double)b->rate_hz > ACTIVE_RATE_HZ;
}

static double passing_share(const struct scheme *s, const struct block *b, bool huge,
			    uint32_t memcg, bool reject_young, uint64_t now_us)
{
	const double young = young_share(b, huge, now_us), active = page_active_share(b);
	double share = 0.0;

	for (int kind = 0; kind < 4; kind++) {
		const struct kind k = { .young = kind & 1, .huge = huge, .active = kind & 2 };

		if (passes(s, b, &k, memcg, reject_young))
			share += (k.young ? young : 1.0 - young) *
				 (k.active ? active : 1.0 - active);
	}
	return share;
}

struct page_pass page_filter(struct memory *m, size_t block, const struct scheme *s,
			     uint32_t memcg, bool reject_young, uint64_t now_us)
{
	struct block *b = &m->blocks[block];
	struct page_pass pass;
	const bool asks_young = asks_for(s, DAMOS_FILTER_YOUNG);

	/* a filter of the scheme's own takes the place of the implicit one */
	reject_young = reject_young && !asks_young;
	pass.huge = passing_share(s, b, true, memcg, reject_young, now_us);
	pass.base = passing_share(s, b, false, memcg, reject_young, now_us);
	if (asks_young || reject_young)
		b->cleared_us = now_us ? now_us : 1;
	return pass;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "filters.h"

const char *damos_validate_filter(const struct damos_filter *f)
{
	if (f->type == DAMOS_FILTER_ADDR && f->addr_start > f->addr_end)
		return "filters: addr_start must not exceed addr_end";
	if (f->type == DAMOS_FILTER_HUGEPAGE_SIZE && f->min_bytes > f->max_bytes)
		return "filters: min_bytes must not exceed max_bytes";
	return NULL;
}

/* The last filter of a list tells what its author thinks of all the rest. */
struct filter_defaults damos_filter_defaults(const struct scheme *scheme)
{
	struct filter_defaults defaults = { 0 };
	bool any_ops = false;

	for (size_t i = 0; i < scheme->nr_filters; i++) {
		const struct damos_filter *f = &scheme->filters[i];

		if (damos_filter_for_ops(f->type)) {
			any_ops = true;
			defaults.ops_reject = f->allow;
		} else {
			defaults.any_core = true;
			defaults.core_reject = f->allow;
		}
	}
	/* what is left over is for the operations set's filters to judge, where there are any */
	if (any_ops)
		defaults.core_reject = false;
	return defaults;
}

static bool in_address_range(const struct damos_filter *f, struct region_walk *w)
{
	const uint64_t start = align_down(f->addr_start, w->ctx->min_region_sz);
	const uint64_t end = align_down(f->addr_end, w->ctx->min_region_sz);
	const struct damon_region *r = walk_region(w);

	if (start <= r->start && r->end <= end)
		return true;
	if (r->end <= start || end <= r->start)
		return false;
	if (r->start < start) {
		walk_split(w, start - r->start);
		return false;
	}
	walk_split(w, end - r->start);
	return true;
}

static bool filter_matches(const struct damos_filter *f, struct region_walk *w)
{
	const bool is_of_type = f->type == DAMOS_FILTER_TARGET ?
		walk_region(w)->target == f->target : in_address_range(f, w);

	return is_of_type == f->matching;
}

bool damos_core_filter_out(const struct scheme *scheme, const struct filter_defaults *defaults,
			   struct region_walk *w, bool *allowed)
{
	*allowed = false;
	for (size_t i = 0; i < scheme->nr_filters; i++) {
		const struct damos_filter *f = &scheme->filters[i];

		if (damos_filter_for_ops(f->type) || !filter_matches(f, w))
			continue;
		*allowed = f->allow;
		return !f->allow;
	}
	return defaults->core_reject;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Breaks one invariant, named on the command line, in a build with DT_DEBUG. */
#include <stdio.h>
#include <string.h>

#include "kdamond.h"
#include "quota.h"
#include "verify.h"

static const struct damon_attrs attrs = {
	.sample_us = 5000, .aggr_us = 100000, .min_nr_regions = 3, .max_nr_regions = 100,
};

static void break_regions(struct damon_ctx *ctx, const char *what)
{
	struct damon_region *r = ctx->regions;

	if (!strcmp(what, "order")) {
		r[2].start -= 4096;
		r[2].end -= 4096;
	} else if (!strcmp(what, "target")) {
		r[0].target = 1;
	} else if (!strcmp(what, "empty")) {
		r[1].start = r[1].end;
	} else if (!strcmp(what, "count")) {
		r[1].nr_accesses = 21;
	} else if (!strcmp(what, "size")) {
		r[1].end -= 4096;
	} else if (!strcmp(what, "limit")) {
		ctx->sz_limit = 4096;
	}
}

static void check_accesses(void *data, struct damon_ctx *ctx, uint64_t nr)
{
	(void)nr;
	break_regions(ctx, data);
}

/* Charges more than was granted, as a broken walk would. */
static void apply(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
		  const struct damon_region *r, struct damos_result *result)
{
	struct damos *s = (struct damos *)((char *)(uintptr_t)scheme -
					   offsetof(struct damos, scheme));

	(void)ctx;
	if (!strcmp(data, "quota"))
		s->window_tried_sz += s->esz;
	result->applied_bytes = region_sz(r);
}

int main(int argc, char **argv)
{
	const uint64_t ranges[] = { 0, 1 << 20, 2 << 20, 3 << 20, 3 << 20, 4 << 20, };
	const struct damon_ops ops = { .check_accesses = check_accesses, .apply = apply };
	const struct scheme scheme = {
		.action = DAMOS_PAGEOUT, .max_sz_bytes = UINT64_MAX, .max_age = UINT32_MAX,
		.max_nr_accesses = UINT32_MAX, .quota_sz_bytes = 1 << 20,
		.quota_reset_interval_ms = 1000,
	};
	struct kdamond k = { 0 };

	if (argc != 2)
		return 2;
	kdamond_init(&k, &ops, argv[1], &attrs, 1);
	kdamond_commit_schemes(&k, &scheme, 1);
	if (!damon_set_regions(&k.ctx, 0, ranges, 3) || !kdamond_start(&k, 0) ||
	    !kdamond_run(&k, 1000000))
		return 3;
	damon_destroy_ctx(&k.ctx);
	puts("nothing is broken");
	return 0;
}

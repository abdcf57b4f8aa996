/* SPDX-License-Identifier: Apache-2.0 */
#include "khugepaged.h"

#include <math.h>

#include "action.h"

/* The kernel's max_ptes_swap: a huge page is not made while more of it is out. */
#define MAX_OUT_SHARE (64.0 / 512.0)

static bool is_eligible(const struct memory *m, const struct block *b)
{
	const enum thp_mode mode = (enum thp_mode)m->machine->profile[PROFILE_THP_MODE];

	if (b->is_file || b->touched <= 0.0f || b->huge >= 1.0f ||
	    b->advice == THP_ADVISED_AGAINST)
		return false;
	return (mode == THP_ALWAYS || b->advice == THP_ADVISED) &&
	       block_out(b) <= MAX_OUT_SHARE * (double)b->touched;
}

static void next_block(struct khugepaged *k, const struct tenant *tenants, size_t nr)
{
	if (++k->block < tenants[k->tenant].memory.nr_blocks)
		return;
	k->block = 0;
	k->tenant = k->tenant + 1 < nr ? k->tenant + 1 : 0;
}

/* The part of the block's addresses that one scan may reach. */
static double scan_block(struct khugepaged *k, struct memory *m, uint64_t now_us)
{
	const struct block *b = &m->blocks[k->block];
	const double left = 1.0 - (double)b->huge;
	const double share = fmin(k->budget_pages / m->pages_per_block, left);

	k->budget_pages -= share * m->pages_per_block;
	if (is_eligible(m, b))
		k->pages_collapsed +=
			action_collapse(m, k->block, share / left, now_us, &k->cpu_us);
	return share - left;
}

void khugepaged_scan(struct khugepaged *k, struct tenant *tenants, size_t nr, double us,
		     uint64_t now_us)
{
	const double *profile = tenants->memory.machine->profile;
	size_t blocks = 0, visited = 0;

	if (profile[PROFILE_THP_MODE] < THP_MADVISE)
		return;
	for (size_t t = 0; t < nr; t++)
		blocks += tenants[t].memory.nr_blocks;
	k->budget_pages += profile[PROFILE_KHUGEPAGED_PAGES_PER_S] * us * 1e-6;
	while (k->budget_pages > 0.0 && visited++ < blocks) {
		struct memory *m = &tenants[k->tenant].memory;

		if (m->blocks[k->block].huge < 1.0f && scan_block(k, m, now_us) < 0.0)
			return;
		next_block(k, tenants, nr);
	}
	/* a whole round found no more to do: what is left does not add up */
	if (visited > blocks)
		k->budget_pages = 0.0;
}

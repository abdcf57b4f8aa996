/* SPDX-License-Identifier: Apache-2.0 */
/* Breaks one invariant of memory, named on the command line, in a build with DT_DEBUG. */
#include <stdio.h>
#include <string.h>

#include "verify_memory.h"
#include "world.h"

static void usual(struct range *ranges, size_t nr, const struct param *(*param_at)(size_t))
{
	for (size_t i = 0; i < nr; i++)
		ranges[i] = (struct range){ param_at(i)->lo, param_at(i)->lo };
}

static const struct param *profile_at(size_t i)
{
	return &profile_params[i];
}

static const struct param *workload_at(size_t i)
{
	return workload_param(&workload_idle, i);
}

static float put_all(struct block *b, enum tier tier)
{
	b->tier[TIER_FAST] = 0.0f;
	return b->tier[tier] = 1.0f;
}

static void break_memory(struct world *w, const char *what)
{
	struct memory *m = &w->tenants[0].memory;
	struct block *b = &m->blocks[1];

	if (!strcmp(what, "share"))
		b->tier[TIER_FAST] = 1.5f;
	else if (!strcmp(what, "lost"))
		b->tier[TIER_FAST] = 0.5f;
	else if (!strcmp(what, "huge"))
		b->huge = put_all(b, TIER_SWAP);
	else if (!strcmp(what, "file"))
		put_all(b, TIER_STORAGE);
	else if (!strcmp(what, "sum"))
		w->machine.pages[TIER_FAST] = m->tier[TIER_FAST] += 4096.0;
	else if (!strcmp(what, "machine"))
		w->machine.pages[TIER_FAST] -= 4096.0;
	else if (!strcmp(what, "overfull"))
		w->machine.pages_max[TIER_FAST] /= 2.0;
	else if (!strcmp(what, "offline"))
		w->machine.power.nr_offline = w->machine.power.nr_movable + 1;
}

int main(int argc, char **argv)
{
	struct tenant_spec tenant = { .family = &workload_idle };
	struct world_spec spec = { .nr_tenants = 1, .tenants = { &tenant } };
	struct world world = { 0 };

	if (argc != 2)
		return 2;
	usual(spec.profile, NR_PROFILE_PARAMS, profile_at);
	usual(tenant.workload, workload_nr_params(&workload_idle), workload_at);
	if (!world_start(&world, &spec, 1, 5000))
		return 3;
	break_memory(&world, argv[1]);
	DT_VERIFY_WORLD(&world);
	world_destroy(&world);
	puts("nothing is broken");
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "bearable.h"

#include <math.h>

#define PAGE_BYTES 4096.0
/* For how long what came back is remembered, and how fast it is followed what the load works. */
#define FAULTS_S 200.0
#define WORKED_S 60.0
/* Before it is known what comes back: as if so many seconds of the least had all done so. */
#define PRIOR_S 10.0
#define PRIOR_FAULTS 100.0
#define LEAST_RATIO 0.003

static void remember(struct bearable *b, const struct snapshot *s, const struct rates *r)
{
	const double keep = exp(-r->dt_s / FAULTS_S);
	const double swapped = (double)s->swapped_bytes - (double)b->swapped_bytes;

	b->watched_s += r->dt_s;
	b->worked_share += (r->worked_share - b->worked_share) *
			   fmin(r->dt_s / fmin(b->watched_s, WORKED_S), 1.0);
	b->faults = b->faults * keep + r->faults;
	b->stalled_us = b->stalled_us * keep + r->stalled_us;
	b->pages_out = b->pages_out * keep + fmax(swapped / PAGE_BYTES + r->faults, 0.0);
}

void bearable_update(struct bearable *b, const struct snapshot *s, const struct rates *r,
		     double budget)
{
	const double swapped_in_us = fmax(snapshot_swapped_in_us(s), 0.1);
	double fault_us, faults_per_s, prior, left;

	if (b->started && r->dt_s > 0.0)
		remember(b, s, r);
	b->started = true;
	b->swapped_bytes = s->swapped_bytes;

	fault_us = (b->stalled_us + PRIOR_FAULTS * swapped_in_us) / (b->faults + PRIOR_FAULTS);
	faults_per_s = budget * fmax(b->worked_share, r->min_worked_share) * 1e6 / fault_us;
	prior = faults_per_s * PRIOR_S;
	b->refault_ratio = fmax((b->faults + prior) / (b->pages_out + prior), LEAST_RATIO);
	left = 1.0 - fmax(r->slowdown_30s, r->slowdown_300s) / budget;
	b->bytes_per_s = faults_per_s * PAGE_BYTES / b->refault_ratio * fmin(fmax(left, 0.0), 1.0);
}

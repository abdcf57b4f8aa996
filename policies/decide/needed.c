/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses will be used: those that were, at the same time of earlier periods. */
#include <math.h>
#include <string.h>

#include "forecast.h"

/*
 * Evidence of an access that samples found.  One that only an age tells of is half of that: ages
 * are averaged when regions merge.
 */
#define SAMPLED 2
/* Below this strength no address is forecast; from the other on, after one period. */
#define MIN_STRENGTH 0.2
#define ONCE_IS_ENOUGH 0.6

/* The greatest heat of each chunk in the steps from @from to @to, counted back from the newest. */
static void most_heat(const struct history *h, size_t from, size_t to, uint8_t *most)
{
	memset(most, 0, HISTORY_CHUNKS);
	for (size_t back = from; back <= to; back++) {
		const uint8_t *row = history_row(h, back);

		for (size_t i = 0; i < HISTORY_CHUNKS; i++)
			most[i] = row[i] > most[i] ? row[i] : most[i];
	}
}

/*
 * Add what each of the last periods tells of each chunk in the @horizon_us after what now is in it.
 * Returns how many periods there are.
 */
static unsigned collect_evidence(const struct forecast *f, const struct history *h,
				 double horizon_us, unsigned *evidence)
{
	const double period_us = f->period.period_us, step_us = (double)f->period.step_us;
	/* a horizon shorter than a step is one */
	const double window_us = fmin(fmax(horizon_us, step_us), period_us);
	uint8_t most[HISTORY_CHUNKS];
	unsigned nr;

	for (nr = 0; nr < FORECAST_PERIODS; nr++) {
		const double now = (double)history_time_us(h, 0) - (nr + 1) * period_us;
		const size_t from = period_step_at(&f->period, h, now + step_us);
		const size_t to = period_step_at(&f->period, h, now + window_us);

		if (from == history_depth(h))
			break;
		most_heat(h, to, from, most);
		for (size_t i = 0; i < h->nr_chunks; i++)
			evidence[i] += most[i] > 1 ? SAMPLED : most[i];
	}
	return nr;
}

/*
 * Every period has to tell of an access, two at least; of three one may tell by an age alone.  One
 * period will do where each is like the last.
 */
static bool is_enough(const struct forecast *f, unsigned evidence, unsigned periods)
{
	if (periods == 1 && f->strength >= ONCE_IS_ENOUGH)
		return evidence >= SAMPLED;
	return evidence >= 2 * SAMPLED && evidence + 1 >= periods * SAMPLED;
}

/* Chunks from @first to @last, and the evidence for all of them together. */
struct candidate {
	size_t first;
	size_t last;
	unsigned evidence;
};

static size_t join_chunks(const struct forecast *f, const struct history *h,
			  const unsigned *evidence, unsigned periods, struct candidate *found)
{
	bool joins = false;
	size_t nr = 0;

	for (size_t i = 0; i < h->nr_chunks; i++) {
		const bool in_use = history_heat(h, 0, i);

		joins = joins && h->chunk[i] == h->chunk[i - 1] + 1;
		if (in_use)
			continue;
		if (!is_enough(f, evidence[i], periods)) {
			joins = false;
			continue;
		}
		if (!joins)
			found[nr++] = (struct candidate){ .first = i };
		found[nr - 1].last = i;
		found[nr - 1].evidence += evidence[i];
		joins = true;
	}
	return nr;
}

static struct candidate *strongest(struct candidate *candidates, size_t nr)
{
	struct candidate *best = candidates;

	for (size_t i = 1; i < nr; i++)
		if (candidates[i].evidence > best->evidence)
			best = &candidates[i];
	return best;
}

size_t forecast_needed(const struct forecast *f, const struct history *h, double horizon_s,
		       struct forecast_range *ranges, size_t max)
{
	struct candidate found[HISTORY_CHUNKS];
	unsigned evidence[HISTORY_CHUNKS] = { 0 }, periods;
	size_t nr, taken;

	if (!(horizon_s > 0.0) || f->strength < MIN_STRENGTH || h->nr_steps != f->nr_steps)
		return 0;
	periods = collect_evidence(f, h, horizon_s * 1e6, evidence);
	nr = join_chunks(f, h, evidence, periods, found);
	for (taken = 0; taken < nr && taken < max; taken++) {
		struct candidate *best = strongest(found, nr);

		ranges[taken].start = history_chunk_start(h, best->first);
		ranges[taken].end = history_chunk_end(h, best->last);
		best->evidence = 0;
	}
	return taken;
}

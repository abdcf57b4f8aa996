/* SPDX-License-Identifier: Apache-2.0 */
#include "period.h"

#include <math.h>
#include <string.h>

/* Steps after which a comparison counts e times less. */
#define MEMORY_STEPS 256.0
/* Steps in a row of another length until that is the usual one. */
#define MAX_ODD_STEPS 8
#define MIN_LAG 2
/* Below this share of chunks that change, there is nothing to repeat. */
#define MIN_DISTANCE 1e-3
/* How many standard deviations chance is given. */
#define CHANCE_DEVIATIONS 2.0
/* What is as strong as this part of the strongest: the shortest period, or the one so far. */
#define ALMOST_AS_STRONG 0.8

void period_init(struct period *p)
{
	memset(p, 0, sizeof(*p));
}

/* Jaccard distance of the chunks that are active in the rows @a and @b. */
static double row_distance(const uint8_t *a, const uint8_t *b)
{
	uint8_t either = 0, both = 0;

	for (size_t i = 0; i < HISTORY_CHUNKS; i++) {
		either = (uint8_t)(either + ((a[i] | b[i]) != 0));
		both = (uint8_t)(both + ((a[i] != 0) & (b[i] != 0)));
	}
	return either ? (double)(either - both) / (double)either : 0.0;
}

/* Compare the step @now, counted back from the newest, with those before it. */
static void add_step(struct period *p, const struct history *h, size_t now)
{
	const double kept = 1.0 - 1.0 / MEMORY_STEPS;
	const size_t depth = history_depth(h);
	/* middles of steps are compared, for steps that are a little early or late */
	uint64_t time_us = history_time_us(h, now) - p->step_us / 2;
	size_t back = now, last = depth;
	double distance = 0.0;

	for (size_t lag = 1; lag <= PERIOD_MAX_LAG; lag++) {
		if (p->step_us > time_us)
			return;
		time_us -= p->step_us;
		while (back + 1 < depth && history_time_us(h, back + 1) >= time_us)
			back++;
		if (back + 1 == depth)
			return;
		if (back == now)
			continue;
		if (back != last)
			distance = row_distance(history_row(h, now), history_row(h, back));
		last = back;
		p->distance[lag] = p->distance[lag] * kept + distance;
		p->weight[lag] = p->weight[lag] * kept + 1.0;
	}
}

static bool is_odd(const struct period *p, uint64_t step_us)
{
	return step_us > p->step_us + p->step_us / 4 || step_us < p->step_us - p->step_us / 4;
}

/* True when lags are counted by another length of a step from now on. */
static bool settle_step_us(struct period *p, uint64_t step_us)
{
	p->nr_odd_steps = is_odd(p, step_us) ? p->nr_odd_steps + 1 : 0;
	if (p->step_us && p->nr_odd_steps < MAX_ODD_STEPS)
		return false;
	period_init(p);
	p->step_us = step_us;
	return true;
}

/* What is known of the lags so far: mean distances, at each lag and over all up to it. */
struct lags {
	size_t nr;
	/* the first at which steps have as little in common as far ones, or nearly */
	size_t rise;
	double mean[PERIOD_MAX_LAG + 1];
	double mean_to[PERIOD_MAX_LAG + 1];
};

static void find_lags(const struct period *p, struct lags *l)
{
	double sum = 0.0;

	l->nr = 0;
	while (l->nr < PERIOD_MAX_LAG && p->weight[l->nr + 1] > 0.0) {
		const size_t lag = ++l->nr;

		l->mean[lag] = p->distance[lag] / p->weight[lag];
		sum += l->mean[lag];
		l->mean_to[lag] = sum / (double)lag;
	}
	l->rise = 1;
	while (l->rise < l->nr && l->mean[l->rise] * 2.0 * (double)l->nr < sum)
		l->rise++;
	if (sum < MIN_DISTANCE * (double)l->nr)
		l->nr = 0;
}

/*
 * The mean distance at the bottom of the valley around @lag, which may lie between two lags.  Sets
 * that move on differ in proportion to time, so that valleys have straight sides.
 */
static double bottom(const struct lags *l, size_t lag)
{
	return fmax(l->mean[lag] - fabs(l->mean[lag - 1] - l->mean[lag + 1]) / 2.0, 0.0);
}

static double refined(const struct lags *l, size_t lag)
{
	const double before = l->mean[lag - 1], after = l->mean[lag + 1];
	const double side = fmax(before, after) - l->mean[lag];

	return (double)lag + (side > 0.0 ? (before - after) / (2.0 * side) : 0.0);
}

/*
 * How much less the steps differ at @lag than chance may have it.  What follows one another is
 * alike, so that there are as many independent comparisons as times the steps changed.
 */
static double strength_at(const struct period *p, const struct lags *l, size_t lag)
{
	const double chance = CHANCE_DEVIATIONS * sqrt((double)l->rise / p->weight[lag]);

	if (lag <= l->rise || lag >= l->nr || chance >= 1.0 ||
	    l->mean[lag] > l->mean[lag - 1] || l->mean[lag] > l->mean[lag + 1])
		return 0.0;
	return fmax(1.0 - bottom(l, lag) / l->mean_to[lag] - chance, 0.0) / (1.0 - chance);
}

/* The lag near the period so far that still is strong, or 0. */
static size_t same_as_before(const struct period *p, const double *strength, size_t nr,
			     double enough)
{
	const double before = p->step_us ? p->period_us / (double)p->step_us : 0.0;

	for (size_t lag = MIN_LAG; before > 0.0 && lag < nr; lag++)
		if (fabs((double)lag - before) <= 1.0 && strength[lag] >= enough)
			return lag;
	return 0;
}

static void find_period(struct period *p)
{
	double strength[PERIOD_MAX_LAG + 1] = { 0 }, most = 0.0;
	struct lags l;
	size_t lag;

	find_lags(p, &l);
	for (lag = MIN_LAG; lag < l.nr; lag++) {
		strength[lag] = strength_at(p, &l, lag);
		most = fmax(most, strength[lag]);
	}
	lag = same_as_before(p, strength, l.nr, most * ALMOST_AS_STRONG);
	p->period_us = p->strength = 0.0;
	if (most <= 0.0)
		return;
	while (!lag || strength[lag] < most * ALMOST_AS_STRONG)
		lag++;
	p->strength = strength[lag];
	p->period_us = refined(&l, lag) * (double)p->step_us;
}

void period_update(struct period *p, const struct history *h)
{
	size_t steps = 1;

	if (history_depth(h) < 2) {
		period_init(p);
		return;
	}
	if (settle_step_us(p, history_step_us(h, 0)))
		steps = history_depth(h);
	while (steps--)
		add_step(p, h, steps);
	find_period(p);
}

size_t period_step_at(const struct period *p, const struct history *h, double time_us)
{
	const double middle_us = time_us - (double)p->step_us / 2.0;

	return middle_us >= 0.0 && middle_us < 0x1p64 ?
	       history_back_at(h, (uint64_t)middle_us) : history_depth(h);
}

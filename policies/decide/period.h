/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a tenant's addresses are used again and again in the same order, and how long that takes.
 *
 * Which chunks were active is compared between steps that lie a lag apart, for all lags.  A period
 * is a lag at which they differ less than at the lags before it: the cumulative mean normalised
 * difference of YIN (de Cheveigne and Kawahara, 2002), here of sets, by their Jaccard distance.
 */
#ifndef DT_PERIOD_H
#define DT_PERIOD_H

#include "history.h"

/* Lags are followed up to three quarters of what the history holds. */
#define PERIOD_MAX_LAG 192

struct period {
	/* the usual length of a step, by which lags are counted; 0 before two steps */
	uint64_t step_us;
	/* how many steps in a row were of another length */
	unsigned nr_odd_steps;
	/* by lag: distances and how many they are, older ones counting less */
	double distance[PERIOD_MAX_LAG + 1];
	double weight[PERIOD_MAX_LAG + 1];

	/* 0: there is no period */
	double period_us;
	/* from 0, as for what comes by chance, to 1: each period is like the last */
	double strength;
};

void period_init(struct period *period);
/* Take in the newest step of @history. */
void period_update(struct period *period, const struct history *history);
/* The step that was at @time_us, give or take half of one; history_depth() if there is none. */
size_t period_step_at(const struct period *period, const struct history *history,
		      double time_us);

#endif

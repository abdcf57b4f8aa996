/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tenant will use: how much of its memory, how hot, and which addresses.
 *
 * Each share is forecast by a few simple rules: as now, as on average, along its trend, as a
 * period ago.  Each rule counts by how wrong it has been so far at that horizon.
 */
#ifndef DT_FORECAST_H
#define DT_FORECAST_H

#include "period.h"

/* Periods that are looked back at. */
#define FORECAST_PERIODS 3

enum forecast_horizon { FORECAST_30S, FORECAST_120S, NR_FORECAST_HORIZONS };
extern const double forecast_horizon_s[NR_FORECAST_HORIZONS];

/* Of the monitored bytes; an access in at most 10 %, at most 50 %, more of the samples. */
#define FORECAST_SHARES(X)                                                                     \
	/* accessed since the step before */                                                   \
	X(working_set)                                                                         \
	X(idle)                                                                                \
	X(rare)                                                                                \
	X(warm)                                                                                \
	X(hot)

enum forecast_share {
#define X(name) SHARE_##name,
	FORECAST_SHARES(X)
#undef X
	NR_FORECAST_SHARES
};

extern const char *const forecast_share_names[NR_FORECAST_SHARES];

enum forecast_rule {
	RULE_LAST,
	RULE_MEAN_SHORT,
	RULE_MEAN_LONG,
	RULE_TREND,
	RULE_PERIOD,
	NR_FORECAST_RULES
};

/* What the rules knew of a share after a step. */
struct share_state {
	float value;
	float mean_short;
	float mean_long;
	float level;
	float slope_per_s;
};

struct forecast {
	struct period period;
	/* the newest step, as the history counts and dates it; how many up to it are known */
	uint64_t nr_steps;
	uint64_t time_us;
	uint64_t nr_known;
	/* in the same ring as the history's steps */
	struct share_state state[HISTORY_STEPS][NR_FORECAST_SHARES];
	/* mean absolute errors of late, and of how many forecasts */
	double error[NR_FORECAST_HORIZONS][NR_FORECAST_SHARES][NR_FORECAST_RULES];
	double nr_errors[NR_FORECAST_HORIZONS];
	/* the period that the errors of RULE_PERIOD are of */
	double judged_period_us;

	/* the forecast itself */
	double period_s;
	double strength;
	double now[NR_FORECAST_SHARES];
	double at[NR_FORECAST_HORIZONS][NR_FORECAST_SHARES];
};

struct forecast_range {
	uint64_t start;
	uint64_t end;
};

void forecast_init(struct forecast *forecast);
/*
 * To be called after each history_update(), with the same snapshot.  Where that was not done, or
 * where the history has begun anew, the forecast does too.
 */
void forecast_update(struct forecast *forecast, const struct history *history,
		     const struct snapshot *snapshot);
/*
 * Ranges that are not in use now and are forecast to be accessed within @horizon_s, largest
 * evidence first, adjacent ones joined, at most @max; returns how many.  Evidence is what was
 * accessed at the same time of earlier periods.  What is in use between two ranges joins them.
 */
size_t forecast_needed(const struct forecast *forecast, const struct history *history,
		       double horizon_s, struct forecast_range *ranges, size_t max);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "forecast.h"

#include <math.h>
#include <string.h>

#define SHORT_S 60.0
#define LONG_S 600.0
/* The trend: how fast its level and its slope follow, and how soon it is thought to end. */
#define LEVEL_S 30.0
#define SLOPE_S 120.0
#define TREND_LASTS_S 120.0
/* Errors older than this count little. */
#define ERRORS_S 300.0
/* Forecasts that must have come due until the rules are weighed. */
#define MIN_ERRORS 8.0
/* A rule that is twice as wrong as another counts 2 to the power of this less. */
#define WEIGHT_POWER 4
#define MIN_ERROR 1e-4

const double forecast_horizon_s[NR_FORECAST_HORIZONS] = { 30.0, 120.0 };

const char *const forecast_share_names[NR_FORECAST_SHARES] = {
#define X(name) #name,
	FORECAST_SHARES(X)
#undef X
};

void forecast_init(struct forecast *f)
{
	memset(f, 0, sizeof(*f));
	period_init(&f->period);
}

static const struct share_state *states_at(const struct forecast *f, size_t back)
{
	return f->state[(f->nr_steps - 1 - back) % HISTORY_STEPS];
}

/* Steps whose shares can be looked back at. */
static size_t nr_known(const struct forecast *f, const struct history *h)
{
	const size_t depth = history_depth(h);

	return f->nr_known < depth ? (size_t)f->nr_known : depth;
}

static void measure_shares(const struct snapshot *s, uint64_t step_us, double *share)
{
	double total = 0.0;

	memset(share, 0, NR_FORECAST_SHARES * sizeof(*share));
	for (size_t i = 0; i < s->nr_regions; i++) {
		const struct snapshot_region *r = &s->regions[i];
		const double bytes = r->end > r->start ? (double)(r->end - r->start) : 0.0;
		const double heat = snapshot_heat_share(s, r);
		const size_t class = heat <= 0.0 ? SHARE_idle : heat <= 0.1 ? SHARE_rare :
				     heat <= 0.5 ? SHARE_warm : SHARE_hot;

		share[class] += bytes;
		if (snapshot_accessed(s, r, step_us))
			share[SHARE_working_set] += bytes;
		total += bytes;
	}
	for (size_t k = 0; k < NR_FORECAST_SHARES; k++)
		share[k] = total > 0.0 ? share[k] / total : 0.0;
}

/* How much of the way an average of @tau_s goes in @dt_s. */
static double gain(double dt_s, double tau_s)
{
	return -expm1(-dt_s / tau_s);
}

static struct share_state first_state(double value)
{
	const float v = (float)value;

	return (struct share_state){ .value = v, .mean_short = v, .mean_long = v, .level = v };
}

/* @age_s is how long the share has been followed: until then, averages are over all of it. */
static struct share_state next_state(const struct share_state *old, double value, double dt_s,
				     double age_s)
{
	const double level = (double)old->level + (double)old->slope_per_s * dt_s;
	const double surprise = value - level, slope_gain = gain(dt_s, fmin(SLOPE_S, age_s));
	struct share_state new = { .value = (float)value };

	new.mean_short = old->mean_short +
			 (float)((value - old->mean_short) * gain(dt_s, fmin(SHORT_S, age_s)));
	new.mean_long = old->mean_long +
			(float)((value - old->mean_long) * gain(dt_s, fmin(LONG_S, age_s)));
	new.level = (float)(level + surprise * gain(dt_s, LEVEL_S));
	new.slope_per_s = old->slope_per_s +
			  (float)(((new.level - old->level) / dt_s - old->slope_per_s) *
				  slope_gain);
	return new;
}

/* The rules that need nothing but what was known then. */
static void follow_rules(const struct share_state *s, double ahead_s, double *guess)
{
	guess[RULE_LAST] = s->value;
	guess[RULE_MEAN_SHORT] = s->mean_short;
	guess[RULE_MEAN_LONG] = s->mean_long;
	guess[RULE_TREND] = fmin(fmax(s->level + s->slope_per_s * TREND_LASTS_S *
						  gain(ahead_s, TREND_LASTS_S), 0.0), 1.0);
}

static double now_us(const struct history *h)
{
	return (double)history_time_us(h, 0);
}

/* A horizon that is shorter than a step is one. */
static double ahead_us(const struct forecast *f, int horizon)
{
	return fmax(forecast_horizon_s[horizon] * 1e6, (double)f->period.step_us);
}

/*
 * Every share at @time_us as a period before, and as further ones before, as far as that was known
 * @ahead earlier.  False when the history does not go back so far.
 */
static bool follow_period(const struct forecast *f, const struct history *h, double time_us,
			  double ahead, double *guess)
{
	const double period_us = f->period.period_us;
	const double first = fmax(ceil(ahead / period_us), 1.0);
	const size_t known = nr_known(f, h);
	size_t nr = 0;

	memset(guess, 0, NR_FORECAST_SHARES * sizeof(*guess));
	for (size_t k = 0; k < FORECAST_PERIODS; k++) {
		const size_t back = period_step_at(&f->period, h,
						   time_us - (first + (double)k) * period_us);

		if (back >= known)
			break;
		for (size_t i = 0; i < NR_FORECAST_SHARES; i++)
			guess[i] += states_at(f, back)[i].value;
		nr++;
	}
	for (size_t i = 0; i < NR_FORECAST_SHARES; i++)
		guess[i] /= nr ? (double)nr : 1.0;
	return nr;
}

static void take_error(double *mean, double error, double nr, double step_gain)
{
	*mean += (fabs(error) - *mean) * fmax(step_gain, 1.0 / (nr + 1.0));
}

/* Judge the rules by what they said of now. */
static void judge_rules(struct forecast *f, const struct history *h, int horizon)
{
	const double ahead = ahead_us(f, horizon);
	const double step_gain = gain((double)history_step_us(h, 0) * 1e-6, ERRORS_S);
	const size_t found = period_step_at(&f->period, h, now_us(h) - ahead);
	/* never now itself, where the last step was a long one */
	const size_t then = found ? found : 1;
	double periodic[NR_FORECAST_SHARES], guess[NR_FORECAST_RULES];
	const bool repeats = f->period.period_us > 0.0 &&
			     follow_period(f, h, now_us(h), ahead, periodic);

	if (then >= nr_known(f, h))
		return;
	for (size_t i = 0; i < NR_FORECAST_SHARES; i++) {
		const double value = f->now[i];
		double *error = f->error[horizon][i];

		follow_rules(&states_at(f, then)[i], ahead * 1e-6, guess);
		for (size_t rule = 0; rule < RULE_PERIOD; rule++)
			take_error(&error[rule], guess[rule] - value, f->nr_errors[horizon],
				   step_gain);
		if (repeats)
			take_error(&error[RULE_PERIOD], periodic[i] - value,
				   f->nr_errors[horizon], step_gain);
	}
	f->nr_errors[horizon] += 1.0;
}

/* A new period is judged by what it would have said of the steps of the past. */
static void judge_period(struct forecast *f, const struct history *h, int horizon)
{
	const double ahead = ahead_us(f, horizon);
	double guess[NR_FORECAST_SHARES], sum[NR_FORECAST_SHARES] = { 0 };
	size_t nr = 0;

	for (size_t back = 0; back < nr_known(f, h); back++) {
		if (!follow_period(f, h, (double)history_time_us(h, back), ahead, guess))
			break;
		for (size_t i = 0; i < NR_FORECAST_SHARES; i++)
			sum[i] += fabs(guess[i] - (double)states_at(f, back)[i].value);
		nr++;
	}
	for (size_t i = 0; i < NR_FORECAST_SHARES; i++)
		f->error[horizon][i][RULE_PERIOD] = nr ? sum[i] / (double)nr : 1.0;
}

/* The errors of RULE_PERIOD are of a period within half a step of this one. */
static bool period_is_judged(const struct forecast *f)
{
	return fabs(f->period.period_us - f->judged_period_us) < (double)f->period.step_us / 2.0;
}

static double weigh(const double *guess, const double *error, size_t nr)
{
	double sum = 0.0, weights = 0.0;

	for (size_t rule = 0; rule < nr; rule++) {
		const double weight = pow(1.0 / (error[rule] + MIN_ERROR), WEIGHT_POWER);

		sum += guess[rule] * weight;
		weights += weight;
	}
	return sum / weights;
}

static void forecast_shares(struct forecast *f, const struct history *h, int horizon)
{
	const double ahead = ahead_us(f, horizon);
	double periodic[NR_FORECAST_SHARES], guess[NR_FORECAST_RULES], total = 0.0;
	const bool repeats = f->period.period_us > 0.0 &&
			     follow_period(f, h, now_us(h) + ahead, ahead, periodic);
	double *at = f->at[horizon];

	for (size_t i = 0; i < NR_FORECAST_SHARES; i++) {
		follow_rules(&states_at(f, 0)[i], ahead * 1e-6, guess);
		guess[RULE_PERIOD] = repeats ? periodic[i] : 0.0;
		at[i] = f->nr_errors[horizon] < MIN_ERRORS ? guess[RULE_LAST] :
			weigh(guess, f->error[horizon][i],
			      repeats ? NR_FORECAST_RULES : RULE_PERIOD);
	}
	for (size_t i = SHARE_idle; i < NR_FORECAST_SHARES; i++)
		total += at[i];
	for (size_t i = SHARE_idle; total > 0.0 && i < NR_FORECAST_SHARES; i++)
		at[i] /= total;
}

/* For how long the shares have been followed. */
static double known_s(const struct forecast *f, const struct history *h)
{
	return (double)(history_time_us(h, 0) - history_time_us(h, nr_known(f, h) - 1)) * 1e-6;
}

static void follow_shares(struct forecast *f, const struct history *h, const struct snapshot *s)
{
	struct share_state *new = f->state[(f->nr_steps - 1) % HISTORY_STEPS];
	const uint64_t step_us = history_step_us(h, 0);
	const struct share_state *old;

	measure_shares(s, step_us, f->now);
	for (size_t i = 0; f->nr_known == 1 && i < NR_FORECAST_SHARES; i++)
		new[i] = first_state(f->now[i]);
	if (f->nr_known == 1)
		return;
	old = states_at(f, 1);
	for (size_t i = 0; i < NR_FORECAST_SHARES; i++)
		new[i] = next_state(&old[i], f->now[i], (double)step_us * 1e-6, known_s(f, h));
}

/* False when the history has no new step. */
static bool follow_steps(struct forecast *f, const struct history *h)
{
	const uint64_t time_us = h->nr_steps ? history_time_us(h, 0) : 0;

	if (h->nr_steps == f->nr_steps && time_us == f->time_us)
		return false;
	if (h->nr_steps != f->nr_steps + 1 || time_us < f->time_us)
		forecast_init(f);
	f->nr_steps = h->nr_steps;
	f->time_us = time_us;
	f->nr_known++;
	return true;
}

void forecast_update(struct forecast *f, const struct history *h, const struct snapshot *s)
{
	if (!follow_steps(f, h))
		return;
	follow_shares(f, h, s);
	period_update(&f->period, h);
	for (int horizon = 0; horizon < NR_FORECAST_HORIZONS; horizon++) {
		if (!period_is_judged(f))
			judge_period(f, h, horizon);
		judge_rules(f, h, horizon);
		forecast_shares(f, h, horizon);
	}
	f->judged_period_us = f->period.period_us;
	f->period_s = f->period.period_us * 1e-6;
	f->strength = f->period.strength;
}

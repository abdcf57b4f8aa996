/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main loop of one monitoring context, driven by events: what happens between two samples
 * that nothing is due at is drawn in one go.
 *
 * Time is the host's, in microseconds.  Samples lie on a grid of sample_us, which moves on while
 * the context sleeps because of its watermarks, or is paused.
 */
#ifndef DT_KDAMOND_H
#define DT_KDAMOND_H

#include "ops.h"
#include "schemes.h"

struct kdamond {
	struct damon_ctx ctx;
	struct damos schemes[SIM_MAX_SCHEMES];
	size_t nr_schemes;
	const struct damon_ops *ops;
	void *data;

	/* when the last sample was, or what took its place: the start, waking up, a tick of a pause */
	uint64_t sampled_us;
	/* 0 when awake */
	uint64_t asleep_until_us;
	/* samples were taken, and what may be due at the last one was not looked at */
	bool unserved;
	/* the watermarks were not looked at since the last sample */
	bool unchecked;
	/* they were for the first time: what is committed from here on finds a running kdamond */
	bool running;
	/* asked to pause; @held once it does, in the middle of its loop */
	bool paused;
	bool held;
	/* when a held kdamond serves commands that wait */
	uint64_t tick_us;
	/* how far it was told that time has come */
	uint64_t ran_us;
	/* what was due when the running turn of the loop began, whatever commands changed since */
	uint64_t turn_aggr_sample;
	uint64_t turn_update_sample;
	/* number of the sample after which commands that wait are served; the largest for none */
	uint64_t command_sample;
	bool has_new_attrs;
	struct damon_attrs new_attrs;
	/* regions times aggregations, since the start */
	double region_aggregations;
};

/* Free with damon_destroy_ctx(&k->ctx).  Regions are set by the caller; then it is started. */
void kdamond_init(struct kdamond *k, const struct damon_ops *ops, void *data,
		  const struct damon_attrs *attrs, uint64_t seed);
/* To be called with regions and schemes in place.  False when memory is out. */
bool kdamond_start(struct kdamond *k, uint64_t now_us);

/* Replace the schemes; those that stay at their index keep statistics and quota charges. */
void kdamond_commit_schemes(struct kdamond *k, const struct scheme *schemes, size_t nr);
/* Commit goals only, for schemes that exist in both. */
void kdamond_commit_goals(struct kdamond *k, const struct scheme *schemes, size_t nr);
/* Other intervals or bounds; nothing happens when they are what they were. */
void kdamond_commit_attrs(struct kdamond *k, const struct damon_attrs *attrs);
void kdamond_commit_pause(struct kdamond *k, bool paused, uint64_t now_us);

/* When kdamond_run has something to do next, at the latest. */
uint64_t kdamond_next_event_us(const struct kdamond *k);
/* Draw the access checks of all samples until @now_us; to be called before rates change. */
void kdamond_catch_up(struct kdamond *k, uint64_t now_us);
/* Time has come to @now_us: do what is due.  False when memory is out. */
bool kdamond_run(struct kdamond *k, uint64_t now_us);

#endif

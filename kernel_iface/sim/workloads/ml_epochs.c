/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machine-learning epochs: a data set is read in order once an epoch, the weights are hot, the
 * optimizer's state is used in bursts; after each epoch a part of the data is read to evaluate.
 */
#include <math.h>

#include "workload.h"

enum {
	WEIGHTS_SHARE,
	OPTIMIZER_SHARE,
	EPOCH_S,
	EVALUATION_S,
	EVALUATION_SHARE,
	WINDOW_SHARE,
	HOT_RATE_HZ,
	BURST_INTERVAL_S,
	BACKGROUND_RATE_HZ,
	NR_OWN
};

static const struct param common[WL_NR_COMMON] = {
	[WL_MEMORY_BOUND_SHARE] = { "memory_bound_share", 0.3, 0.7, 0, 1, false },
	[WL_TLB_SHARE] = { "tlb_share", 0.02, 0.15, 0, 0.9, false },
};

static const struct param params[NR_OWN] = {
	[WEIGHTS_SHARE] = { "weights_share", 0.02, 0.15, 0.001, 1, false },
	[OPTIMIZER_SHARE] = { "optimizer_share", 0.04, 0.2, 0.001, 1, false },
	[EPOCH_S] = { "epoch_s", 60, 600, 1, 1e6, true },
	[EVALUATION_S] = { "evaluation_s", 5, 60, 0.1, 1e6, true },
	[EVALUATION_SHARE] = { "evaluation_share", 0.02, 0.1, 0.001, 1, false },
	[WINDOW_SHARE] = { "window_share", 0.005, 0.03, 0.001, 0.5, false },
	[HOT_RATE_HZ] = { "hot_rate_hz", 10, 200, 0, 1e6, true },
	[BURST_INTERVAL_S] = { "burst_interval_s", 5, 40, 0.2, 1e6, true },
	[BACKGROUND_RATE_HZ] = { "background_rate_hz", 1e-6, 1e-3, 0, 1e6, true },
};

#define BURST_US 300000

static double background(const struct workload *w, size_t block)
{
	(void)block;
	return workload_own(w, BACKGROUND_RATE_HZ);
}

/* What is read to evaluate lies at the end of the data, and training leaves it out. */
static struct sweep current_sweep(const struct workload *w)
{
	const struct part data = w->state.ml.dataset;
	const bool evaluating = w->state.ml.evaluating;
	size_t held_out = (size_t)(workload_own(w, EVALUATION_SHARE) * (double)data.nr);

	held_out = held_out ? held_out : 1;
	return (struct sweep){
		.first_block = data.first + (evaluating ? data.nr - held_out : 0),
		.nr_blocks = evaluating || held_out == data.nr ? held_out : data.nr - held_out,
		.window_blocks = workload_blocks(w, workload_own(w, WINDOW_SHARE)),
		.pass_us = workload_own(w, evaluating ? EVALUATION_S : EPOCH_S) * 1e6,
		.rate_behind = background,
	};
}

static void set_bursting(struct workload *w, bool bursting, uint64_t now_us)
{
	w->state.ml.bursting = bursting;
	workload_set_part(w, w->state.ml.optimizer,
			  workload_own(w, bursting ? HOT_RATE_HZ : BACKGROUND_RATE_HZ), now_us);
	w->next_event_us = now_us + (bursting ? BURST_US : (uint64_t)(workload_own(w,
			   BURST_INTERVAL_S) * 1e6));
}

static void next_stage(struct workload *w, uint64_t now_us)
{
	const struct sweep sweep = current_sweep(w);

	sweep_end(w, &sweep, &w->state.ml.window, now_us);
	w->state.ml.evaluating = !w->state.ml.evaluating;
	w->state.ml.stage_us = now_us;
	set_bursting(w, false, now_us);
}

static void init(struct workload *w)
{
	size_t next = 0;

	w->state.ml.weights = workload_take(w, &next, workload_own(w, WEIGHTS_SHARE));
	w->state.ml.optimizer = workload_take(w, &next, workload_own(w, OPTIMIZER_SHARE));
	w->state.ml.dataset = workload_take_rest(w, next);
	workload_set_file(w, w->state.ml.dataset);
	workload_touch_all(w);
	workload_set_part(w, w->state.ml.weights, workload_own(w, HOT_RATE_HZ), 0);
	workload_set_part(w, w->state.ml.dataset, workload_own(w, BACKGROUND_RATE_HZ), 0);
	set_bursting(w, false, 0);
	w->busy_threads = workload_full_activity(w);
}

static void tick(struct workload *w, uint64_t now_us)
{
	struct sweep sweep = current_sweep(w);
	double progress = (double)(now_us - w->state.ml.stage_us) / sweep.pass_us;

	if (progress >= 1.0) {
		next_stage(w, now_us);
		sweep = current_sweep(w);
		progress = 0.0;
	}
	sweep_to(w, &sweep, &w->state.ml.window, progress, now_us);
	if (now_us >= w->next_event_us && !w->state.ml.evaluating)
		set_bursting(w, !w->state.ml.bursting, now_us);
}

const struct workload_family workload_ml_epochs = {
	.name = "ml_epochs",
	.params = params,
	.nr_params = NR_OWN,
	.init = init,
	.tick = tick,
	.common = common,
};

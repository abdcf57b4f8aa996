/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From snapshots to an observation: a fixed number of floats that do not depend on the size of
 * the host, with short and long averages where one instant is not enough.
 */
#ifndef DT_OBSERVE_H
#define DT_OBSERVE_H

#include <stdbool.h>

#include "knobs.h"
#include "recall.h"
#include "returns.h"
#include "snapshot.h"

/* A tenant that uses less of a CPU than this cannot be slowed down measurably. */
#define MIN_WORKED_SHARE 0.01

/* What every policy sees. */
#define BASE_FEATURES(X)                                                                       \
	/* share of the monitored bytes without an access, by idle time */                     \
	X(idle_below_2s_share)                                                                 \
	X(idle_2s_share)                                                                       \
	X(idle_5s_share)                                                                       \
	X(idle_10s_share)                                                                      \
	X(idle_20s_share)                                                                      \
	X(idle_40s_share)                                                                      \
	X(idle_80s_share)                                                                      \
	X(idle_160s_share)                                                                     \
	/* share with an access in at most 10 %, at most 50 %, more of the samples */          \
	X(rare_share)                                                                          \
	X(warm_share)                                                                          \
	X(hot_share)                                                                           \
	/* where the tenant's memory is, and what room the host has */                         \
	X(resident_share)                                                                      \
	X(resident_share_change)                                                               \
	X(tenant_share)                                                                        \
	X(free_share)                                                                          \
	X(compressed_share)                                                                    \
	X(swap_free_share)                                                                     \
	/* slowdown as faults let one estimate it: itself, and against the budget */           \
	X(slowdown_log)                                                                        \
	X(over_budget_now)                                                                     \
	X(over_budget_30s)                                                                     \
	X(over_budget_300s)                                                                    \
	X(pressure_now)                                                                        \
	X(pressure_30s)                                                                        \
	/* what the scheme tried: what it applied is not what was paged out, on real kernels */ \
	X(tried_rate_log)                                                                      \
	X(quota_use)                                                                           \
	X(swap_in_log)                                                                         \
	X(disk_in_log)                                                                         \
	X(disk_swapped_share)                                                                  \
	X(worked_share_log)                                                                    \
	X(budget_log)                                                                          \
	/* the knobs in force, and how long the guard still holds back */                      \
	X(last_min_age)                                                                        \
	X(last_quota)                                                                          \
	X(hold)

/* What a policy sees beside that, by knob group; after what it sees stand its knobs in force. */
#define GROUP_FEATURES(X)                                                                      \
	X(GOALS, last_psi_target)                                                              \
	/* of the tenant's resident memory, what lies on slow nodes; and of the accesses */    \
	X(TIERING, slow_share)                                                                 \
	X(TIERING, slow_heat_share)                                                            \
	X(TIERING, fast_free_share)                                                            \
	X(TIERING, promoted_rate_log)                                                          \
	X(TIERING, demoted_rate_log)                                                           \
	X(TIERING, last_promote_min_samples)                                                   \
	X(TIERING, last_promote_quota)                                                         \
	X(TIERING, last_demote_min_age)                                                        \
	X(TIERING, last_demote_quota)                                                          \
	X(TIERING, last_fast_free)                                                             \
	X(TIERING, last_fast_weight)                                                           \
	X(THP, huge_share)                                                                     \
	X(THP, last_huge_min_samples)                                                          \
	X(THP, last_split_min_age)                                                             \
	X(THP, last_huge_quota)                                                                \
	X(POWER, offline_share)                                                                \
	X(POWER, offlinable_share)                                                             \
	X(POWER, last_spare)                                                                   \
	X(POWER, last_clock_cap)                                                               \
	/* how surely use repeats and after how long; shares of the monitored bytes */         \
	X(PREDICTION, period_strength)                                                         \
	X(PREDICTION, period_log)                                                              \
	X(PREDICTION, working_set_share)                                                       \
	X(PREDICTION, working_set_30s_share)                                                   \
	X(PREDICTION, idle_30s_share)                                                          \
	X(PREDICTION, rare_30s_share)                                                          \
	X(PREDICTION, warm_30s_share)                                                          \
	X(PREDICTION, hot_30s_share)                                                           \
	X(PREDICTION, working_set_120s_share)                                                  \
	X(PREDICTION, idle_120s_share)                                                         \
	X(PREDICTION, rare_120s_share)                                                         \
	X(PREDICTION, warm_120s_share)                                                         \
	X(PREDICTION, hot_120s_share)                                                          \
	X(PREDICTION, last_protect)                                                            \
	X(PREDICTION, last_prefetch_quota)                                                     \
	X(ATTRIBUTES, sequential_share)                                                        \
	X(ATTRIBUTES, irregular_share)                                                         \
	X(ATTRIBUTES, steady_share)                                                            \
	X(ATTRIBUTES, reuse_log)                                                               \
	X(ATTRIBUTES, colocated_share)                                                         \
	/* the slowdown, had all been out that came back after so long: at the most, at the    \
	 * least, against the budget; and how often the most would have been over it */        \
	X(ADAPTIVE, return_most_10s)                                                           \
	X(ADAPTIVE, return_most_20s)                                                           \
	X(ADAPTIVE, return_most_40s)                                                           \
	X(ADAPTIVE, return_most_80s)                                                           \
	X(ADAPTIVE, return_most_160s)                                                          \
	X(ADAPTIVE, return_most_320s)                                                          \
	X(ADAPTIVE, return_least_10s)                                                          \
	X(ADAPTIVE, return_least_20s)                                                          \
	X(ADAPTIVE, return_least_40s)                                                          \
	X(ADAPTIVE, return_least_80s)                                                          \
	X(ADAPTIVE, return_least_160s)                                                         \
	X(ADAPTIVE, return_least_320s)                                                         \
	X(ADAPTIVE, return_over_10s)                                                           \
	X(ADAPTIVE, return_over_20s)                                                           \
	X(ADAPTIVE, return_over_40s)                                                           \
	X(ADAPTIVE, return_over_80s)                                                           \
	X(ADAPTIVE, return_over_160s)                                                          \
	X(ADAPTIVE, return_over_320s)                                                          \
	X(ADAPTIVE, watched_log)                                                               \
	X(ADAPTIVE, bearable_quota)                                                            \
	X(ADAPTIVE, refault_ratio_log)

enum observation_feature {
#define X(name) OBS_##name,
	BASE_FEATURES(X)
#undef X
	NR_BASE_FEATURES,
	OBS_BEFORE_GROUPS = NR_BASE_FEATURES - 1,
#define X(group, name) OBS_##name,
	GROUP_FEATURES(X)
#undef X
	NR_FEATURES
};

struct bearable;

struct feature_about {
	const char *name;
	/* the groups whose policies see it; any will do */
	unsigned groups;
};

extern const struct feature_about feature_table[NR_FEATURES];

/* How many features a policy of @groups sees: the size of an observation. */
size_t features_count(unsigned groups);

/* Differences between two snapshots, and their averages; what guard and observation share. */
struct rates {
	bool primed;
	uint64_t time_us;
	uint64_t major_faults;
	uint64_t cpu_time_us;
	uint64_t psi_some_us;
	uint64_t sz_tried_bytes;
	uint64_t swap_ins;
	double resident_share;

	/* so much of the time that passes counts as worked at least; 1 is that of one CPU */
	double min_worked_share;
	double dt_s;
	double slowdown;
	double slowdown_30s;
	double slowdown_300s;
	/* since the last snapshot: major faults, what they took, time worked to time passed */
	double faults;
	double stalled_us;
	double worked_share;
	double pressure;
	double pressure_30s;
	double tried_bytes_per_s;
	double resident_share_change;
	uint64_t promoted_bytes;
	uint64_t demoted_bytes;
	double promoted_bytes_per_s;
	double demoted_bytes_per_s;
};

/* Take in one more snapshot.  A counter that went backwards counts as no change. */
void rates_update(struct rates *rates, const struct snapshot *snapshot);

/* What it costs to bring back a page of what is swapped out now, in microseconds. */
double snapshot_swapped_in_us(const struct snapshot *snapshot);
double snapshot_tenant_bytes(const struct snapshot *snapshot);

/* What a policy is told of beside the snapshot. */
struct told {
	const struct rates *rates;
	const struct knobs *knobs;
	double hold;
	double budget;
	/* looked at where the groups need them */
	const struct returns *returns;
	const struct bearable *bearable;
	/* NULL where the groups do not need it */
	const struct recall *recall;
};

/*
 * Fill @observation, features_count(@groups) floats in the order of enum observation_feature, each
 * about [-1, 1] and always finite.
 */
void observe(const struct snapshot *snapshot, const struct told *told, unsigned groups,
	     float *observation);

#endif

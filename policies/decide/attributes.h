/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How memory is used over time, chunk by chunk of a history: all along, in bursts, or by something
 * that passes over it in order; how long after one use the next begins; what is used together.
 *
 * A use begins with the first access after a while without any.  Uses that begin one after the
 * other along the addresses, chunk by chunk, are a sweep: what is swept in most of its uses is
 * sequential.  In which order the pages of a chunk are accessed, DAMON does not see.
 */
#ifndef DT_ATTRIBUTES_H
#define DT_ATTRIBUTES_H

#include <stdbool.h>

#include "history.h"

/* So long without an access (and two steps at least) separates two uses. */
#define ATTRIBUTES_QUIET_US 10000000ULL
/* Uses that begin within so long (and a step at least) of one another begin together. */
#define ATTRIBUTES_TOGETHER_US 5000000ULL

#define ATTRIBUTES_WORDS (HISTORY_STEPS / 64)
#define ATTRIBUTES_VOTES 4

enum attributes_pattern {
	/* not used within the history, or once, long ago */
	PATTERN_IDLE,
	/* hardly ever without an access for long */
	PATTERN_STEADY,
	/* swept over, again and again or once */
	PATTERN_SEQUENTIAL,
	/* used now and then, in no order that shows */
	PATTERN_IRREGULAR,
	NR_PATTERNS
};

extern const char *const attributes_pattern_names[NR_PATTERNS];

#define ATTRIBUTE_FEATURES(X)                                                                  \
	/* shares of the monitored bytes */                                                    \
	X(sequential_share)                                                                    \
	X(irregular_share)                                                                     \
	X(steady_share)                                                                        \
	/* mean over the bytes: -1 for a second from use to use, 1 for half an hour or never */ \
	X(reuse_log)                                                                           \
	/* share of the bytes whose use begins together with that of others */                 \
	X(colocated_share)

enum attribute_feature {
#define X(name) ATTRIBUTE_##name,
	ATTRIBUTE_FEATURES(X)
#undef X
	NR_ATTRIBUTE_FEATURES
};

/* Each within [-1, 1]. */
extern const char *const attribute_feature_names[NR_ATTRIBUTE_FEATURES];

/* One bit a step, in the order of the history's ring. */
struct step_bits {
	uint64_t word[ATTRIBUTES_WORDS];
};

/* What is remembered of a chunk.  Times are those of the snapshots. */
struct chunk_uses {
	bool is_known;
	double first_look_us;
	double last_access_us;
	/* mean time without an access over its bytes, at the last look */
	double idle_us;
	/* when the last use began, as precisely as ages tell, if one did within the history */
	double begin_us;
	struct step_bits in_use;
	struct step_bits begins;
	/* of the uses before the last: whether they were part of a sweep; the newest is bit 0 */
	uint8_t swept_before;
	uint8_t nr_before;
	/* the last use: 1 when part of a sweep to higher addresses, -1 to lower ones, 0 of none */
	int8_t sweep;
	/* the direction of the last sweep */
	int8_t direction;
};

struct chunk_attributes {
	/* of it that are monitored */
	double bytes;
	enum attributes_pattern pattern;
	/* mean seconds from the begin of a use to that of the next; 0: steady, -1: not known */
	double reuse_s;
	/* chunks of the same group begin their uses together; 0: with no other */
	unsigned group;
	/* of a sequential chunk, 1 to higher addresses or -1 to lower ones */
	int direction;
};

struct attributes {
	/* the chunks as the history has laid them out */
	unsigned shift;
	size_t nr_chunks;
	uint64_t chunk[HISTORY_CHUNKS];
	struct chunk_uses uses[HISTORY_CHUNKS];
	struct chunk_attributes found[HISTORY_CHUNKS];
	unsigned nr_groups;
	uint64_t nr_steps;
	float features[NR_ATTRIBUTE_FEATURES];
};

void attributes_init(struct attributes *attributes);
/*
 * Take in the snapshot that @history has just taken in.  A scheme that acts makes a region's age
 * begin anew, which looks like an access: @acted_age is the least age, in aggregations, at which
 * a scheme that runs acts; UINT32_MAX where none does.
 */
void attributes_update(struct attributes *attributes, const struct history *history,
		       const struct snapshot *snapshot, uint32_t acted_age);

#endif

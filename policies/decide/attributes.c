/* SPDX-License-Identifier: Apache-2.0 */
#include "attributes.h"

#include <math.h>
#include <string.h>

/* Of a chunk's bytes, so many must have been accessed for the chunk to count as accessed. */
#define ACCESSED_SHARE 0.25
/*
 * DAMON merges regions that were accessed a little with those around that were not, and averages
 * their ages.  What it then says was idle for clearly less long than it should be, was accessed.
 */
#define IDLE_SHARE_KEPT 0.7
/* So many steps of chunks that begin at different times are looked at as one piece of a sweep. */
#define SWEEP_STEPS 8
/* So many pairs of the piece may be out of order; of pieces in random order 1 in 576 is that. */
#define SWEEP_DISORDER 2
/* The longest of its pauses is at most this share of the piece. */
#define SWEEP_PAUSE_SHARE 0.6
/* From here on a chunk is steady. */
#define STEADY_SHARE 0.9
/* Of the begins of either chunk, so many must be together with one of the other's. */
#define TOGETHER_SHARE (2.0 / 3.0)
#define REUSE_MOST_S 1800.0

const char *const attributes_pattern_names[NR_PATTERNS] = {
	[PATTERN_IDLE] = "idle",
	[PATTERN_STEADY] = "steady",
	[PATTERN_SEQUENTIAL] = "sequential",
	[PATTERN_IRREGULAR] = "irregular",
};

const char *const attribute_feature_names[NR_ATTRIBUTE_FEATURES] = {
#define X(name) #name,
	ATTRIBUTE_FEATURES(X)
#undef X
};

void attributes_init(struct attributes *a)
{
	memset(a, 0, sizeof(*a));
}

/* ---- bits of steps ---- */

static void set_bit(struct step_bits *bits, size_t slot, bool value)
{
	const uint64_t bit = 1ULL << slot % 64;

	bits->word[slot / 64] = value ? bits->word[slot / 64] | bit : bits->word[slot / 64] & ~bit;
}

static bool bit_is_set(const struct step_bits *bits, size_t slot)
{
	return bits->word[slot / 64] >> slot % 64 & 1;
}

static unsigned count_bits(const struct step_bits *bits)
{
	unsigned nr = 0;

	for (size_t i = 0; i < ATTRIBUTES_WORDS; i++)
		nr += (unsigned)__builtin_popcountll(bits->word[i]);
	return nr;
}

static unsigned count_common(const struct step_bits *a, const struct step_bits *b)
{
	unsigned nr = 0;

	for (size_t i = 0; i < ATTRIBUTES_WORDS; i++)
		nr += (unsigned)__builtin_popcountll(a->word[i] & b->word[i]);
	return nr;
}

/* The ring of steps is turned by one, to later steps or to earlier ones. */
static struct step_bits turned(const struct step_bits *bits, bool later)
{
	struct step_bits next;

	for (size_t i = 0; i < ATTRIBUTES_WORDS; i++) {
		const size_t other = (i + (later ? ATTRIBUTES_WORDS - 1 : 1)) % ATTRIBUTES_WORDS;

		next.word[i] = later ? bits->word[i] << 1 | bits->word[other] >> 63 :
				       bits->word[i] >> 1 | bits->word[other] << 63;
	}
	return next;
}

/* The same and every step at most @reach away. */
static struct step_bits widened(const struct step_bits *bits, size_t reach)
{
	struct step_bits wide = *bits, later = *bits, earlier = *bits;

	for (size_t k = 0; k < reach; k++) {
		later = turned(&later, true);
		earlier = turned(&earlier, false);
		for (size_t i = 0; i < ATTRIBUTES_WORDS; i++)
			wide.word[i] |= later.word[i] | earlier.word[i];
	}
	return wide;
}

/* ---- chunks ---- */

/* The first chunk that does not end before @address, or the number of chunks. */
static size_t first_chunk(const struct attributes *a, uint64_t address)
{
	const uint64_t wanted = address >> a->shift;
	size_t low = 0, end = a->nr_chunks;

	while (low < end) {
		const size_t middle = low + (end - low) / 2;

		if (a->chunk[middle] < wanted)
			low = middle + 1;
		else
			end = middle;
	}
	return low;
}

/* Follow the history to its chunks: each goes on with what was known where it begins. */
static void follow_layout(struct attributes *a, const struct history *h)
{
	struct chunk_uses uses[HISTORY_CHUNKS];

	if (a->shift == h->shift && a->nr_chunks == h->nr_chunks &&
	    !memcmp(a->chunk, h->chunk, h->nr_chunks * sizeof(*h->chunk)))
		return;
	memset(uses, 0, sizeof(uses));
	for (size_t i = 0; i < h->nr_chunks; i++) {
		const uint64_t start = history_chunk_start(h, i);
		const size_t own = first_chunk(a, start);

		if (own < a->nr_chunks && a->chunk[own] == start >> a->shift)
			uses[i] = a->uses[own];
	}
	memcpy(a->uses, uses, sizeof(uses));
	memcpy(a->chunk, h->chunk, sizeof(a->chunk));
	a->shift = h->shift;
	a->nr_chunks = h->nr_chunks;
}

/* ---- what a snapshot tells ---- */

/* Bytes of a chunk, and times weighted by them. */
struct look {
	double bytes;
	double idle_byte_us;
	/* accessed in the last aggregation */
	double hot_bytes;
	/* not in that, but since the last look, and how long ago */
	double fresh_bytes;
	double fresh_byte_us;
};

static void look_at_region(struct look *looks, const struct attributes *a,
			   const struct history *h, const struct snapshot *s,
			   const struct snapshot_region *r)
{
	const double idle_us = r->nr_accesses ? 0.0 : (double)r->age * (double)s->aggr_us;
	const bool accessed = snapshot_accessed(s, r, history_step_us(h, 0));

	for (size_t i = first_chunk(a, r->start); i < a->nr_chunks; i++) {
		const uint64_t start = history_chunk_start(h, i), end = history_chunk_end(h, i);
		double bytes;

		if (start >= r->end)
			break;
		bytes = (double)((end < r->end ? end : r->end) -
				 (start > r->start ? start : r->start));
		looks[i].bytes += bytes;
		looks[i].idle_byte_us += bytes * idle_us;
		if (r->nr_accesses) {
			looks[i].hot_bytes += bytes;
		} else if (accessed) {
			looks[i].fresh_bytes += bytes;
			looks[i].fresh_byte_us += bytes * idle_us;
		}
	}
}

/* The times at which a look is made, and what they are compared with. */
struct clock {
	double now_us;
	double step_us;
	double quiet_us;
	double acted_us;
};

/* For how long the chunk has not been accessed; negative when it was not since the last look. */
static double accessed_ago_us(const struct chunk_uses *u, const struct look *look,
			      const struct clock *clock)
{
	const bool is_first = u->first_look_us >= clock->now_us;
	const double expected_us = u->idle_us + clock->step_us;
	const double idle_us = look->idle_byte_us / look->bytes;

	if (look->hot_bytes >= ACCESSED_SHARE * look->bytes)
		return 0.0;
	/* ages tell nothing yet, or a scheme may have acted since */
	if (is_first || expected_us >= clock->acted_us)
		return -1.0;
	if (look->hot_bytes + look->fresh_bytes >= ACCESSED_SHARE * look->bytes)
		return look->fresh_byte_us / (look->hot_bytes + look->fresh_bytes);
	return idle_us < IDLE_SHARE_KEPT * expected_us ? fmin(idle_us, clock->step_us) : -1.0;
}

static void begin_use(struct chunk_uses *u, double when_us)
{
	if (count_bits(&u->begins)) {
		u->swept_before = (uint8_t)(u->swept_before << 1 | (u->sweep != 0));
		if (u->nr_before < ATTRIBUTES_VOTES)
			u->nr_before++;
	} else {
		u->nr_before = 0;
	}
	u->begin_us = when_us;
	u->sweep = 0;
}

/* Nothing is known of before: ages are no older than the monitoring. */
static void note_first_look(struct chunk_uses *u, const struct clock *clock)
{
	*u = (struct chunk_uses){
		.is_known = true,
		.first_look_us = clock->now_us,
		.last_access_us = clock->now_us - clock->quiet_us,
	};
}

static void note_look(struct chunk_uses *u, const struct look *look, const struct clock *clock,
		      size_t slot)
{
	const double ago_us = accessed_ago_us(u, look, clock), when_us = clock->now_us - ago_us;
	bool begins = false;

	u->idle_us = look->idle_byte_us / look->bytes;
	if (ago_us >= 0.0) {
		begins = when_us > fmax(u->last_access_us, u->first_look_us) + clock->quiet_us;
		if (begins)
			begin_use(u, when_us);
		u->last_access_us = fmax(u->last_access_us, when_us);
	}
	set_bit(&u->begins, slot, begins);
	set_bit(&u->in_use, slot, clock->now_us < u->last_access_us + clock->quiet_us);
}

static void look_at_chunks(struct attributes *a, const struct history *h,
			   const struct snapshot *s, const struct clock *clock)
{
	struct look looks[HISTORY_CHUNKS] = { 0 };
	const size_t slot = (size_t)((h->nr_steps - 1) % HISTORY_STEPS);

	for (size_t i = 0; i < s->nr_regions; i++)
		if (s->regions[i].start < s->regions[i].end)
			look_at_region(looks, a, h, s, &s->regions[i]);
	for (size_t i = 0; i < a->nr_chunks; i++) {
		a->found[i].bytes = looks[i].bytes;
		/* what is not monitored any more begins anew when it comes back */
		a->uses[i].is_known = a->uses[i].is_known && looks[i].bytes > 0.0;
		if (looks[i].bytes <= 0.0)
			continue;
		if (!a->uses[i].is_known)
			note_first_look(&a->uses[i], clock);
		note_look(&a->uses[i], &looks[i], clock, slot);
	}
}

/* ---- sweeps ---- */

/* Neighbours among the chunks that come into use whose last uses began at the same time. */
struct sweep_step {
	double begin_us;
	size_t first;
	size_t last;
};

static size_t sweep_steps(const struct attributes *a, double same_us, struct sweep_step *steps)
{
	size_t nr = 0;

	for (size_t i = 0; i < a->nr_chunks; i++) {
		const struct chunk_uses *u = &a->uses[i];

		if (!count_bits(&u->begins))
			continue;
		if (nr && fabs(steps[nr - 1].begin_us - u->begin_us) <= same_us)
			steps[nr - 1].last = i;
		else
			steps[nr++] = (struct sweep_step){ u->begin_us, i, i };
	}
	return nr;
}

/* Whether no addresses between the SWEEP_STEPS from @steps on are without a chunk. */
static bool is_one_piece(const struct attributes *a, const struct sweep_step *steps)
{
	const size_t first = steps[0].first, last = steps[SWEEP_STEPS - 1].last;

	return a->chunk[last] - a->chunk[first] == last - first;
}

/* 1 when the SWEEP_STEPS from @steps on are in order of time, -1 in the opposite, else 0. */
static int sweep_direction(const struct sweep_step *steps)
{
	const unsigned nr_pairs = SWEEP_STEPS * (SWEEP_STEPS - 1) / 2;
	double first_us = steps[0].begin_us, last_us = first_us, pause_us = 0.0;
	unsigned disorder = 0;

	for (size_t i = 0; i < SWEEP_STEPS; i++) {
		first_us = fmin(first_us, steps[i].begin_us);
		last_us = fmax(last_us, steps[i].begin_us);
		if (i)
			pause_us = fmax(pause_us, fabs(steps[i].begin_us - steps[i - 1].begin_us));
		for (size_t k = 0; k < i; k++)
			disorder += steps[k].begin_us > steps[i].begin_us;
	}
	if (pause_us > SWEEP_PAUSE_SHARE * (last_us - first_us))
		return 0;
	return disorder <= SWEEP_DISORDER ? 1 : disorder >= nr_pairs - SWEEP_DISORDER ? -1 : 0;
}

/* Whether step @k of a piece is in order with all others of it. */
static bool is_in_order(const struct sweep_step *steps, size_t k, int direction)
{
	for (size_t i = 0; i < SWEEP_STEPS; i++)
		if (i != k && (i < k) != ((steps[i].begin_us < steps[k].begin_us) ==
					  (direction > 0)))
			return false;
	return true;
}

static void note_sweep(struct attributes *a, const struct sweep_step *step, int direction)
{
	for (size_t i = step->first; i <= step->last; i++) {
		struct chunk_uses *u = &a->uses[i];

		if (!count_bits(&u->begins))
			continue;
		u->sweep = (int8_t)direction;
		u->direction = (int8_t)direction;
	}
}

/* What was once seen as part of a sweep stays one until the chunk's next use. */
static void find_sweeps(struct attributes *a, double same_us)
{
	struct sweep_step steps[HISTORY_CHUNKS];
	const size_t nr = sweep_steps(a, same_us, steps);

	for (size_t i = 0; i + SWEEP_STEPS <= nr; i++) {
		const int direction = is_one_piece(a, &steps[i]) ? sweep_direction(&steps[i]) : 0;

		for (size_t k = 0; direction && k < SWEEP_STEPS; k++)
			if (is_in_order(&steps[i], k, direction))
				note_sweep(a, &steps[i + k], direction);
	}
}

/* ---- patterns ---- */

static bool is_sequential(const struct chunk_uses *u)
{
	unsigned swept = u->sweep != 0;

	for (unsigned i = 0; i < u->nr_before; i++)
		swept += u->swept_before >> i & 1;
	return 2 * swept > 1u + u->nr_before;
}

static enum attributes_pattern pattern_of(const struct chunk_uses *u, size_t depth,
					  size_t oldest)
{
	const unsigned nr_begins = count_bits(&u->begins), nr_in_use = count_bits(&u->in_use);
	/* the first may have begun before the history did */
	const unsigned nr_uses = nr_begins + bit_is_set(&u->in_use, oldest);

	if ((double)nr_in_use >= STEADY_SHARE * (double)depth)
		return PATTERN_STEADY;
	if (nr_begins && is_sequential(u))
		return PATTERN_SEQUENTIAL;
	if (nr_uses > 1)
		return PATTERN_IRREGULAR;
	return 2 * nr_in_use >= depth ? PATTERN_STEADY : PATTERN_IDLE;
}

/* From the oldest begin within the history to the newest. */
static double begins_span_us(const struct chunk_uses *u, const struct history *h)
{
	size_t back = history_depth(h) - 1;

	while (back && !bit_is_set(&u->begins, (size_t)((h->nr_steps - 1 - back) %
							 HISTORY_STEPS)))
		back--;
	return u->begin_us - (double)history_time_us(h, back);
}

static double reuse_s(const struct chunk_uses *u, const struct history *h,
		      enum attributes_pattern pattern)
{
	const unsigned nr = count_bits(&u->begins);

	if (pattern == PATTERN_STEADY)
		return 0.0;
	return nr < 2 ? -1.0 : fmax(begins_span_us(u, h), 0.0) * 1e-6 / (nr - 1);
}

static void classify(struct attributes *a, const struct history *h)
{
	const size_t depth = history_depth(h);
	const size_t oldest = (size_t)((h->nr_steps - depth) % HISTORY_STEPS);

	for (size_t i = 0; i < a->nr_chunks; i++) {
		const struct chunk_uses *u = &a->uses[i];
		struct chunk_attributes *found = &a->found[i];

		found->pattern = pattern_of(u, depth, oldest);
		found->reuse_s = reuse_s(u, h, found->pattern);
		found->direction = found->pattern == PATTERN_SEQUENTIAL ? u->direction : 0;
	}
}

/* ---- what is used together ---- */

static bool begin_together(const struct step_bits *a, const struct step_bits *wide_a,
			   const struct step_bits *b, const struct step_bits *wide_b)
{
	return count_common(a, wide_b) >= TOGETHER_SHARE * count_bits(a) &&
	       count_common(b, wide_a) >= TOGETHER_SHARE * count_bits(b);
}

/* A chunk joins the first group whose first chunk begins its uses when it does. */
static void find_groups(struct attributes *a, size_t reach)
{
	struct step_bits wide[HISTORY_CHUNKS];
	size_t leader[HISTORY_CHUNKS], size[HISTORY_CHUNKS], nr = 0;
	unsigned number[HISTORY_CHUNKS];

	for (size_t i = 0; i < a->nr_chunks; i++) {
		const struct step_bits *begins = &a->uses[i].begins;
		size_t k = 0;

		a->found[i].group = 0;
		if (count_bits(begins) < 2)
			continue;
		wide[i] = widened(begins, reach);
		while (k < nr && !begin_together(begins, &wide[i], &a->uses[leader[k]].begins,
						 &wide[leader[k]]))
			k++;
		if (k == nr) {
			leader[nr] = i;
			size[nr++] = 0;
		}
		size[k]++;
		a->found[i].group = (unsigned)k + 1;
	}
	a->nr_groups = 0;
	for (size_t k = 0; k < nr; k++)
		number[k] = size[k] > 1 ? ++a->nr_groups : 0;
	for (size_t i = 0; i < a->nr_chunks; i++)
		if (a->found[i].group)
			a->found[i].group = number[a->found[i].group - 1];
}

/* ---- as features ---- */

/* -1 for a second, 1 for REUSE_MOST_S and never. */
static double reuse_log(const struct chunk_attributes *found)
{
	if (found->pattern == PATTERN_STEADY)
		return -1.0;
	if (found->reuse_s < 0.0)
		return 1.0;
	return fmin(2.0 * log10(fmax(found->reuse_s, 1.0)) / log10(REUSE_MOST_S) - 1.0, 1.0);
}

static void fill_features(struct attributes *a)
{
	double bytes[NR_PATTERNS] = { 0 }, total = 0.0, reuse = 0.0, together = 0.0;

	for (size_t i = 0; i < a->nr_chunks; i++) {
		const struct chunk_attributes *found = &a->found[i];

		total += found->bytes;
		bytes[found->pattern] += found->bytes;
		reuse += found->bytes * reuse_log(found);
		together += found->group ? found->bytes : 0.0;
	}
	memset(a->features, 0, sizeof(a->features));
	if (total <= 0.0)
		return;
	a->features[ATTRIBUTE_sequential_share] = (float)(bytes[PATTERN_SEQUENTIAL] / total);
	a->features[ATTRIBUTE_irregular_share] = (float)(bytes[PATTERN_IRREGULAR] / total);
	a->features[ATTRIBUTE_steady_share] = (float)(bytes[PATTERN_STEADY] / total);
	a->features[ATTRIBUTE_reuse_log] = (float)(reuse / total);
	a->features[ATTRIBUTE_colocated_share] = (float)(together / total);
}

/* ---- step by step ---- */

/* Steps that only the history took in were without a use, for all that is known. */
static void forget_slots(struct attributes *a, uint64_t until)
{
	uint64_t step = a->nr_steps;

	if (until - step > HISTORY_STEPS)
		step = until - HISTORY_STEPS;
	for (; step < until; step++)
		for (size_t i = 0; i < a->nr_chunks; i++) {
			set_bit(&a->uses[i].begins, (size_t)(step % HISTORY_STEPS), false);
			set_bit(&a->uses[i].in_use, (size_t)(step % HISTORY_STEPS), false);
		}
}

static size_t steps_within(double us, double step_us)
{
	const double nr = step_us > 0.0 ? ceil(us / step_us) : 1.0;

	return (size_t)fmin(nr, HISTORY_STEPS / 4);
}

void attributes_update(struct attributes *a, const struct history *h, const struct snapshot *s,
		       uint32_t acted_age)
{
	const double step_us = (double)history_step_us(h, 0);
	const struct clock clock = {
		.now_us = (double)s->time_us,
		.step_us = step_us,
		.quiet_us = fmax((double)ATTRIBUTES_QUIET_US, 2.0 * step_us),
		.acted_us = acted_age == UINT32_MAX ? INFINITY :
						      (double)acted_age * (double)s->aggr_us,
	};

	if (h->nr_steps == a->nr_steps)
		return;
	if (h->nr_steps < a->nr_steps)
		attributes_init(a);
	follow_layout(a, h);
	forget_slots(a, h->nr_steps);
	a->nr_steps = h->nr_steps;
	look_at_chunks(a, h, s, &clock);
	find_sweeps(a, 2.0 * (double)s->aggr_us);
	classify(a, h);
	find_groups(a, steps_within((double)ATTRIBUTES_TOGETHER_US, step_us));
	fill_features(a);
}

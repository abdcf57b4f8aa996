/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <string.h>

static uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Chunks in ascending order, while they are collected. */
struct chunk_set {
	size_t nr;
	uint64_t chunk[HISTORY_CHUNKS];
};

void history_init(struct history *h)
{
	memset(h, 0, sizeof(*h));
	h->shift = HISTORY_MIN_SHIFT;
}

size_t history_depth(const struct history *h)
{
	return h->nr_steps < HISTORY_STEPS ? (size_t)h->nr_steps : HISTORY_STEPS;
}

static size_t row_of(const struct history *h, size_t back)
{
	return (size_t)((h->nr_steps - 1 - back) % HISTORY_STEPS);
}

const uint8_t *history_row(const struct history *h, size_t back)
{
	return h->heat[row_of(h, back)];
}

uint8_t history_heat(const struct history *h, size_t back, size_t chunk)
{
	return history_row(h, back)[chunk];
}

uint64_t history_time_us(const struct history *h, size_t back)
{
	return h->time_us[row_of(h, back)];
}

uint64_t history_step_us(const struct history *h, size_t back)
{
	if (back + 1 >= history_depth(h))
		return 0;
	return history_time_us(h, back) - history_time_us(h, back + 1);
}

size_t history_back_at(const struct history *h, uint64_t time_us)
{
	const size_t depth = history_depth(h);
	size_t low = 0, high = depth;

	if (!depth || time_us > history_time_us(h, 0))
		return depth;
	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (history_time_us(h, middle) >= time_us)
			low = middle;
		else
			high = middle;
	}
	/* how far the oldest step reached is not known */
	return high == depth && time_us < history_time_us(h, low) ? depth : low;
}

uint64_t history_chunk_start(const struct history *h, size_t chunk)
{
	return h->chunk[chunk] << h->shift;
}

uint64_t history_chunk_end(const struct history *h, size_t chunk)
{
	const uint64_t end = (h->chunk[chunk] + 1) << h->shift;

	return end ? end : UINT64_MAX;
}

double snapshot_heat_share(const struct snapshot *s, const struct snapshot_region *r)
{
	const uint64_t max_nr = s->sample_us ? s->aggr_us / s->sample_us : 0;

	if (r->nr_accesses >= max_nr)
		return r->nr_accesses ? 1.0 : 0.0;
	return (double)r->nr_accesses / (double)max_nr;
}

bool snapshot_accessed(const struct snapshot *s, const struct snapshot_region *r,
		       uint64_t step_us)
{
	if (r->nr_accesses || !s->aggr_us)
		return r->nr_accesses;
	return r->age < step_us / s->aggr_us + (step_us % s->aggr_us != 0);
}

/* Where @chunk is in @chunks, or would be inserted. */
static size_t lower_bound(const uint64_t *chunks, size_t nr, uint64_t chunk)
{
	size_t low = 0;

	while (low < nr) {
		const size_t middle = low + (nr - low) / 2;

		if (chunks[middle] < chunk)
			low = middle + 1;
		else
			nr = middle;
	}
	return low;
}

/* False when the set is full. */
static bool add_chunk(struct chunk_set *set, uint64_t chunk)
{
	const size_t at = lower_bound(set->chunk, set->nr, chunk);

	if (at < set->nr && set->chunk[at] == chunk)
		return true;
	if (set->nr == HISTORY_CHUNKS)
		return false;
	memmove(&set->chunk[at + 1], &set->chunk[at], (set->nr - at) * sizeof(*set->chunk));
	set->chunk[at] = chunk;
	set->nr++;
	return true;
}

static bool add_chunks(struct chunk_set *set, uint64_t first, uint64_t last)
{
	if (last - first >= HISTORY_CHUNKS)
		return false;
	for (uint64_t chunk = first; chunk <= last; chunk++)
		if (!add_chunk(set, chunk))
			return false;
	return true;
}

/* The part of the chunks at @shift that @chunk, one of the history's own, is or overlaps. */
static bool add_own_chunk(struct chunk_set *set, const struct history *h, unsigned shift,
			  uint64_t chunk)
{
	uint64_t first = chunk;

	if (shift >= h->shift)
		return add_chunk(set, chunk >> (shift - h->shift));
	first <<= h->shift - shift;
	return add_chunks(set, first, first + (1ULL << (h->shift - shift)) - 1);
}

/* Collect what @s monitors, and what has been hot; false when that is too many at @shift. */
static bool collect_chunks(const struct history *h, const struct snapshot *s, unsigned shift,
			   struct chunk_set *set)
{
	set->nr = 0;
	for (size_t i = 0; i < s->nr_regions; i++) {
		const struct snapshot_region *r = &s->regions[i];

		if (r->start < r->end &&
		    !add_chunks(set, r->start >> shift, (r->end - 1) >> shift))
			return false;
	}
	for (size_t i = 0; i < h->nr_chunks; i++)
		if (h->last_hot[i] && h->last_hot[i] + HISTORY_STEPS > h->nr_steps &&
		    !add_own_chunk(set, h, shift, h->chunk[i]))
			return false;
	return true;
}

static unsigned choose_chunks(const struct history *h, const struct snapshot *s,
			      struct chunk_set *set)
{
	unsigned shift = h->shift;
	struct chunk_set halves;

	while (!collect_chunks(h, s, shift, set))
		shift++;
	if (shift == h->shift && shift > HISTORY_MIN_SHIFT && set->nr <= HISTORY_CHUNKS / 4 &&
	    collect_chunks(h, s, shift - 1, &halves)) {
		*set = halves;
		shift--;
	}
	return shift;
}

/* Of the history's own chunks, those that @chunk at @shift is, joins or is a part of. */
static void find_own(const struct history *h, unsigned shift, uint64_t chunk, size_t *first,
		     size_t *end)
{
	uint64_t from, to;

	if (shift >= h->shift) {
		from = chunk << (shift - h->shift);
		to = from + (1ULL << (shift - h->shift)) - 1;
	} else {
		from = chunk >> (h->shift - shift);
		to = from;
	}
	*first = lower_bound(h->chunk, h->nr_chunks, from);
	*end = *first;
	while (*end < h->nr_chunks && h->chunk[*end] <= to)
		(*end)++;
}

static void move_rows(struct history *h, const size_t *first, const size_t *end, size_t nr)
{
	const size_t depth = history_depth(h);
	uint8_t old[HISTORY_CHUNKS];

	for (size_t row = 0; row < depth; row++) {
		memcpy(old, h->heat[row], sizeof(old));
		memset(h->heat[row], 0, sizeof(h->heat[row]));
		for (size_t i = 0; i < nr; i++)
			for (size_t k = first[i]; k < end[i]; k++)
				if (old[k] > h->heat[row][i])
					h->heat[row][i] = old[k];
	}
}

/* Bring the history to the chunks of @set, of 1 << @shift bytes. */
static void history_lay_out(struct history *h, unsigned shift, const struct chunk_set *set)
{
	size_t first[HISTORY_CHUNKS], end[HISTORY_CHUNKS];
	uint64_t last_hot[HISTORY_CHUNKS] = { 0 }, idle_us[HISTORY_CHUNKS] = { 0 };

	if (shift == h->shift && set->nr == h->nr_chunks &&
	    !memcmp(set->chunk, h->chunk, set->nr * sizeof(*set->chunk)))
		return;
	for (size_t i = 0; i < set->nr; i++) {
		find_own(h, shift, set->chunk[i], &first[i], &end[i]);
		for (size_t k = first[i]; k < end[i]; k++) {
			last_hot[i] = u64_max(last_hot[i], h->last_hot[k]);
			idle_us[i] = u64_max(idle_us[i], h->idle_us[k]);
		}
	}
	move_rows(h, first, end, set->nr);
	h->shift = shift;
	h->nr_chunks = set->nr;
	memcpy(h->chunk, set->chunk, set->nr * sizeof(*set->chunk));
	memcpy(h->last_hot, last_hot, sizeof(last_hot));
	memcpy(h->idle_us, idle_us, sizeof(idle_us));
}

/* What a snapshot is taken in with. */
struct look {
	const struct snapshot *snapshot;
	uint64_t step_us;
	/* the least age at which a scheme acts */
	uint64_t acted_us;
};

/* What the regions say of each chunk. */
struct heat_sums {
	double bytes[HISTORY_CHUNKS];
	double hot_bytes[HISTORY_CHUNKS];
	bool accessed[HISTORY_CHUNKS];
	uint64_t idle_us[HISTORY_CHUNKS];
};

static uint64_t saturated_product(uint64_t a, uint64_t b)
{
	return b && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/* Whether a young age of what was idle for @idle_us may come from a scheme that acted since. */
static bool may_be_acted_on(const struct look *look, uint64_t idle_us)
{
	return look->acted_us <= look->step_us || idle_us >= look->acted_us - look->step_us;
}

static void add_region(struct heat_sums *sums, const struct history *h, const struct look *look,
		       const struct snapshot_region *r)
{
	const bool accessed = snapshot_accessed(look->snapshot, r, look->step_us);
	const double share = snapshot_heat_share(look->snapshot, r);
	const uint64_t age_us = saturated_product(r->age, look->snapshot->aggr_us);
	size_t i = lower_bound(h->chunk, h->nr_chunks, r->start >> h->shift);

	for (; i < h->nr_chunks && history_chunk_start(h, i) < r->end; i++) {
		const uint64_t start = history_chunk_start(h, i), end = history_chunk_end(h, i);
		const double bytes = (double)((end < r->end ? end : r->end) -
					      (start > r->start ? start : r->start));

		sums->bytes[i] += bytes;
		sums->hot_bytes[i] += bytes * share;
		sums->accessed[i] |=
			r->nr_accesses || (accessed && !may_be_acted_on(look, h->idle_us[i]));
		if (!r->nr_accesses)
			sums->idle_us[i] = u64_max(sums->idle_us[i], age_us);
	}
}

static uint8_t heat_of(const struct heat_sums *sums, size_t i)
{
	uint8_t heat;

	if (!sums->accessed[i])
		return 0;
	heat = (uint8_t)(sums->hot_bytes[i] / sums->bytes[i] * 255.0 + 0.5);
	return heat ? heat : 1;
}

void history_update(struct history *h, const struct snapshot *s, uint32_t acted_age)
{
	const uint64_t last_us = h->nr_steps ? history_time_us(h, 0) : s->time_us;
	const struct look look = {
		.snapshot = s,
		.step_us = s->time_us - last_us,
		.acted_us = acted_age == UINT32_MAX ? UINT64_MAX :
						      saturated_product(acted_age, s->aggr_us),
	};
	struct heat_sums sums = { 0 };
	struct chunk_set set;
	uint8_t *row;

	if (s->time_us < last_us) {
		history_init(h);
		history_update(h, s, acted_age);
		return;
	}
	if (h->nr_steps && !look.step_us)
		return;
	history_lay_out(h, choose_chunks(h, s, &set), &set);
	for (size_t i = 0; i < s->nr_regions; i++)
		if (s->regions[i].start < s->regions[i].end)
			add_region(&sums, h, &look, &s->regions[i]);
	row = h->heat[h->nr_steps % HISTORY_STEPS];
	h->time_us[h->nr_steps % HISTORY_STEPS] = s->time_us;
	h->nr_steps++;
	memset(row, 0, HISTORY_CHUNKS);
	for (size_t i = 0; i < h->nr_chunks; i++) {
		row[i] = heat_of(&sums, i);
		h->idle_us[i] = sums.idle_us[i];
		if (row[i])
			h->last_hot[i] = h->nr_steps;
	}
}

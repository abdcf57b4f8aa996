/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AT_S, START_BYTE, END_BYTE, RATE_HZ, TOUCHED_SHARE };

static bool within(double x, double lo, double hi)
{
	return x >= lo && x <= hi;
}

static const char *check_row(const double *cells, size_t nr_columns)
{
	if (!within(cells[AT_S], 0.0, PROGRAM_MAX_S))
		return "program: a row's time must lie within [0, 1e9] seconds";
	if (!within(cells[START_BYTE], 0.0, PROGRAM_MAX_BYTES) ||
	    !within(cells[END_BYTE], 0.0, PROGRAM_MAX_BYTES))
		return "program: a row's bytes must lie within [0, 2^46]";
	if (!(cells[START_BYTE] < cells[END_BYTE]))
		return "program: a row must end behind its start";
	if (!within(cells[RATE_HZ], 0.0, PROGRAM_MAX_RATE_HZ))
		return "program: a row's rate must lie within [0, 1e9] accesses a second";
	if (nr_columns > TOUCHED_SHARE && !within(cells[TOUCHED_SHARE], 0.0, 1.0))
		return "program: a row's touched share must lie within [0, 1]";
	return NULL;
}

static const char *check(const double *cells, size_t nr_rows, size_t nr_columns)
{
	const char *complaint = NULL;

	if (nr_columns != TOUCHED_SHARE && nr_columns != TOUCHED_SHARE + 1)
		return "program: a row has four or five columns";
	if (!nr_rows || nr_rows > PROGRAM_MAX_ROWS)
		return "program: there must be from 1 to 262144 rows";
	for (size_t i = 0; !complaint && i < nr_rows; i++) {
		complaint = check_row(cells + i * nr_columns, nr_columns);
		if (!complaint && i && cells[i * nr_columns] < cells[(i - 1) * nr_columns])
			complaint = "program: rows must be sorted by time";
	}
	return complaint;
}

/* Played twice, as the first pass starts from nothing and each later one from what is there. */
static const char *measure_segments(struct program *program)
{
	struct segment *room = malloc((PROGRAM_MAX_SEGMENTS + 2) * sizeof(*room));
	struct segments segments = { .at = room };

	if (!room)
		return NULL;
	segments_clear(&segments);
	for (size_t i = 0; i < 2 * program->nr_rows && segments.nr <= PROGRAM_MAX_SEGMENTS; i++) {
		segments_apply(&segments, &program->rows[i % program->nr_rows]);
		if (segments.nr > program->max_segments)
			program->max_segments = segments.nr;
	}
	free(room);
	if (program->max_segments > PROGRAM_MAX_SEGMENTS)
		return "program: more than 8192 places have a rate of their own at one time";
	program->max_segments += 2;
	return NULL;
}

static void fill_rows(struct program *program, const double *cells, size_t nr_columns)
{
	for (size_t i = 0; i < program->nr_rows; i++) {
		const double *row = cells + i * nr_columns;

		program->rows[i] = (struct program_row){
			.at_us = row[AT_S] * 1e6,
			.start_byte = row[START_BYTE],
			.end_byte = row[END_BYTE],
			.rate_hz = row[RATE_HZ],
			.touched_share = nr_columns > TOUCHED_SHARE ? row[TOUCHED_SHARE] : 1.0,
		};
	}
}

struct program *program_new(const double *cells, size_t nr_rows, size_t nr_columns,
			    const char **complaint)
{
	struct program *program;

	*complaint = check(cells, nr_rows, nr_columns);
	if (*complaint)
		return NULL;
	program = malloc(sizeof(*program) + nr_rows * sizeof(*program->rows));
	if (!program)
		return NULL;
	atomic_init(&program->nr_users, 1);
	program->max_segments = 0;
	program->nr_rows = nr_rows;
	fill_rows(program, cells, nr_columns);
	*complaint = measure_segments(program);
	if (!*complaint && program->max_segments)
		return program;
	free(program);
	return NULL;
}

struct program *program_get(struct program *program)
{
	if (program)
		atomic_fetch_add(&program->nr_users, 1);
	return program;
}

void program_put(struct program *program)
{
	if (program && atomic_fetch_sub(&program->nr_users, 1) == 1)
		free(program);
}

double program_last_us(const struct program *program)
{
	return program->rows[program->nr_rows - 1].at_us;
}

void segments_clear(struct segments *s)
{
	s->at[0] = (struct segment){ .end_byte = INFINITY };
	s->nr = 1;
}

size_t segments_find(const struct segments *s, double byte)
{
	size_t low = 0, high = s->nr - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].end_byte > byte)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

void segments_apply(struct segments *s, const struct program_row *row)
{
	const size_t first = segments_find(s, row->start_byte), last = segments_find(s, row->end_byte);
	const bool keep = row->start_byte > (first ? s->at[first - 1].end_byte : 0.0);
	const struct segment before = s->at[first];
	const size_t next = first + (keep ? 2 : 1);

	memmove(&s->at[next], &s->at[last], (s->nr - last) * sizeof(*s->at));
	s->nr = next + s->nr - last;
	if (keep)
		s->at[first] = (struct segment){ row->start_byte, before.rate_hz,
						 before.touched_share };
	s->at[next - 1] = (struct segment){ row->end_byte, row->rate_hz, row->touched_share };
}

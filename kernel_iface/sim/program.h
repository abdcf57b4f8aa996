/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program: what a recording says about which bytes are accessed how often, over time.
 *
 * Programs never change once made, and are shared: a spec and every host that plays it hold one
 * reference each.
 */
#ifndef DT_PROGRAM_H
#define DT_PROGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define PROGRAM_MAX_ROWS ((size_t)1 << 18)
/* More places with a rate of their own, at one time, than a host has blocks for. */
#define PROGRAM_MAX_SEGMENTS ((size_t)1 << 13)
#define PROGRAM_MAX_BYTES 0x1p46
#define PROGRAM_MAX_S 1e9
#define PROGRAM_MAX_RATE_HZ 1e9

/* From @at_us on, each page from @start_byte to before @end_byte is accessed at @rate_hz. */
struct program_row {
	double at_us;
	double start_byte;
	double end_byte;
	double rate_hz;
	double touched_share;
};

struct program {
	atomic_size_t nr_users;
	/* segments that playing it needs room for */
	size_t max_segments;
	size_t nr_rows;
	struct program_row rows[];
};

/* The bytes from the end of the segment before, or 0, to @end_byte. */
struct segment {
	double end_byte;
	double rate_hz;
	double touched_share;
};

/* The whole address space in segments, the last of which has no end. */
struct segments {
	struct segment *at;
	size_t nr;
};

/*
 * Check @nr_rows rows of (at_s, start_byte, end_byte, rate_hz[, touched_share]) and make a program
 * of them, with one reference.  NULL when something is wrong, with @complaint set, or when memory
 * is out, without.
 */
struct program *program_new(const double *cells, size_t nr_rows, size_t nr_columns,
			    const char **complaint);
/* One more reference; @program may be NULL, here and below. */
struct program *program_get(struct program *program);
void program_put(struct program *program);
/* When the last row comes into force. */
double program_last_us(const struct program *program);

/* Nothing is touched anywhere.  There must be room for one segment. */
void segments_clear(struct segments *segments);
/* Put @row in the place of what was there; there must be room for two more segments. */
void segments_apply(struct segments *segments, const struct program_row *row);
/* The segment that holds @byte. */
size_t segments_find(const struct segments *segments, double byte);

#endif

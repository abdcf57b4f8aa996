/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws from Binomial(n, p) for the small n of a sampling window.
 *
 * A region's access checks in a window of n samples are n independent looks at uniformly drawn
 * pages, so their sum is Binomial(n, mean probability): one draw replaces n checks.
 */
#ifndef DT_BINOMIAL_H
#define DT_BINOMIAL_H

#include <stdint.h>

#include "rng.h"

/* Above this, (1 - p)^n may lose precision at p = 1/2; larger n are drawn in parts. */
#define BINOMIAL_MAX_N 64
/* Tables have one column for each outcome, of which there must be no more than this. */
#define BINOMIAL_COLUMNS 32
#define BINOMIAL_TABLE_MAX_N (BINOMIAL_COLUMNS - 1)
/* Rows of the table, for p from 0 to 1/2. */
#define BINOMIAL_ROWS 256

struct binomial {
	uint32_t n;
	/* (n - k + 1) / k, the step from one term of the distribution to the next */
	double step[BINOMIAL_MAX_N + 1];
	/*
	 * By row r an alias table (Walker, Vose) of Binomial(n, r / (2 * BINOMIAL_ROWS)), filled where
	 * n is small enough.  The low bits of a column are its alias, taken when the high bits of the
	 * random number are not below the column's.
	 */
	uint32_t table[BINOMIAL_ROWS][BINOMIAL_COLUMNS];
	/* by row r: 1 / (1 - r / (2 * BINOMIAL_ROWS)) */
	double rest[BINOMIAL_ROWS];
};

void binomial_init(struct binomial *b, uint32_t n);
/* By inversion of the distribution function at @u, uniform in [0, 1), of Binomial(n, p). */
uint32_t binomial_invert(const struct binomial *b, uint32_t n, double p, double u);

/*
 * With p = q + (1 - q) r, each of n trials succeeds with q, or else with r: a draw for the row
 * below p, and the few of the rest that succeed after all.  The second is nearly always none,
 * which needs no power of (1 - r): the probability of none is at least 1 - n r.
 */
static inline uint32_t binomial_draw_small(const struct binomial *b, uint64_t random, double p)
{
	const uint32_t row = (uint32_t)(int32_t)(p * (2 * BINOMIAL_ROWS));
	const double u = (double)(int64_t)(random >> 32) * 0x1p-32;
	const uint32_t low = BINOMIAL_COLUMNS - 1, coin = (uint32_t)random;
	uint32_t k, column, left;
	double r;

	if (row >= BINOMIAL_ROWS)
		return binomial_invert(b, b->n, p, (double)(int64_t)(random >> 11) * 0x1p-53);
	if (!row) {
		const double fine = (double)(int64_t)(random >> 11) * 0x1p-53;

		return fine < 1.0 - (int32_t)b->n * p ? 0 : binomial_invert(b, b->n, p, fine);
	}
	k = coin & low;
	column = b->table[row][k];
	/* as likely as not: without a branch */
	k ^= (k ^ (column & low)) & -(uint32_t)((coin & ~low) >= (column & ~low));
	left = b->n - k;
	r = (p - (int32_t)row * (1.0 / (2 * BINOMIAL_ROWS))) * b->rest[row];
	return u < 1.0 - (int32_t)left * r ? k : k + binomial_invert(b, left, r, u);
}

static inline uint32_t binomial_draw(const struct binomial *b, struct rng *rng, double p)
{
	/* the less likely of success and failure, without a branch */
	const double small = 0.5 - fabs(p - 0.5);
	const uint32_t flip = -(uint32_t)(p > 0.5);
	uint32_t k = 0;

	if (small > 0.0)
		k = b->n <= BINOMIAL_TABLE_MAX_N ?
			    binomial_draw_small(b, rng_u64(rng), small) :
			    binomial_invert(b, b->n, small, rng_unit(rng));
	return k ^ ((k ^ (b->n - k)) & flip);
}

#endif

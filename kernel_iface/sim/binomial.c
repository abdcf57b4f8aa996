/* SPDX-License-Identifier: Apache-2.0 */
#include "binomial.h"

#include <math.h>

static double power(double x, uint32_t n)
{
	double result = 1.0;

	for (; n; n >>= 1, x *= x)
		if (n & 1)
			result *= x;
	return result;
}

uint32_t binomial_invert(const struct binomial *b, uint32_t n, double p, double u)
{
	const double ratio = p / (1.0 - p);
	double term = power(1.0 - p, n);
	uint32_t k = 0;

	while (u >= term && k < n) {
		u -= term;
		k++;
		term *= ratio * (n == b->n ? b->step[k] : (double)(n - k + 1) / k);
	}
	return k;
}

static void binomial_weights(const struct binomial *b, double p, double *weight)
{
	double term = power(1.0 - p, b->n);

	for (uint32_t k = 0; k < BINOMIAL_COLUMNS; k++) {
		weight[k] = k <= b->n ? term * BINOMIAL_COLUMNS : 0.0;
		if (k < b->n)
			term *= p / (1.0 - p) * b->step[k + 1];
	}
}

static uint32_t column_of(double keep, uint32_t alias)
{
	const double below = keep * 0x1p32;
	const uint32_t bits = below >= 0x1p32 - 1.0 ? UINT32_MAX : (uint32_t)below;

	return (bits & ~(uint32_t)(BINOMIAL_COLUMNS - 1)) | alias;
}

/* Vose's construction: what a column lacks is filled up from one that has too much. */
static void build_row(const struct binomial *b, uint32_t row, uint32_t *columns)
{
	uint32_t lack[BINOMIAL_COLUMNS], spare[BINOMIAL_COLUMNS], nr_lack = 0, nr_spare = 0;
	double weight[BINOMIAL_COLUMNS];

	binomial_weights(b, row * (1.0 / (2 * BINOMIAL_ROWS)), weight);
	for (uint32_t k = 0; k < BINOMIAL_COLUMNS; k++)
		*(weight[k] < 1.0 ? &lack[nr_lack++] : &spare[nr_spare++]) = k;
	while (nr_lack && nr_spare) {
		const uint32_t small = lack[--nr_lack], large = spare[nr_spare - 1];

		columns[small] = column_of(weight[small], large);
		weight[large] -= 1.0 - weight[small];
		if (weight[large] < 1.0) {
			nr_spare--;
			lack[nr_lack++] = large;
		}
	}
	while (nr_spare--)
		columns[spare[nr_spare]] = column_of(1.0, spare[nr_spare]);
	while (nr_lack--)
		columns[lack[nr_lack]] = column_of(1.0, lack[nr_lack]);
}

void binomial_init(struct binomial *b, uint32_t n)
{
	b->n = n;
	for (uint32_t k = 1; k <= n; k++)
		b->step[k] = (double)(n - k + 1) / k;
	if (n > BINOMIAL_TABLE_MAX_N)
		return;
	for (uint32_t row = 0; row < BINOMIAL_ROWS; row++) {
		b->rest[row] = 1.0 / (1.0 - row * (1.0 / (2 * BINOMIAL_ROWS)));
		build_row(b, row, b->table[row]);
	}
}

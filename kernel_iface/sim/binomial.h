/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draws from Binomial(n, p) by inversion, for the small n of a sampling window.
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

struct binomial {
	uint32_t n;
	/* (n - k + 1) / k, the step from one term of the distribution to the next */
	double step[BINOMIAL_MAX_N + 1];
};

static inline void binomial_init(struct binomial *b, uint32_t n)
{
	b->n = n;
	for (uint32_t k = 1; k <= n; k++)
		b->step[k] = (double)(n - k + 1) / k;
}

static inline double binomial_pow(double x, uint32_t n)
{
	double result = 1.0;

	for (; n; n >>= 1, x *= x)
		if (n & 1)
			result *= x;
	return result;
}

static inline uint32_t binomial_draw(const struct binomial *b, struct rng *rng, double p)
{
	const double small = p > 0.5 ? 1.0 - p : p;
	double term, u, ratio;
	uint32_t k = 0;

	if (small <= 0.0)
		return p > 0.5 ? b->n : 0;
	u = rng_unit(rng);
	term = binomial_pow(1.0 - small, b->n);
	if (u >= term) {
		ratio = small / (1.0 - small);
		while (u >= term && k < b->n) {
			u -= term;
			k++;
			term *= ratio * b->step[k];
		}
	}
	return p > 0.5 ? b->n - k : k;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "chunks.h"

#include <math.h>

void chunks_init(struct chunks *c, size_t first_block, size_t nr_blocks, size_t nr, double skew,
		 double cold_share, double mean_rate_hz, struct rng *rng)
{
	size_t warm;
	double sum = 0.0;

	c->first_block = first_block;
	c->nr_blocks = nr_blocks;
	c->nr = nr > nr_blocks ? nr_blocks : nr;
	warm = (size_t)((double)c->nr * (1.0 - cold_share));
	warm = warm ? warm : 1;
	for (size_t i = 0; i < c->nr; i++) {
		c->rank[i] = (uint16_t)i;
		c->rate_hz[i] = i < warm ? pow((double)(i + 1), -skew) : 0.0;
		sum += c->rate_hz[i];
	}
	for (size_t i = 0; i < c->nr; i++) {
		c->rate_hz[i] *= mean_rate_hz * (double)c->nr / sum;
		chunks_swap_ranks(c, i, i + rng_below(rng, c->nr - i));
	}
}

size_t chunks_start(const struct chunks *c, size_t chunk)
{
	return c->first_block + chunk * c->nr_blocks / c->nr;
}

double chunks_rate(const struct chunks *c, size_t chunk)
{
	return c->rate_hz[c->rank[chunk]];
}

double chunks_block_rate(const struct chunks *c, size_t block)
{
	/* the last chunk that does not start behind it */
	return chunks_rate(c, ((block - c->first_block + 1) * c->nr - 1) / c->nr_blocks);
}

void chunks_swap_ranks(struct chunks *c, size_t a, size_t b)
{
	uint16_t rank = c->rank[a];

	c->rank[a] = c->rank[b];
	c->rank[b] = rank;
}

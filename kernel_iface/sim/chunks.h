/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of memory of Zipf popularity: which chunk has which rank is shuffled, and may drift. */
#ifndef DT_CHUNKS_H
#define DT_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "rng.h"

#define CHUNKS_MAX 256

struct chunks {
	size_t first_block;
	size_t nr_blocks;
	size_t nr;
	/* by chunk */
	uint16_t rank[CHUNKS_MAX];
	/* by rank */
	double rate_hz[CHUNKS_MAX];
};

/*
 * Cut @nr_blocks from @first_block into at most @nr chunks.  The rates of all together average to
 * @mean_rate_hz; those of the last ranks, @cold_share of all, are 0.
 */
void chunks_init(struct chunks *chunks, size_t first_block, size_t nr_blocks, size_t nr,
		 double skew, double cold_share, double mean_rate_hz, struct rng *rng);
/* The first block of @chunk; that of the one behind the last is the end. */
size_t chunks_start(const struct chunks *chunks, size_t chunk);
/* The rate of @chunk, and of a block of it. */
double chunks_rate(const struct chunks *chunks, size_t chunk);
double chunks_block_rate(const struct chunks *chunks, size_t block);
void chunks_swap_ranks(struct chunks *chunks, size_t a, size_t b);

#endif

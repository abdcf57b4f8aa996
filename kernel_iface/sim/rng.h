/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers of one host: xoshiro256++ (Blackman and Vigna), seeded by splitmix64. */
#ifndef DT_RNG_H
#define DT_RNG_H

#include <math.h>
#include <stdint.h>

struct rng {
	uint64_t s[4];
};

static inline void rng_seed(struct rng *rng, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15ULL);

		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
		rng->s[i] = z ^ (z >> 31);
	}
}

static inline uint64_t rng_rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline uint64_t rng_u64(struct rng *rng)
{
	uint64_t *s = rng->s;
	const uint64_t result = rng_rotl(s[0] + s[3], 23) + s[0];
	const uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rng_rotl(s[3], 45);
	return result;
}

/* Uniform in [0, 1). */
static inline double rng_unit(struct rng *rng)
{
	return (double)(int64_t)(rng_u64(rng) >> 11) * 0x1p-53;
}

/* Uniform in [0, n); n > 0. The bias is below n / 2^64. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)rng_u64(rng) * n) >> 64);
}

static inline double rng_between(struct rng *rng, double lo, double hi)
{
	return lo + (hi - lo) * rng_unit(rng);
}

/* Log-uniform; 0 < lo <= hi. */
static inline double rng_log_between(struct rng *rng, double lo, double hi)
{
	return lo * exp(log(hi / lo) * rng_unit(rng));
}

#endif

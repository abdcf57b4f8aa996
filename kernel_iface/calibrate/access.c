/* SPDX-License-Identifier: Apache-2.0 */
/* Reads, writes and copies of memory, timed. */
#define _POSIX_C_SOURCE 199309L
#include "bench.h"

#include <string.h>
#include <time.h>

#define WORDS_PER_LINE (BENCH_LINE_BYTES / sizeof(uint64_t))
#define NS_PER_S 1000000000ULL
/* The odd constant of splitmix64: any start gives a full period. */
#define SEQUENCE_STEP 0x9e3779b97f4a7c15ULL

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t bench_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* Positions for the benchmark are known ahead of the reads, so mixing costs no latency. */
static inline uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

void bench_fill(uint64_t *words, size_t nr_words, uint64_t pattern)
{
	for (size_t i = 0; i < nr_words; i++)
		words[i] = pattern;
}

/*
 * A word that was read, less the pattern, is 0 and joins the next address: neither compiler nor
 * CPU knows that it is 0, so no read starts before the one ahead of it has ended.  This needs no
 * list of pointers, which would take a second of random writes to lay out.
 */
static inline uint64_t walk(const uint64_t *words, uint64_t mask, uint64_t nr_rounds,
			    const unsigned int nr_chains, uint64_t pattern, uint64_t seed)
{
	uint64_t found[BENCH_MAX_CHAINS] = { 0 }, all = 0;

	for (uint64_t i = 0; i < nr_rounds; i++) {
		for (unsigned int k = 0; k < nr_chains; k++) {
			uint64_t line = (mix(seed += SEQUENCE_STEP) ^ found[k]) & mask;

			found[k] = words[line * WORDS_PER_LINE] ^ pattern;
		}
	}
	for (unsigned int k = 0; k < nr_chains; k++)
		all |= found[k];
	return all;
}

uint64_t bench_random_ns(const uint64_t *words, size_t nr_lines, uint64_t nr_accesses,
			 unsigned int nr_chains, uint64_t pattern, uint64_t seed)
{
	const uint64_t mask = nr_lines - 1, started_ns = bench_cpu_ns();
	uint64_t wrong, elapsed_ns;

	/* apart, so that the compiler keeps each chain in a register */
	if (nr_chains == 1)
		wrong = walk(words, mask, nr_accesses, 1, pattern, seed);
	else
		wrong = walk(words, mask, nr_accesses / BENCH_MAX_CHAINS, BENCH_MAX_CHAINS, pattern,
			     seed);
	elapsed_ns = bench_cpu_ns() - started_ns;
	if (wrong)
		return 0;
	return elapsed_ns ? elapsed_ns : 1;
}

uint64_t bench_copy_ns(void *dst, const void *src, size_t bytes, unsigned int repeats)
{
	const uint64_t started_ns = bench_now_ns();

	for (unsigned int i = 0; i < repeats; i++) {
		memcpy(dst, src, bytes);
		/* the copies are alike: without this, all but the last could be left out */
		__asm__ volatile("" : : "r"(dst), "r"(src) : "memory");
	}
	return bench_now_ns() - started_ns;
}

uint64_t bench_copy_pages_ns(uint8_t *dst, const uint8_t *src, size_t page_bytes, size_t nr,
			     uint64_t seed)
{
	const uint64_t started_ns = bench_cpu_ns();

	for (size_t i = 0; i < nr; i++) {
		size_t page = (size_t)(mix(seed += SEQUENCE_STEP) % nr);

		memcpy(dst + page * page_bytes, src + page * page_bytes, page_bytes);
		__asm__ volatile("" : : "r"(dst) : "memory");
	}
	return bench_cpu_ns() - started_ns;
}

uint64_t bench_touch_ns(uint8_t *memory, size_t bytes, size_t step_bytes)
{
	volatile uint8_t *touched = memory;
	const uint64_t started_ns = bench_cpu_ns();

	for (size_t at = 0; at < bytes; at += step_bytes)
		touched[at] = 1;
	return bench_cpu_ns() - started_ns;
}

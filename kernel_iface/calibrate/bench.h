/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is timed on the caller's own memory.  Nothing here touches anything else, and every call
 * ends after the work it was asked for, so that the caller decides how long it takes.
 */
#ifndef DT_BENCH_H
#define DT_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Caches load memory in such pieces on the machines that matter here. */
#define BENCH_LINE_BYTES 64
/* Accesses that wait for nothing but the one before in their own chain. */
#define BENCH_MAX_CHAINS 8

/* Time that passes, and CPU time of this thread, which other programs take no part of. */
uint64_t bench_now_ns(void);
uint64_t bench_cpu_ns(void);

/* What bench_random_ns() has to find: every word of the area holds @pattern. */
void bench_fill(uint64_t *words, size_t nr_words, uint64_t pattern);

/*
 * CPU nanoseconds of @nr_accesses reads of random lines, in @nr_chains (1 or BENCH_MAX_CHAINS) chains;
 * within a chain the address of a read depends on what the read before it returned.
 * @nr_lines is a power of two.  Returns 0 when the area does not hold @pattern.
 */
uint64_t bench_random_ns(const uint64_t *words, size_t nr_lines, uint64_t nr_accesses,
			 unsigned int nr_chains, uint64_t pattern, uint64_t seed);

/* Nanoseconds to copy @bytes from @src to @dst, @repeats times. */
uint64_t bench_copy_ns(void *dst, const void *src, size_t bytes, unsigned int repeats);

/* CPU nanoseconds to copy @nr pages of @page_bytes, in random order, one after the other. */
uint64_t bench_copy_pages_ns(uint8_t *dst, const uint8_t *src, size_t page_bytes, size_t nr,
			     uint64_t seed);

/* CPU nanoseconds to write one byte every @step_bytes. */
uint64_t bench_touch_ns(uint8_t *memory, size_t bytes, size_t step_bytes);

#endif

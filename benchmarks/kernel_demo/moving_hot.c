/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process with a hot and a cold part, whose hot part moves.
 *
 *	moving_hot MAPPED_MIB HOT_MIB PERIOD_S PLACES PAUSE_US
 *
 * It fills the mapping with half noise, half zeros, then writes to random pages of the hot part;
 * every PERIOD_S seconds the hot part is the next of PLACES places.  Once a second it prints
 *
 *	seconds writes hot_start hot_end
 *
 * with the writes since the start and the addresses of the hot part.  PAUSE_US microseconds of
 * sleep after each 4096 writes keep the CPU from being the only thing measured.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096ULL
#define BURST 4096

static uint64_t random_state = 0x9e3779b97f4a7c15ULL;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fill(unsigned char *memory, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += PAGE_BYTES) {
		memory[at] = 1;
		for (uint64_t i = 0; i < PAGE_BYTES / 2; i += sizeof(uint64_t))
			*(uint64_t *)(memory + at + i) = random_u64();
	}
}

int main(int argc, char **argv)
{
	uint64_t mapped, hot, places, writes = 0;
	double period_s, start_s, next_report_s = 1.0;
	unsigned char *memory;
	useconds_t pause_us;

	if (argc != 6)
		return 2;
	mapped = strtoull(argv[1], NULL, 10) << 20;
	hot = strtoull(argv[2], NULL, 10) << 20;
	period_s = strtod(argv[3], NULL);
	places = strtoull(argv[4], NULL, 10);
	pause_us = (useconds_t)strtoull(argv[5], NULL, 10);
	if (!hot || !places || hot * places > mapped || period_s <= 0.0)
		return 2;
	memory = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, mapped, MADV_NOHUGEPAGE))
		return 1;
	fill(memory, mapped);

	start_s = now_s();
	for (;;) {
		double elapsed_s = now_s() - start_s;
		uint64_t place = (uint64_t)(elapsed_s / period_s) % places;
		unsigned char *part = memory + place * (mapped / places);

		for (int i = 0; i < BURST; i++)
			part[random_u64() % hot]++;
		writes += BURST;
		if (elapsed_s >= next_report_s) {
			printf("%.3f %llu %llu %llu\n", elapsed_s, (unsigned long long)writes,
			       (unsigned long long)(uintptr_t)part,
			       (unsigned long long)((uintptr_t)part + hot));
			fflush(stdout);
			next_report_s = (double)(uint64_t)elapsed_s + 1.0;
		}
		if (pause_us)
			usleep(pause_us);
	}
}

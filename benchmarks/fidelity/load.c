/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that accesses its memory as a pattern file says, at paced rates, and reports how
 * often it really did.
 *
 *	load PATTERN REPORT
 *
 * A pattern file has one statement a line; # begins a comment; sizes may end in K or M:
 *
 *	map SIZE [huge] [unfilled]	the memory: base or huge pages, filled before the start
 *	report MILLISECONDS		how often to report; 1000 unless given
 *	work ROUNDS			of arithmetic, with each access; none unless given
 *	phase SECONDS			begins a phase; after the last one the first follows
 *	START LENGTH random HZ		in this phase, pages of this range are accessed in random
 *					order, each HZ times a second on average
 *	START LENGTH scan HZ		the same from the first page to the last, over and over
 *
 * It prints "ready START END OWN..." once the memory is there, where OWN are addresses of its own
 * program, data and stack that it has in use all the time, and begins at a signal SIGUSR1.  To
 * REPORT it writes, for each range at the end of each report interval or phase,
 *
 *	from_ns until_ns start end accesses
 *
 * where times are of CLOCK_MONOTONIC and start and end are bytes into the memory; of a scan they
 * bound what was swept in this time.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096ULL
#define HUGE_BYTES (2ULL << 20)
#define NS_PER_S 1000000000ULL
#define TICK_NS 1000000ULL
#define MAX_PHASES 256
#define MAX_RANGES 32

struct range {
	uint64_t first_page;
	uint64_t nr_pages;
	double rate_hz;
	bool scans;
	/* since the phase began, and at the last report */
	uint64_t done;
	uint64_t reported;
	uint64_t cursor;
	uint64_t reported_cursor;
};

struct phase {
	uint64_t length_ns;
	size_t nr_ranges;
	struct range ranges[MAX_RANGES];
};

struct pattern {
	uint64_t bytes;
	uint64_t report_ns;
	uint64_t work_rounds;
	bool huge;
	bool unfilled;
	size_t nr_phases;
	struct phase phases[MAX_PHASES];
};

static struct pattern pattern = { .report_ns = NS_PER_S };
static uint64_t random_state = 0x9e3779b97f4a7c15ULL;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S) };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* A size with its suffix; false for anything else. */
static bool parse_size(const char *word, uint64_t *bytes)
{
	char *end;

	*bytes = strtoull(word, &end, 10);
	if (*end == 'K' || *end == 'M')
		*bytes <<= *end++ == 'K' ? 10 : 20;
	return end != word && !*end && *bytes % PAGE_BYTES == 0;
}

static bool add_range(struct phase *phase, char *const *words)
{
	struct range *range = &phase->ranges[phase->nr_ranges];
	uint64_t start, length;

	if (phase->nr_ranges == MAX_RANGES || !parse_size(words[0], &start) ||
	    !parse_size(words[1], &length) || !length || start + length > pattern.bytes)
		return false;
	range->first_page = start / PAGE_BYTES;
	range->nr_pages = length / PAGE_BYTES;
	range->scans = !strcmp(words[2], "scan");
	range->rate_hz = strtod(words[3], NULL);
	phase->nr_ranges++;
	return range->scans || !strcmp(words[2], "random");
}

static bool parse_line(char *line)
{
	char *words[5], *rest = line;
	size_t nr = 0;

	rest[strcspn(rest, "#\n")] = '\0';
	while (nr < 5 && (words[nr] = strtok_r(rest, " \t", &rest)))
		nr++;
	if (!nr)
		return true;
	if (!strcmp(words[0], "map") && nr >= 2) {
		for (size_t i = 2; i < nr; i++) {
			pattern.huge |= !strcmp(words[i], "huge");
			pattern.unfilled |= !strcmp(words[i], "unfilled");
		}
		return parse_size(words[1], &pattern.bytes) && pattern.bytes;
	}
	if (!strcmp(words[0], "report") && nr == 2) {
		pattern.report_ns = strtoull(words[1], NULL, 10) * (NS_PER_S / 1000);
		return pattern.report_ns > 0;
	}
	if (!strcmp(words[0], "work") && nr == 2) {
		pattern.work_rounds = strtoull(words[1], NULL, 10);
		return pattern.work_rounds > 0;
	}
	if (!strcmp(words[0], "phase") && nr == 2 && pattern.nr_phases < MAX_PHASES) {
		double seconds = strtod(words[1], NULL);

		pattern.phases[pattern.nr_phases++].length_ns =
			(uint64_t)(seconds * (double)NS_PER_S);
		return seconds > 0.0;
	}
	return nr == 4 && pattern.nr_phases &&
	       add_range(&pattern.phases[pattern.nr_phases - 1], words);
}

static bool read_pattern(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[256];
	bool good = file;

	while (good && fgets(line, sizeof(line), file))
		good = parse_line(line);
	if (file)
		fclose(file);
	return good && pattern.bytes && pattern.nr_phases;
}

/* Half noise, half zeros: about as compressible as what servers hold. */
static void fill(unsigned char *memory)
{
	for (uint64_t at = 0; at < pattern.bytes; at += PAGE_BYTES) {
		memory[at] = 1;
		for (uint64_t i = 0; i < PAGE_BYTES / 2; i += sizeof(uint64_t))
			*(uint64_t *)(memory + at + i) = random_u64();
	}
}

static unsigned char *map_memory(void)
{
	const int protection = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned char *memory = mmap(NULL, pattern.bytes + HUGE_BYTES, protection, flags, -1, 0);
	uint64_t before;

	if (memory == MAP_FAILED)
		return NULL;
	/* what is left and right of whole huge pages is given back */
	before = -(uint64_t)(uintptr_t)memory % HUGE_BYTES;
	if (before)
		munmap(memory, before);
	memory += before;
	if (before < HUGE_BYTES)
		munmap(memory + pattern.bytes, HUGE_BYTES - before);
	if (madvise(memory, pattern.bytes, pattern.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		return NULL;
	if (!pattern.unfilled)
		fill(memory);
	return memory;
}

static void work(void)
{
	for (uint64_t i = 0; i < pattern.work_rounds; i++)
		random_u64();
}

static void access_pages(unsigned char *memory, struct range *range, uint64_t elapsed_ns)
{
	const double due = range->rate_hz * (double)range->nr_pages * (double)elapsed_ns * 1e-9;

	for (; range->done < (uint64_t)due; range->done++) {
		uint64_t page = (random_u64() >> 32) * range->nr_pages >> 32;

		if (range->scans)
			page = range->cursor++ % range->nr_pages;
		memory[(range->first_page + page) * PAGE_BYTES]++;
		work();
	}
}

static void report_part(FILE *file, const struct range *range, uint64_t from_ns,
			uint64_t until_ns, uint64_t first, uint64_t nr, uint64_t accesses)
{
	const uint64_t start = (range->first_page + first) * PAGE_BYTES;

	if (nr)
		fprintf(file, "%llu %llu %llu %llu %llu\n", (unsigned long long)from_ns,
			(unsigned long long)until_ns, (unsigned long long)start,
			(unsigned long long)(start + nr * PAGE_BYTES),
			(unsigned long long)accesses);
}

static void report(FILE *file, struct range *range, uint64_t from_ns, uint64_t until_ns)
{
	const uint64_t accesses = range->done - range->reported;
	uint64_t first = range->reported_cursor % range->nr_pages, left = range->nr_pages - first;

	if (!range->scans || accesses >= range->nr_pages) {
		report_part(file, range, from_ns, until_ns, 0, range->nr_pages, accesses);
	} else if (accesses <= left) {
		report_part(file, range, from_ns, until_ns, first, accesses, accesses);
	} else {
		report_part(file, range, from_ns, until_ns, first, left, left);
		report_part(file, range, from_ns, until_ns, 0, accesses - left, accesses - left);
	}
	range->reported = range->done;
	range->reported_cursor = range->cursor;
}

static void run_phase(unsigned char *memory, struct phase *phase, uint64_t start_ns, FILE *file)
{
	const uint64_t end_ns = start_ns + phase->length_ns;
	uint64_t reported_ns = start_ns, next_report_ns = start_ns + pattern.report_ns;

	for (size_t i = 0; i < phase->nr_ranges; i++)
		phase->ranges[i].done = phase->ranges[i].reported = 0;
	for (uint64_t tick_ns = start_ns + TICK_NS, now = 0; now < end_ns; tick_ns += TICK_NS) {
		sleep_until(tick_ns < end_ns ? tick_ns : end_ns);
		now = now_ns();
		for (size_t i = 0; i < phase->nr_ranges; i++)
			access_pages(memory, &phase->ranges[i],
				     (now < end_ns ? now : end_ns) - start_ns);
		if (now < next_report_ns && now < end_ns)
			continue;
		now = now_ns();
		for (size_t i = 0; i < phase->nr_ranges; i++)
			report(file, &phase->ranges[i], reported_ns, now);
		fflush(file);
		reported_ns = now;
		next_report_ns += pattern.report_ns;
		if (tick_ns < now)
			tick_ns = now;
	}
}

static void print_ready(const unsigned char *memory)
{
	const uintptr_t own[] = {
		(uintptr_t)access_pages,   (uintptr_t)run_phase, (uintptr_t)clock_gettime,
		(uintptr_t)clock_nanosleep, (uintptr_t)&pattern,  (uintptr_t)&random_state,
		(uintptr_t)own,
	};

	printf("ready %llu %llu", (unsigned long long)(uintptr_t)memory,
	       (unsigned long long)((uintptr_t)memory + pattern.bytes));
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		printf(" %llu", (unsigned long long)own[i]);
	printf("\n");
	fflush(stdout);
}

/* Without random gaps between program and heap: DAMON would monitor them, up to a gigabyte. */
static void stay_in_place(char **argv)
{
	const int now = personality(0xffffffff);

	if (now & ADDR_NO_RANDOMIZE)
		return;
	if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) != -1)
		execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	unsigned char *memory;
	sigset_t go;
	FILE *file;
	int number;

	stay_in_place(argv);
	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, NULL);
	if (argc != 3 || !read_pattern(argv[1])) {
		fprintf(stderr, "usage: load PATTERN REPORT, with a pattern file that is right\n");
		return 2;
	}
	memory = map_memory();
	file = fopen(argv[2], "w");
	if (!memory || !file) {
		perror("load");
		return 1;
	}
	print_ready(memory);
	sigwait(&go, &number);

	for (uint64_t start_ns = now_ns(), i = 0;; i = (i + 1) % pattern.nr_phases) {
		run_phase(memory, &pattern.phases[i], start_ns, file);
		start_ns += pattern.phases[i].length_ns;
	}
}

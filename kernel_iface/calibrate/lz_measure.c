/* SPDX-License-Identifier: Apache-2.0 */
/* What it costs to compress and restore pages, one by one as they are paged out and in. */
#include <stdlib.h>

#include "bench.h"
#include "lz.h"

bool lz_measure(const uint8_t *pages, size_t page_bytes, size_t nr, struct lz_costs *costs)
{
	uint8_t *packed = malloc(page_bytes), *page = malloc(page_bytes);
	const bool ok = packed && page;

	*costs = (struct lz_costs){ 0 };
	for (size_t i = 0; ok && i < nr; i++) {
		const uint64_t started_ns = bench_cpu_ns();
		size_t size = lz_compress(pages + i * page_bytes, page_bytes, packed,
					  page_bytes - 1);
		const uint64_t packed_ns = bench_cpu_ns();

		costs->compress_ns += packed_ns - started_ns;
		if (!size)
			continue;
		lz_decompress(packed, size, page, page_bytes);
		costs->decompress_ns += bench_cpu_ns() - packed_ns;
		costs->nr_stored++;
		costs->stored_bytes += size;
	}
	free(packed);
	free(page);
	return ok;
}

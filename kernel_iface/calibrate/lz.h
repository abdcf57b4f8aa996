/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte-oriented compressor of the kind that zram and zswap use (lzo, lz4): it stands in for the
 * kernel's, which user space cannot call.
 */
#ifndef DT_LZ_H
#define DT_LZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LZ_MAX_INPUT_BYTES 65535

/* Returns the compressed size, or 0 when it would not fit into @max. */
size_t lz_compress(const uint8_t *in, size_t nr, uint8_t *out, size_t max);

/* Returns the size that was restored, or 0 when @in is damaged or holds more than @max. */
size_t lz_decompress(const uint8_t *in, size_t nr, uint8_t *out, size_t max);

struct lz_costs {
	uint64_t compress_ns;
	uint64_t decompress_ns;
	/* of the pages that compress; zswap stores no others */
	size_t nr_stored;
	size_t stored_bytes;
};

/* Compress and restore @nr pages of @page_bytes, and time both.  False when memory is out. */
bool lz_measure(const uint8_t *pages, size_t page_bytes, size_t nr, struct lz_costs *costs);

#endif

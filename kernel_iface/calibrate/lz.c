/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sequence is a byte with two lengths of four bits (literals; match less MIN_MATCH), the bytes
 * that continue a length of 15 or more, the literals, and how far back the match starts, in two
 * bytes.  The last sequence ends after its literals.
 */
#include "lz.h"

#include <stdbool.h>
#include <string.h>

#define MIN_MATCH 4
#define HASH_BITS 12
#define NIBBLE_MAX 15

struct cursor {
	uint8_t *at;
	uint8_t *end;
};

static uint32_t read32(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static bool put_byte(struct cursor *c, size_t value)
{
	if (c->at == c->end)
		return false;
	*c->at++ = (uint8_t)value;
	return true;
}

/* What of @length the nibble could not hold. */
static bool put_length(struct cursor *c, size_t length)
{
	if (length < NIBBLE_MAX)
		return true;
	for (length -= NIBBLE_MAX; length >= 255; length -= 255)
		if (!put_byte(c, 255))
			return false;
	return put_byte(c, length);
}

static size_t nibble(size_t length)
{
	return length < NIBBLE_MAX ? length : NIBBLE_MAX;
}

/* @match is 0 for the last sequence. */
static bool put_sequence(struct cursor *c, const uint8_t *literals, size_t nr, size_t match,
			 size_t back)
{
	const size_t code = match ? match - MIN_MATCH : 0;

	if (!put_byte(c, nibble(nr) << 4 | nibble(code)) || !put_length(c, nr) ||
	    (size_t)(c->end - c->at) < nr)
		return false;
	memcpy(c->at, literals, nr);
	c->at += nr;
	if (!match)
		return true;
	return put_byte(c, back & 255) && put_byte(c, back >> 8) && put_length(c, code);
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
	const uint8_t *start = b;

	while (b < end && *a == *b)
		a++, b++;
	return (size_t)(b - start);
}

size_t lz_compress(const uint8_t *in, size_t nr, uint8_t *out, size_t max)
{
	struct cursor c = { out, out + max };
	uint16_t seen[1 << HASH_BITS] = { 0 };
	size_t done = 0, at = 1;

	if (!nr || nr > LZ_MAX_INPUT_BYTES)
		return 0;
	while (at + MIN_MATCH <= nr) {
		const uint32_t here = read32(in + at);
		uint16_t *slot = &seen[here * 2654435761u >> (32 - HASH_BITS)];
		const size_t before = *slot;
		size_t length;

		*slot = (uint16_t)at;
		if (read32(in + before) != here) {
			at++;
			continue;
		}
		length = match_length(in + before, in + at, in + nr);
		if (!put_sequence(&c, in + done, at - done, length, at - before))
			return 0;
		at += length;
		done = at;
	}
	return put_sequence(&c, in + done, nr - done, 0, 0) ? (size_t)(c.at - out) : 0;
}

/* Add to @length what continues it.  False at the end of the input. */
static bool get_length(const uint8_t **in, const uint8_t *end, size_t *length)
{
	uint8_t more = 255;

	if (*length < NIBBLE_MAX)
		return true;
	while (more == 255) {
		if (*in == end)
			return false;
		more = *(*in)++;
		*length += more;
	}
	return true;
}

static void copy_match(uint8_t *to, size_t back, size_t length)
{
	if (back >= length) {
		memcpy(to, to - back, length);
		return;
	}
	/* a match may overlap what it produces */
	for (size_t i = 0; i < length; i++)
		to[i] = to[i - back];
}

size_t lz_decompress(const uint8_t *in, size_t nr, uint8_t *out, size_t max)
{
	const uint8_t *end = in + nr;
	size_t made = 0;

	while (in < end) {
		size_t literals = *in >> 4, match = *in & NIBBLE_MAX, back;

		in++;
		if (!get_length(&in, end, &literals) || literals > (size_t)(end - in) ||
		    literals > max - made)
			return 0;
		memcpy(out + made, in, literals);
		made += literals;
		in += literals;
		if (in == end)
			return made;
		if (end - in < 2)
			return 0;
		back = (size_t)in[0] | (size_t)in[1] << 8;
		in += 2;
		if (!get_length(&in, end, &match))
			return 0;
		match += MIN_MATCH;
		if (!back || back > made || match > max - made)
			return 0;
		copy_match(out + made, back, match);
		made += match;
	}
	return made;
}

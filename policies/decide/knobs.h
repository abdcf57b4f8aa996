/* SPDX-License-Identifier: Apache-2.0 */
/* Knobs in physical units: how an action becomes knobs, and knobs become schemes. */
#ifndef DT_KNOBS_H
#define DT_KNOBS_H

#include <stddef.h>
#include <stdint.h>

#include "scheme.h"

/* The `reclaim` group. */
enum knob { KNOB_MIN_AGE_S, KNOB_QUOTA_BYTES_PER_S, NR_KNOBS };

struct knobs {
	double value[NR_KNOBS];
};

extern const char *const knob_names[NR_KNOBS];

/* What a policy that has not decided yet stands at, for a tenant of @tenant_bytes. */
struct knobs knobs_initial(double tenant_bytes);
/* @action in [-1, 1] a knob, on log scales; values outside are clamped. */
struct knobs knobs_decode(const float *action, double tenant_bytes);
/* The inverse of knobs_decode, clamped to [-1, 1]. */
void knobs_encode(const struct knobs *knobs, double tenant_bytes, float *action);
/* The schemes that carry @knobs out; one for now. */
void knobs_plan(const struct knobs *knobs, uint64_t aggr_us, struct scheme *scheme);

#endif

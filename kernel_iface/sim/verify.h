/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must hold of a context at any time.  A build with DT_DEBUG looks after every step
 * of the main loop and ends the program at the first thing that does not.
 */
#ifndef DT_VERIFY_H
#define DT_VERIFY_H

#include "monitor.h"

struct damos;

/* NULL, or the invariant that @ctx breaks. */
const char *damon_broken_invariant(const struct damon_ctx *ctx);
/* NULL, or the invariant that the charges of @s break. */
const char *damos_broken_invariant(const struct damos *s);

/* Ends the program with a message when @broken is not NULL. */
void damon_verify(const char *broken, const char *function);

#ifdef DT_DEBUG
#define DT_VERIFY(ctx) damon_verify(damon_broken_invariant(ctx), __func__)
#define DT_VERIFY_CHARGE(s) damon_verify(damos_broken_invariant(s), __func__)
#else
#define DT_VERIFY(ctx) ((void)0)
#define DT_VERIFY_CHARGE(s) ((void)0)
#endif

#endif

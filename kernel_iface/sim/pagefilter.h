/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DAMOS filters that the operations set handles: which share of a block's pages passes.
 *
 * The kernel asks every page; here a block's pages fall into kinds (young or old, huge or not,
 * active or not), of which each passes or does not.
 */
#ifndef DT_PAGEFILTER_H
#define DT_PAGEFILTER_H

#include "memory.h"
#include "scheme.h"

/* Shares that pass, of the block's pages in huge pages and of the others. */
struct page_pass {
	double huge;
	double base;
};

/* Share of the block's resident pages on the active list. */
double page_active_share(const struct block *block);

/*
 * Asks for the pages of @block; @memcg is the tenant's.  With @reject_young, as paddr's page-out
 * has it, young pages do not pass unless a filter of @scheme says otherwise.  Clears accessed bits
 * where the kernel does.
 */
struct page_pass page_filter(struct memory *memory, size_t block, const struct scheme *scheme,
			     uint32_t memcg, bool reject_young, uint64_t now_us);

#endif

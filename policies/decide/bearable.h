/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much page-out the budget bears.
 *
 * A page that is paged out costs at most one fault.  So the budget, the time that the load works
 * and what a fault takes say how many bytes a second may go even if all of them come back; by how
 * many have come back so far, more may.
 */
#ifndef DT_BEARABLE_H
#define DT_BEARABLE_H

#include "observe.h"
#include "snapshot.h"

struct bearable {
	bool started;
	uint64_t swapped_bytes;
	double watched_s;
	double worked_share;
	/* of late: pages that went out, that came back, and what that took */
	double pages_out;
	double faults;
	double stalled_us;

	/* faults for each page that went out; as if a few had come back before there are any */
	double refault_ratio;
	double bytes_per_s;
};

/* Take in one more snapshot, of which @rates have been made. */
void bearable_update(struct bearable *bearable, const struct snapshot *snapshot,
		     const struct rates *rates, double budget);

#endif

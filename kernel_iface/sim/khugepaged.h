/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's background thread that makes huge pages of small ones. */
#ifndef DT_KHUGEPAGED_H
#define DT_KHUGEPAGED_H

#include "tenant.h"

struct khugepaged {
	size_t tenant;
	size_t block;
	/* pages that may still be scanned */
	double budget_pages;
	/* since reset */
	double cpu_us;
	double pages_collapsed;
};

/* Scan as much as @us microseconds allow. */
void khugepaged_scan(struct khugepaged *scan, struct tenant *tenants, size_t nr_tenants,
		     double us, uint64_t now_us);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Knob groups: which knobs a policy sets, and with them which features it sees.
 *
 * A set of groups is an unsigned with a bit each.
 */
#ifndef DT_GROUPS_H
#define DT_GROUPS_H

enum knob_group {
	/* what to page out, and how fast */
	GROUP_RECLAIM,
	/* targets of the kernel's own feedback, which then tunes the quotas */
	GROUP_GOALS,
	/* promotion and demotion between the nodes */
	GROUP_TIERING,
	/* which memory becomes huge pages, and which loses them */
	GROUP_THP,
	/* how much spare memory stays online, and the memory clock */
	GROUP_POWER,
	/* what is forecast to be needed is not paged out, and brought back ahead */
	GROUP_PREDICTION,
	/* features alone: how regions are accessed */
	GROUP_ATTRIBUTES,
	/*
	 * no knob of its own: what the budget bears and what came back after how long is seen, and
	 * the quota of page-out is set relative to what the budget bears
	 */
	GROUP_ADAPTIVE,
	NR_KNOB_GROUPS
};

#define GROUP_BIT(group) (1u << (group))

extern const char *const knob_group_names[NR_KNOB_GROUPS];

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* DAMON's feedback loop, with which quotas follow their goals and intervals theirs. */
#ifndef DT_FEEDBACK_H
#define DT_FEEDBACK_H

#include <stdint.h>

#include "monitor.h"

#define FEEDBACK_GOAL 10000ULL
#define FEEDBACK_MIN_INPUT 10000ULL

/* The input that would bring the score, which @last_input has brought to @score, to the goal. */
static inline uint64_t damon_feed_loop_next_input(uint64_t last_input, uint64_t score)
{
	uint64_t diff, compensation;

	if (score == FEEDBACK_GOAL)
		return last_input;
	if (score >= 2 * FEEDBACK_GOAL)
		return FEEDBACK_MIN_INPUT;
	diff = abs_diff(score, FEEDBACK_GOAL);
	compensation = last_input < UINT64_MAX / diff ? last_input * diff / FEEDBACK_GOAL :
							last_input / FEEDBACK_GOAL * diff;
	if (score > FEEDBACK_GOAL)
		return u64_max(last_input - compensation, FEEDBACK_MIN_INPUT);
	return u64_add(last_input, compensation);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The Monitor object: one kdamond whose memory is a Python object, for the tests. */
#ifndef DT_BINDING_MONITOR_H
#define DT_BINDING_MONITOR_H

#include "binding.h"
#include "kdamond.h"

typedef struct {
	PyObject_HEAD
	struct kdamond kdamond;
	/* answers for memory; borrowed while a call runs, NULL otherwise */
	PyObject *host;
} MonitorObject;

/* Operations that ask the Python object; the MonitorObject is their data. */
extern const struct damon_ops scripted_ops;

#endif

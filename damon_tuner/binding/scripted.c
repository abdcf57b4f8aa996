/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that ask a Python object; after its first exception nobody is asked any more. */
#include "monitor.h"

static void scripted_check_accesses(void *data, struct damon_ctx *ctx, uint64_t nr_samples)
{
	MonitorObject *self = data;
	PyObject *counts;

	if (PyErr_Occurred())
		return;
	counts = PyObject_CallMethod(self->host, "check_accesses", "K",
				     (unsigned long long)nr_samples);
	for (size_t i = 0; counts && !PyErr_Occurred() && i < ctx->nr_regions; i++) {
		PyObject *count = PySequence_GetItem(counts, (Py_ssize_t)i);
		uint32_t nr = 0;

		if (count && u32_from_py(count, &nr))
			ctx->regions[i].nr_accesses += nr;
		Py_XDECREF(count);
	}
	Py_XDECREF(counts);
}

static void scripted_apply(void *data, struct damon_ctx *ctx, const struct scheme *scheme,
			   const struct damon_region *r, struct damos_result *result)
{
	MonitorObject *self = data;
	PyObject *answer;

	(void)ctx;
	if (PyErr_Occurred())
		return;
	answer = PyObject_CallMethod(self->host, "apply", "iIKKi", (int)scheme->action,
				     (unsigned)r->target, (unsigned long long)r->start,
				     (unsigned long long)r->end, (int)result->core_allowed);
	if (answer && PyTuple_Check(answer))
		PyArg_ParseTuple(answer, "O&O&d", u64_from_py, &result->applied_bytes, u64_from_py,
				 &result->filter_passed_bytes, &result->elapsed_us);
	else if (answer)
		PyErr_SetString(PyExc_TypeError, "apply must return a tuple");
	Py_XDECREF(answer);
}

/* Takes over the reference to @answer. */
static uint64_t number_of(PyObject *answer)
{
	uint64_t number = 0;

	if (answer)
		u64_from_py(answer, &number);
	Py_XDECREF(answer);
	return number;
}

static uint64_t scripted_goal_value(void *data, struct damon_ctx *ctx,
				    const struct scheme *scheme, const struct quota_goal *goal)
{
	MonitorObject *self = data;

	(void)ctx;
	(void)scheme;
	if (PyErr_Occurred())
		return 0;
	return number_of(PyObject_CallMethod(self->host, "goal_value", "ii",
					     (int)goal->metric, (int)goal->nid));
}

static uint64_t scripted_free_mem_permille(void *data)
{
	MonitorObject *self = data;

	if (PyErr_Occurred())
		return 0;
	return number_of(PyObject_CallMethod(self->host, "free_mem_permille", NULL));
}

const struct damon_ops scripted_ops = {
	.check_accesses = scripted_check_accesses,
	.apply = scripted_apply,
	.goal_value = scripted_goal_value,
	.free_mem_permille = scripted_free_mem_permille,
};

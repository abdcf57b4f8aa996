/* SPDX-License-Identifier: Apache-2.0 */
/* Monitor: DAMON's steps one by one, for the tests. */
#include "binding.h"

#include <string.h>

#include "monitor.h"

typedef struct {
	PyObject_HEAD
	struct damon_ctx ctx;
} MonitorObject;

static const char *validate_monitor(const struct damon_attrs *attrs, uint64_t min_region_sz)
{
	struct damon_attrs admitted = *attrs;

	if (!attrs->min_nr_regions || !min_region_sz || (min_region_sz & (min_region_sz - 1)) ||
	    min_region_sz > DAMON_MAX_ADDR)
		return "min_nr_regions must be at least 1, and min_region_sz a power of two up to 2^60";
	/* The kernel's own tests use fewer regions than the interface admits. */
	if (attrs->min_nr_regions < 3)
		admitted.min_nr_regions = admitted.max_nr_regions = 3;
	return damon_validate_attrs(&admitted);
}

static int Monitor_init(MonitorObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "sample_us", "aggr_us", "min_nr_regions", "max_nr_regions",
				 "min_region_sz", "seed", NULL };
	struct damon_attrs attrs = { .sample_us = 5000, .aggr_us = 100000, .min_nr_regions = 10,
				     .max_nr_regions = 1000 };
	uint64_t min_sz = DAMON_MIN_REGION_SZ, seed = 0;
	const char *wrong;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&O&O&O&O&", names, u64_from_py,
					 &attrs.sample_us, u64_from_py, &attrs.aggr_us, u64_from_py,
					 &attrs.min_nr_regions, u64_from_py, &attrs.max_nr_regions,
					 u64_from_py, &min_sz, u64_from_py, &seed))
		return -1;
	wrong = validate_monitor(&attrs, min_sz);
	if (wrong) {
		PyErr_SetString(PyExc_ValueError, wrong);
		return -1;
	}
	damon_init_ctx(&self->ctx, &attrs, seed);
	self->ctx.min_region_sz = min_sz;
	return 0;
}

static void Monitor_dealloc(PyObject *self)
{
	damon_destroy_ctx(&((MonitorObject *)self)->ctx);
	heap_dealloc(self);
}

static int check_monitor(const MonitorObject *self)
{
	if (self->ctx.attrs.sample_us)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "the monitor was not initialised");
	return -1;
}

static int monitor_region_from_py(PyObject *item, uint64_t from, struct damon_region *r)
{
	if (!PyTuple_Check(item)) {
		PyErr_SetString(PyExc_TypeError, "a region is a tuple of five integers");
		return -1;
	}
	if (!PyArg_ParseTuple(item, "O&O&O&O&O&", u64_from_py, &r->start, u64_from_py, &r->end,
			      u32_from_py, &r->nr_accesses, u32_from_py, &r->last_nr_accesses,
			      u32_from_py, &r->age))
		return -1;
	if (from <= r->start && r->start < r->end && r->end <= DAMON_MAX_ADDR)
		return 0;
	PyErr_SetString(PyExc_ValueError,
			"regions must be in order, not empty and below 2^60");
	return -1;
}

static PyObject *Monitor_set_regions(MonitorObject *self, PyObject *args)
{
	PyObject *sequence;
	uint64_t from = 0;
	Py_ssize_t nr;

	if (!PyArg_ParseTuple(args, "O", &sequence))
		return NULL;
	nr = PySequence_Size(sequence);
	if (nr < 0)
		return NULL;
	if (!damon_reserve(&self->ctx, (size_t)nr))
		return PyErr_NoMemory();
	for (Py_ssize_t i = 0; i < nr; i++) {
		PyObject *item = PySequence_GetItem(sequence, i);
		struct damon_region r;
		int err = !item || monitor_region_from_py(item, from, &r);

		Py_XDECREF(item);
		if (err)
			return NULL;
		self->ctx.spare[i] = r;
		from = r.end;
	}
	if (nr)
		memcpy(self->ctx.regions, self->ctx.spare, (size_t)nr * sizeof(*self->ctx.regions));
	self->ctx.nr_regions = (size_t)nr;
	Py_RETURN_NONE;
}

static PyObject *Monitor_regions(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	PyObject *list = PyList_New(0);

	for (size_t i = 0; list && i < self->ctx.nr_regions; i++) {
		const struct damon_region *r = &self->ctx.regions[i];
		PyObject *item = Py_BuildValue("(KKIII)", (unsigned long long)r->start,
					       (unsigned long long)r->end,
					       (unsigned)r->nr_accesses,
					       (unsigned)r->last_nr_accesses, (unsigned)r->age);

		if (!item || PyList_Append(list, item))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	return list;
}

static PyObject *Monitor_merge(MonitorObject *self, PyObject *args)
{
	uint64_t threshold, limit;

	if (!PyArg_ParseTuple(args, "O&O&", u64_from_py, &threshold, u64_from_py, &limit) ||
	    check_monitor(self))
		return NULL;
	kdamond_merge_regions(&self->ctx, threshold, limit);
	Py_RETURN_NONE;
}

static PyObject *Monitor_split(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	return kdamond_split_regions(&self->ctx) ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *Monitor_apply_min_nr_regions(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	if (check_monitor(self))
		return NULL;
	if (!damon_apply_min_nr_regions(&self->ctx))
		return PyErr_NoMemory();
	return PyLong_FromUnsignedLongLong(self->ctx.sz_limit);
}

static PyObject *Monitor_set_attrs(MonitorObject *self, PyObject *args)
{
	struct damon_attrs attrs = self->ctx.attrs;
	const char *wrong;

	if (!PyArg_ParseTuple(args, "O&O&", u64_from_py, &attrs.sample_us, u64_from_py,
			      &attrs.aggr_us) ||
	    check_monitor(self))
		return NULL;
	wrong = validate_monitor(&attrs, self->ctx.min_region_sz);
	if (wrong) {
		PyErr_SetString(PyExc_ValueError, wrong);
		return NULL;
	}
	damon_set_attrs(&self->ctx, &attrs);
	Py_RETURN_NONE;
}

static PyObject *Monitor_set_passed(MonitorObject *self, PyObject *args)
{
	uint64_t passed;

	if (!PyArg_ParseTuple(args, "O&", u64_from_py, &passed))
		return NULL;
	self->ctx.passed_samples = passed;
	Py_RETURN_NONE;
}

static PyObject *Monitor_nr_accesses_mvsum(MonitorObject *self, PyObject *args)
{
	const struct damon_region *r;
	Py_ssize_t i;

	if (!PyArg_ParseTuple(args, "n", &i) || check_monitor(self))
		return NULL;
	if (i < 0 || (size_t)i >= self->ctx.nr_regions) {
		PyErr_SetString(PyExc_IndexError, "no such region");
		return NULL;
	}
	r = &self->ctx.regions[i];
	return PyLong_FromUnsignedLong(damon_mvsum(r->nr_accesses, r->last_nr_accesses,
						   damon_left_bp(&self->ctx)));
}

static PyMethodDef Monitor_methods[] = {
	{ "set_regions", (PyCFunction)Monitor_set_regions, METH_VARARGS, "Replace the regions." },
	{ "regions", (PyCFunction)Monitor_regions, METH_NOARGS, "The regions as tuples." },
	{ "merge", (PyCFunction)Monitor_merge, METH_VARARGS, "Merge as kdamond does." },
	{ "split", (PyCFunction)Monitor_split, METH_NOARGS, "Split as kdamond does." },
	{ "apply_min_nr_regions", (PyCFunction)Monitor_apply_min_nr_regions, METH_NOARGS,
	  "Cut large regions; returns the limit." },
	{ "set_attrs", (PyCFunction)Monitor_set_attrs, METH_VARARGS,
	  "Change the intervals while running." },
	{ "set_passed_samples", (PyCFunction)Monitor_set_passed, METH_VARARGS,
	  "Set how many samples have passed." },
	{ "nr_accesses_mvsum", (PyCFunction)Monitor_nr_accesses_mvsum, METH_VARARGS,
	  "Moving sum of one region's accesses." },
	{ NULL, NULL, 0, NULL },
};
static PyType_Slot Monitor_slots[] = {
	{ Py_tp_init, Monitor_init },
	{ Py_tp_dealloc, Monitor_dealloc },
	{ Py_tp_methods, Monitor_methods },
	{ Py_tp_doc, "DAMON's region handling, one step at a time." },
	{ 0, NULL },
};
PyType_Spec Monitor_spec = { "damon_tuner._core.Monitor", sizeof(MonitorObject), 0,
				    Py_TPFLAGS_DEFAULT, Monitor_slots };

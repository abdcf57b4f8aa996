/* SPDX-License-Identifier: Apache-2.0 */
/* Monitor: DAMON and DAMOS step by step or as a whole, for the tests. */
#include "monitor.h"

#include <string.h>

#include "verify.h"

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

static int refuse(const char *wrong)
{
	if (wrong)
		PyErr_SetString(PyExc_ValueError, wrong);
	return wrong ? -1 : 0;
}

static int goal_from_tuple(PyObject *object, void *value)
{
	struct damon_intervals_goal *goal = value;

	if (!PyTuple_Check(object)) {
		PyErr_SetString(PyExc_TypeError, "intervals_goal is a tuple of four integers");
		return 0;
	}
	return PyArg_ParseTuple(object, "O&O&O&O&", u64_from_py, &goal->access_bp, u64_from_py,
				&goal->aggrs, u64_from_py, &goal->min_sample_us, u64_from_py,
				&goal->max_sample_us);
}

static int Monitor_init(MonitorObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "sample_us", "aggr_us", "min_nr_regions", "max_nr_regions",
				 "min_region_sz", "seed", "intervals_goal", "paddr", NULL };
	struct damon_attrs attrs = { .sample_us = 5000, .aggr_us = 100000, .min_nr_regions = 10,
				     .max_nr_regions = 1000 };
	uint64_t min_sz = DAMON_MIN_REGION_SZ, seed = 0;
	int paddr = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&O&O&O&O&O&p", names, u64_from_py,
					 &attrs.sample_us, u64_from_py, &attrs.aggr_us, u64_from_py,
					 &attrs.min_nr_regions, u64_from_py, &attrs.max_nr_regions,
					 u64_from_py, &min_sz, u64_from_py, &seed,
					 goal_from_tuple, &attrs.intervals_goal, &paddr))
		return -1;
	if (refuse(validate_monitor(&attrs, min_sz)))
		return -1;
	kdamond_init(&self->kdamond, &scripted_ops, self, &attrs, seed);
	self->kdamond.ctx.min_region_sz = min_sz;
	self->kdamond.ctx.ops_id = paddr ? DAMON_OPS_PADDR : DAMON_OPS_VADDR;
	return 0;
}

static void Monitor_dealloc(PyObject *self)
{
	damon_destroy_ctx(&((MonitorObject *)self)->kdamond.ctx);
	heap_dealloc(self);
}

/* To be called after the last thing that may run Python code. */
static struct damon_ctx *check_monitor(MonitorObject *self)
{
	if (self->kdamond.ctx.attrs.sample_us && !self->host)
		return &self->kdamond.ctx;
	PyErr_SetString(PyExc_RuntimeError, self->host ? "the monitor is at work" :
							 "the monitor was not initialised");
	return NULL;
}

static int hits_from_py(PyObject *object, void *value)
{
	char *bytes;
	Py_ssize_t size;

	if (PyBytes_AsStringAndSize(object, &bytes, &size))
		return 0;
	if (size != DAMON_MAX_PROBES) {
		PyErr_SetString(PyExc_ValueError, "hits are four bytes");
		return 0;
	}
	memcpy(value, bytes, DAMON_MAX_PROBES);
	return 1;
}

static int monitor_region_from_py(PyObject *item, const struct damon_region *before,
				  struct damon_region *r)
{
	memset(r, 0, sizeof(*r));
	if (!PyTuple_Check(item)) {
		PyErr_SetString(PyExc_TypeError, "a region is a tuple of five to eight fields");
		return -1;
	}
	if (!PyArg_ParseTuple(item, "O&O&O&O&O&|O&O&O&", u64_from_py, &r->start, u64_from_py,
			      &r->end, u32_from_py, &r->nr_accesses, u32_from_py,
			      &r->last_nr_accesses, u32_from_py, &r->age, u32_from_py, &r->target,
			      hits_from_py, r->probe_hits, hits_from_py, r->last_probe_hits))
		return -1;
	if (r->start < r->end && r->end <= DAMON_MAX_ADDR &&
	    (!before || before->target < r->target ||
	     (before->target == r->target && before->end <= r->start)))
		return 0;
	PyErr_SetString(PyExc_ValueError,
			"regions must be in order, not empty and below 2^60");
	return -1;
}

static PyObject *Monitor_set_regions(MonitorObject *self, PyObject *args)
{
	struct damon_region *regions;
	PyObject *sequence;
	Py_ssize_t nr, i = 0;

	if (!PyArg_ParseTuple(args, "O", &sequence))
		return NULL;
	nr = PySequence_Size(sequence);
	if (nr < 0)
		return NULL;
	regions = PyMem_Calloc((size_t)nr + 1, sizeof(*regions));
	if (!regions)
		return PyErr_NoMemory();
	for (; i < nr; i++) {
		PyObject *item = PySequence_GetItem(sequence, i);
		int err = !item || monitor_region_from_py(item, i ? &regions[i - 1] : NULL,
							  &regions[i]);

		Py_XDECREF(item);
		if (err)
			break;
	}
	if (i == nr && check_monitor(self) && !damon_reserve(&self->kdamond.ctx, (size_t)nr))
		PyErr_NoMemory();
	if (!PyErr_Occurred()) {
		if (nr)
			memcpy(self->kdamond.ctx.regions, regions,
			       (size_t)nr * sizeof(*regions));
		self->kdamond.ctx.nr_regions = (size_t)nr;
		damon_regions_changed(&self->kdamond.ctx);
	}
	PyMem_Free(regions);
	return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *Monitor_regions(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	PyObject *list = PyList_New(0);

	for (size_t i = 0; list && i < self->kdamond.ctx.nr_regions; i++) {
		const struct damon_region *r = &self->kdamond.ctx.regions[i];
		PyObject *item = Py_BuildValue(
			"(KKIIIIy#y#)", (unsigned long long)r->start, (unsigned long long)r->end,
			(unsigned)r->nr_accesses, (unsigned)r->last_nr_accesses,
			(unsigned)r->age, (unsigned)r->target, r->probe_hits,
			(Py_ssize_t)DAMON_MAX_PROBES, r->last_probe_hits,
			(Py_ssize_t)DAMON_MAX_PROBES);

		if (!item || PyList_Append(list, item))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	return list;
}

static int range_from_py(PyObject *item, uint64_t from, uint64_t *range)
{
	if (!PyTuple_Check(item)) {
		PyErr_SetString(PyExc_TypeError, "a range is a tuple of start and end");
		return -1;
	}
	if (!PyArg_ParseTuple(item, "O&O&", u64_from_py, &range[0], u64_from_py, &range[1]))
		return -1;
	return refuse(from <= range[0] && range[0] < range[1] && range[1] <= DAMON_MAX_ADDR ?
		      NULL : "ranges must be in order, not empty and below 2^60");
}

#define MAX_RANGES 64

static PyObject *Monitor_update_ranges(MonitorObject *self, PyObject *args)
{
	uint64_t ranges[2 * MAX_RANGES];
	PyObject *sequence;
	uint32_t target;
	Py_ssize_t nr;

	if (!PyArg_ParseTuple(args, "O&O", u32_from_py, &target, &sequence))
		return NULL;
	nr = PySequence_Size(sequence);
	if (nr < 0 || refuse(nr <= MAX_RANGES ? NULL : "at most 64 ranges"))
		return NULL;
	for (Py_ssize_t i = 0; i < nr; i++) {
		PyObject *item = PySequence_GetItem(sequence, i);
		int err = !item || range_from_py(item, i ? ranges[2 * i - 1] : 0, &ranges[2 * i]);

		Py_XDECREF(item);
		if (err)
			return NULL;
	}
	if (!check_monitor(self))
		return NULL;
	if (!damon_update_target_ranges(&self->kdamond.ctx, target, ranges, (size_t)nr))
		return PyErr_NoMemory();
	Py_RETURN_NONE;
}

static PyObject *Monitor_set_probes(MonitorObject *self, PyObject *args)
{
	struct damon_probe probes[DAMON_MAX_PROBES] = { 0 };
	Py_ssize_t nr = PyTuple_Size(args);

	if (refuse(nr <= DAMON_MAX_PROBES ? NULL : "at most 4 probes"))
		return NULL;
	for (Py_ssize_t i = 0; i < nr; i++)
		if (!u32_from_py(PyTuple_GetItem(args, i), &probes[i].weight))
			return NULL;
	if (!check_monitor(self) ||
	    refuse(damon_validate_probes(&self->kdamond.ctx.attrs, probes, (size_t)nr)))
		return NULL;
	damon_set_probes(&self->kdamond.ctx, probes, (size_t)nr);
	Py_RETURN_NONE;
}

static PyObject *Monitor_merge(MonitorObject *self, PyObject *args)
{
	uint64_t threshold, limit;

	if (!PyArg_ParseTuple(args, "O&O&", u64_from_py, &threshold, u64_from_py, &limit) ||
	    !check_monitor(self))
		return NULL;
	self->kdamond.ctx.within_limit = false;
	kdamond_merge_regions(&self->kdamond.ctx, threshold, limit);
	Py_RETURN_NONE;
}

static PyObject *Monitor_split(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	if (!check_monitor(self))
		return NULL;
	return kdamond_split_regions(&self->kdamond.ctx) ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *Monitor_apply_min_nr_regions(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	if (!check_monitor(self))
		return NULL;
	if (!damon_apply_min_nr_regions(&self->kdamond.ctx))
		return PyErr_NoMemory();
	return PyLong_FromUnsignedLongLong(self->kdamond.ctx.sz_limit);
}

static int attrs_from_args(MonitorObject *self, PyObject *args, struct damon_attrs *attrs)
{
	uint64_t sample_us, aggr_us;

	if (!PyArg_ParseTuple(args, "O&O&", u64_from_py, &sample_us, u64_from_py, &aggr_us) ||
	    !check_monitor(self))
		return -1;
	*attrs = self->kdamond.ctx.attrs;
	attrs->sample_us = sample_us;
	attrs->aggr_us = aggr_us;
	return refuse(validate_monitor(attrs, self->kdamond.ctx.min_region_sz));
}

static PyObject *Monitor_set_attrs(MonitorObject *self, PyObject *args)
{
	struct damon_attrs attrs;

	if (attrs_from_args(self, args, &attrs))
		return NULL;
	damon_set_attrs(&self->kdamond.ctx, &attrs);
	Py_RETURN_NONE;
}

static PyObject *Monitor_commit_attrs(MonitorObject *self, PyObject *args)
{
	struct damon_attrs attrs;

	if (attrs_from_args(self, args, &attrs))
		return NULL;
	kdamond_commit_attrs(&self->kdamond, &attrs);
	Py_RETURN_NONE;
}

static PyObject *Monitor_set_passed(MonitorObject *self, PyObject *args)
{
	uint64_t passed;

	if (!PyArg_ParseTuple(args, "O&", u64_from_py, &passed) || !check_monitor(self))
		return NULL;
	self->kdamond.ctx.passed_samples = passed;
	Py_RETURN_NONE;
}

static PyObject *Monitor_nr_accesses_mvsum(MonitorObject *self, PyObject *args)
{
	const struct damon_region *r;
	struct damon_ctx *ctx;
	Py_ssize_t i;

	if (!PyArg_ParseTuple(args, "n", &i))
		return NULL;
	ctx = check_monitor(self);
	if (!ctx)
		return NULL;
	if (i < 0 || (size_t)i >= ctx->nr_regions) {
		PyErr_SetString(PyExc_IndexError, "no such region");
		return NULL;
	}
	r = &ctx->regions[i];
	return PyLong_FromUnsignedLong(damon_mvsum(r->nr_accesses, r->last_nr_accesses,
						   damon_left_bp(ctx)));
}

static PyObject *commit(MonitorObject *self, PyObject *args,
			void (*to)(struct kdamond *, const struct scheme *, size_t))
{
	struct scheme schemes[SIM_MAX_SCHEMES];
	PyObject *sequence;
	Py_ssize_t nr;

	if (!PyArg_ParseTuple(args, "O", &sequence))
		return NULL;
	nr = PySequence_Size(sequence);
	if (nr < 0 || refuse(nr <= SIM_MAX_SCHEMES ? NULL : "too many schemes"))
		return NULL;
	for (Py_ssize_t i = 0; i < nr; i++) {
		PyObject *item = PySequence_GetItem(sequence, i);
		int err = !item || scheme_from_py(item, &schemes[i]);

		Py_XDECREF(item);
		if (err || refuse(damos_validate_for_ops(&schemes[i], self->kdamond.ctx.ops_id)))
			return NULL;
	}
	if (!check_monitor(self))
		return NULL;
	to(&self->kdamond, schemes, (size_t)nr);
	Py_RETURN_NONE;
}

static PyObject *Monitor_commit_schemes(MonitorObject *self, PyObject *args)
{
	return commit(self, args, kdamond_commit_schemes);
}

static PyObject *Monitor_commit_goals(MonitorObject *self, PyObject *args)
{
	return commit(self, args, kdamond_commit_goals);
}

static PyObject *Monitor_commit_pause(MonitorObject *self, PyObject *args)
{
	uint64_t now_us;
	int paused;

	if (!PyArg_ParseTuple(args, "pO&", &paused, u64_from_py, &now_us) || !check_monitor(self))
		return NULL;
	kdamond_commit_pause(&self->kdamond, paused, now_us);
	Py_RETURN_NONE;
}

/* Run @step with the host of @args, which is asked meanwhile. */
static PyObject *with_host(MonitorObject *self, PyObject *args,
			   bool (*step)(struct kdamond *, uint64_t))
{
	PyObject *host;
	uint64_t now_us;
	bool ok;

	if (!PyArg_ParseTuple(args, "OO&", &host, u64_from_py, &now_us) || !check_monitor(self))
		return NULL;
	self->host = host;
	ok = step(&self->kdamond, now_us);
	self->host = NULL;
	if (PyErr_Occurred())
		return NULL;
	return ok ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static bool catch_up(struct kdamond *k, uint64_t now_us)
{
	kdamond_catch_up(k, now_us);
	return true;
}

static bool apply_schemes(struct kdamond *k, uint64_t now_us)
{
	const struct damos_env env = { k->ops, k->data, now_us };

	return kdamond_apply_schemes(&k->ctx, k->schemes, k->nr_schemes, &env);
}

static PyObject *Monitor_run(MonitorObject *self, PyObject *args)
{
	return with_host(self, args, kdamond_run);
}

static PyObject *Monitor_catch_up(MonitorObject *self, PyObject *args)
{
	return with_host(self, args, catch_up);
}

static PyObject *Monitor_apply_schemes(MonitorObject *self, PyObject *args)
{
	return with_host(self, args, apply_schemes);
}

static PyObject *Monitor_start(MonitorObject *self, PyObject *args)
{
	uint64_t now_us;

	if (!PyArg_ParseTuple(args, "O&", u64_from_py, &now_us) || !check_monitor(self))
		return NULL;
	return kdamond_start(&self->kdamond, now_us) ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *Monitor_next_event_us(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	if (!check_monitor(self))
		return NULL;
	return PyLong_FromUnsignedLongLong(kdamond_next_event_us(&self->kdamond));
}

static PyObject *Monitor_intervals(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	return Py_BuildValue("(KK)", (unsigned long long)self->kdamond.ctx.attrs.sample_us,
			     (unsigned long long)self->kdamond.ctx.attrs.aggr_us);
}

static PyObject *Monitor_passed_samples(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	return PyLong_FromUnsignedLongLong(self->kdamond.ctx.passed_samples);
}

static PyObject *scheme_state_to_py(const struct damos *s)
{
	return Py_BuildValue("{s:N,s:K,s:K,s:K,s:I,s:K,s:N,s:N,s:I,s:K}", "stats",
			     stats_to_py(&s->stats), "esz", (unsigned long long)s->esz, "esz_bp",
			     (unsigned long long)s->esz_bp, "charged",
			     (unsigned long long)s->charged_sz, "min_score", (unsigned)s->min_score,
			     "next_apply_sample", (unsigned long long)s->next_apply_sample,
			     "activated", PyBool_FromLong(s->activated), "resumes",
			     PyBool_FromLong(s->resumes), "resume_target",
			     (unsigned)s->resume_target, "resume_addr",
			     (unsigned long long)s->resume_addr);
}

static PyObject *Monitor_schemes(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	PyObject *list = PyList_New(0);

	for (size_t i = 0; list && i < self->kdamond.nr_schemes; i++) {
		PyObject *item = scheme_state_to_py(&self->kdamond.schemes[i]);

		if (!item || PyList_Append(list, item))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	return list;
}

static PyObject *Monitor_broken_invariant(MonitorObject *self, PyObject *Py_UNUSED(ignored))
{
	const char *broken;

	if (!check_monitor(self))
		return NULL;
	broken = damon_broken_invariant(&self->kdamond.ctx);
	return broken ? PyUnicode_FromString(broken) : Py_NewRef(Py_None);
}

static PyMethodDef Monitor_methods[] = {
	{ "set_regions", (PyCFunction)Monitor_set_regions, METH_VARARGS, "Replace the regions." },
	{ "regions", (PyCFunction)Monitor_regions, METH_NOARGS, "The regions as tuples." },
	{ "update_ranges", (PyCFunction)Monitor_update_ranges, METH_VARARGS,
	  "Fit the regions of a target into ranges." },
	{ "set_probes", (PyCFunction)Monitor_set_probes, METH_VARARGS,
	  "Probes with these weights." },
	{ "merge", (PyCFunction)Monitor_merge, METH_VARARGS, "Merge as kdamond does." },
	{ "split", (PyCFunction)Monitor_split, METH_NOARGS, "Split as kdamond does." },
	{ "apply_min_nr_regions", (PyCFunction)Monitor_apply_min_nr_regions, METH_NOARGS,
	  "Cut large regions; returns the limit." },
	{ "set_attrs", (PyCFunction)Monitor_set_attrs, METH_VARARGS,
	  "Change the intervals at once." },
	{ "commit_attrs", (PyCFunction)Monitor_commit_attrs, METH_VARARGS,
	  "Change the intervals at the next sample." },
	{ "set_passed_samples", (PyCFunction)Monitor_set_passed, METH_VARARGS,
	  "Set how many samples have passed." },
	{ "nr_accesses_mvsum", (PyCFunction)Monitor_nr_accesses_mvsum, METH_VARARGS,
	  "Moving sum of one region's accesses." },
	{ "commit_schemes", (PyCFunction)Monitor_commit_schemes, METH_VARARGS,
	  "Commit host.Scheme objects." },
	{ "commit_goals", (PyCFunction)Monitor_commit_goals, METH_VARARGS,
	  "Commit only the goals of host.Scheme objects." },
	{ "commit_pause", (PyCFunction)Monitor_commit_pause, METH_VARARGS, "Pause or go on." },
	{ "apply_schemes", (PyCFunction)Monitor_apply_schemes, METH_VARARGS,
	  "Apply the schemes that are due." },
	{ "start", (PyCFunction)Monitor_start, METH_VARARGS, "Start the main loop." },
	{ "next_event_us", (PyCFunction)Monitor_next_event_us, METH_NOARGS,
	  "When something is due." },
	{ "catch_up", (PyCFunction)Monitor_catch_up, METH_VARARGS, "Take the samples up to now." },
	{ "run", (PyCFunction)Monitor_run, METH_VARARGS, "Do what is due until now." },
	{ "intervals", (PyCFunction)Monitor_intervals, METH_NOARGS, "The intervals in force." },
	{ "passed_samples", (PyCFunction)Monitor_passed_samples, METH_NOARGS,
	  "How many samples were taken." },
	{ "schemes", (PyCFunction)Monitor_schemes, METH_NOARGS, "The state of the schemes." },
	{ "broken_invariant", (PyCFunction)Monitor_broken_invariant, METH_NOARGS,
	  "What does not hold, or None." },
	{ NULL, NULL, 0, NULL },
};
static PyType_Slot Monitor_slots[] = {
	{ Py_tp_init, Monitor_init },
	{ Py_tp_dealloc, Monitor_dealloc },
	{ Py_tp_methods, Monitor_methods },
	{ Py_tp_doc, "DAMON and DAMOS, step by step or as a whole." },
	{ 0, NULL },
};
PyType_Spec Monitor_spec = { "damon_tuner._core.Monitor", sizeof(MonitorObject), 0,
				    Py_TPFLAGS_DEFAULT, Monitor_slots };

/* SPDX-License-Identifier: Apache-2.0 */
/* Batch: simulated hosts that are stepped together, without the GIL. */
#include "binding.h"

#include <string.h>

#include "batch.h"

typedef struct {
	PyObject_HEAD
	struct batch batch;
	int busy;
} BatchObject;

static const char *const sampler_names[NR_SAMPLERS] = { "binomial", "per-check" };

static int find_sampler(const char *name)
{
	for (int i = 0; i < NR_SAMPLERS; i++)
		if (!strcmp(sampler_names[i], name))
			return i;
	PyErr_Format(PyExc_ValueError, "no sampler is called %s", name);
	return -1;
}

static int Batch_init(BatchObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "nr_hosts", "nr_threads", "sample_us", "aggr_us",
				 "min_nr_regions", "max_nr_regions", "sampler", NULL };
	uint64_t sample_us = 5000, aggr_us = 100000, min_nr = 10, max_nr = 1000;
	Py_ssize_t nr_hosts, nr_threads = 1;
	const char *sampler_name = "binomial", *wrong;
	struct damon_attrs attrs;
	int sampler;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|nO&O&O&O&s", names, &nr_hosts,
					 &nr_threads, u64_from_py, &sample_us, u64_from_py, &aggr_us,
					 u64_from_py, &min_nr, u64_from_py, &max_nr, &sampler_name))
		return -1;
	sampler = find_sampler(sampler_name);
	if (sampler < 0)
		return -1;
	attrs = (struct damon_attrs){ .sample_us = sample_us, .aggr_us = aggr_us,
				      .min_nr_regions = min_nr, .max_nr_regions = max_nr };
	wrong = damon_validate_attrs(&attrs);
	if (!wrong && (nr_hosts < 1 || nr_threads < 1))
		wrong = "nr_hosts and nr_threads must be at least 1";
	if (wrong || self->batch.hosts) {
		PyErr_SetString(PyExc_ValueError, wrong ? wrong : "already initialised");
		return -1;
	}
	if (!batch_init(&self->batch, (size_t)nr_hosts, (size_t)nr_threads, &attrs,
			(enum sampler)sampler)) {
		PyErr_NoMemory();
		return -1;
	}
	return 0;
}

static void Batch_dealloc(PyObject *self)
{
	batch_destroy(&((BatchObject *)self)->batch);
	heap_dealloc(self);
}

static int check_idle(BatchObject *self)
{
	if (!self->busy)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "another thread is using this batch");
	return -1;
}

/*
 * To be called after the last thing that may run Python code, which may let another thread in:
 * reading attributes, numbers and buffers.
 */
static int check_host(BatchObject *self, Py_ssize_t host)
{
	if (check_idle(self))
		return -1;
	if (host >= 0 && (size_t)host < self->batch.nr_hosts)
		return 0;
	PyErr_SetString(PyExc_IndexError, "no such host in the batch");
	return -1;
}

/* As check_host, for a host that must have an episode. */
static int check_live_host(BatchObject *self, Py_ssize_t host)
{
	if (check_host(self, host))
		return -1;
	if (self->batch.hosts[host].memory.blocks)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "reset the host first");
	return -1;
}

static PyObject *Batch_reset(BatchObject *self, PyObject *args)
{
	struct module_state *state = state_of((PyObject *)self);
	PyObject *spec, *out = Py_None;
	Py_ssize_t host;
	Py_buffer view;
	uint64_t seed;
	double budget;
	int err;

	if (!PyArg_ParseTuple(args, "nO!O&d|O", &host, (PyTypeObject *)state->spec_type, &spec,
			      u64_from_py, &seed, &budget, &out))
		return NULL;
	if (!((SpecObject *)spec)->spec.family) {
		PyErr_SetString(PyExc_ValueError, "the spec was not initialised");
		return NULL;
	}
	if (!(budget > 0.0 && budget <= 1.0)) {
		PyErr_SetString(PyExc_ValueError, "the budget must be above 0 and at most 1");
		return NULL;
	}
	if (out != Py_None && get_buffer(out, &view, NR_FEATURES, 'f', 1, "observation"))
		return NULL;
	err = check_host(self, host);
	if (!err && !batch_reset(&self->batch, (size_t)host, &((SpecObject *)spec)->spec, seed,
				 budget, out == Py_None ? NULL : view.buf)) {
		PyErr_NoMemory();
		err = -1;
	}
	if (out != Py_None)
		PyBuffer_Release(&view);
	return err ? NULL : Py_NewRef(Py_None);
}

static PyObject *Batch_set_schemes(BatchObject *self, PyObject *args)
{
	struct scheme schemes[SIM_MAX_SCHEMES];
	PyObject *sequence;
	Py_ssize_t host, nr;

	if (!PyArg_ParseTuple(args, "nO", &host, &sequence))
		return NULL;
	nr = PySequence_Size(sequence);
	if (nr < 0)
		return NULL;
	if (nr > SIM_MAX_SCHEMES)
		return PyErr_Format(PyExc_ValueError, "at most %d schemes", SIM_MAX_SCHEMES);
	for (Py_ssize_t i = 0; i < nr; i++) {
		PyObject *item = PySequence_GetItem(sequence, i);
		int err = !item || scheme_from_py(item, &schemes[i]);

		Py_XDECREF(item);
		if (err)
			return NULL;
	}
	if (check_live_host(self, host))
		return NULL;
	sim_host_set_schemes(&self->batch.hosts[host], schemes, (size_t)nr);
	Py_RETURN_NONE;
}

/* The buffers of one step; those that were asked for are held until release_step. */
struct step_buffers {
	Py_buffer actions, observations, truth;
};

static void release_step(struct step_buffers *b)
{
	if (b->actions.obj)
		PyBuffer_Release(&b->actions);
	if (b->observations.obj)
		PyBuffer_Release(&b->observations);
	if (b->truth.obj)
		PyBuffer_Release(&b->truth);
}

static int hold_step(struct step_buffers *b, PyObject *actions, PyObject *observations,
		     PyObject *truth, size_t nr_hosts)
{
	memset(b, 0, sizeof(*b));
	if ((actions == Py_None || !get_buffer(actions, &b->actions, nr_hosts * NR_KNOBS, 'f', 0,
					       "actions")) &&
	    (observations == Py_None ||
	     !get_buffer(observations, &b->observations, nr_hosts * NR_FEATURES, 'f', 1,
			 "observations")) &&
	    (truth == Py_None || !get_buffer(truth, &b->truth, nr_hosts * NR_TRUTH, 'd', 1,
					     "truth")))
		return 0;
	release_step(b);
	return -1;
}

static int check_all_live(BatchObject *self)
{
	for (size_t i = 0; i < self->batch.nr_hosts; i++)
		if (check_live_host(self, (Py_ssize_t)i))
			return -1;
	return 0;
}

static PyObject *Batch_step(BatchObject *self, PyObject *args)
{
	PyObject *actions, *observations = Py_None, *truth = Py_None;
	struct step_buffers buffers;
	struct batch_step step;
	uint64_t us;
	bool ok;

	if (!PyArg_ParseTuple(args, "OO&|OO", &actions, u64_from_py, &us, &observations, &truth))
		return NULL;
	if (us > MAX_STEP_US)
		return PyErr_Format(PyExc_ValueError, "a step is at most %llu microseconds",
				    MAX_STEP_US);
	if (hold_step(&buffers, actions, observations, truth, self->batch.nr_hosts))
		return NULL;
	if (check_all_live(self)) {
		release_step(&buffers);
		return NULL;
	}
	step = (struct batch_step){ us, buffers.actions.buf, buffers.observations.buf,
				    buffers.truth.buf };
	self->busy = 1;
	Py_BEGIN_ALLOW_THREADS
	ok = batch_run(&self->batch, &step);
	Py_END_ALLOW_THREADS
	self->busy = 0;
	release_step(&buffers);
	return ok ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *regions_to_py(const struct snapshot *s)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)s->nr_regions);

	for (size_t i = 0; tuple && i < s->nr_regions; i++) {
		const struct snapshot_region *r = &s->regions[i];
		PyObject *item = Py_BuildValue("(KKII)", (unsigned long long)r->start,
					       (unsigned long long)r->end,
					       (unsigned)r->nr_accesses, (unsigned)r->age);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *all_stats_to_py(const struct sim_host *host)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)host->kdamond.nr_schemes);

	for (size_t i = 0; tuple && i < host->kdamond.nr_schemes; i++) {
		PyObject *item = stats_to_py(&host->kdamond.schemes[i].stats);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *Batch_snapshot(BatchObject *self, PyObject *args)
{
	PyObject *regions, *stats;
	struct snapshot snapshot;
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	if (!sim_host_snapshot(&self->batch.hosts[host], &snapshot))
		return PyErr_NoMemory();
	/* Making objects may run finalisers, which may let in a thread that moves the regions. */
	self->busy = 1;
	regions = regions_to_py(&snapshot);
	stats = regions ? all_stats_to_py(&self->batch.hosts[host]) : NULL;
	self->busy = 0;
	if (!stats) {
		Py_XDECREF(regions);
		return NULL;
	}
	return snapshot_to_py(&snapshot, regions, stats);
}

static PyObject *Batch_knobs(BatchObject *self, PyObject *args)
{
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	return knobs_to_py(&self->batch.deciders[host].knobs);
}

static PyObject *Batch_reasons(BatchObject *self, PyObject *args)
{
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	return reasons_to_py(self->batch.deciders[host].reasons);
}

static int set_double(PyObject *dict, const char *name, double value)
{
	PyObject *number = PyFloat_FromDouble(value);
	int err = !number || PyDict_SetItemString(dict, name, number);

	Py_XDECREF(number);
	return err;
}

static PyObject *Batch_parameters(BatchObject *self, PyObject *args)
{
	const struct sim_host *h;
	PyObject *dict;
	Py_ssize_t host;
	int err = 0;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	h = &self->batch.hosts[host];
	dict = PyDict_New();
	if (!dict)
		return NULL;
	for (size_t i = 0; !err && i < workload_nr_params(h->spec.family); i++)
		err = set_double(dict, workload_param(h->spec.family, i)->name,
				 h->workload.params[i]);
	for (size_t i = 0; !err && i < NR_PROFILE_PARAMS; i++)
		err = set_double(dict, profile_params[i].name, h->profile[i]);
	if (err)
		Py_CLEAR(dict);
	return dict;
}

/* What the load does now, which no host would show. */
static PyObject *Batch_load(BatchObject *self, PyObject *args)
{
	const struct memory *m;
	PyObject *list;
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	m = &self->batch.hosts[host].memory;
	list = PyList_New(0);
	/* Making objects may run finalisers, which may let in a thread that resets the host. */
	self->busy = 1;
	for (size_t i = 0; list && i < m->nr_blocks; i++) {
		PyObject *item = Py_BuildValue("(dd)", (double)m->blocks[i].rate_hz,
					       (double)m->blocks[i].touched);

		if (!item || PyList_Append(list, item))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	self->busy = 0;
	return list;
}

static PyObject *Batch_region_aggregations(BatchObject *self, PyObject *Py_UNUSED(ignored))
{
	double sum = 0.0;

	if (check_idle(self))
		return NULL;
	for (size_t i = 0; i < self->batch.nr_hosts; i++)
		sum += self->batch.hosts[i].kdamond.region_aggregations;
	return PyFloat_FromDouble(sum);
}

static PyMethodDef Batch_methods[] = {
	{ "reset", (PyCFunction)Batch_reset, METH_VARARGS, "Draw a new episode for one host." },
	{ "set_schemes", (PyCFunction)Batch_set_schemes, METH_VARARGS,
	  "Commit schemes to one host." },
	{ "step", (PyCFunction)Batch_step, METH_VARARGS, "Run one control interval everywhere." },
	{ "snapshot", (PyCFunction)Batch_snapshot, METH_VARARGS, "Observe one host." },
	{ "knobs", (PyCFunction)Batch_knobs, METH_VARARGS, "Knobs in force on one host." },
	{ "reasons", (PyCFunction)Batch_reasons, METH_VARARGS,
	  "What the guard of one host did at the last decision." },
	{ "parameters", (PyCFunction)Batch_parameters, METH_VARARGS,
	  "What was drawn for one host's episode." },
	{ "load", (PyCFunction)Batch_load, METH_VARARGS,
	  "Rate and touched share of each block of one host." },
	{ "region_aggregations", (PyCFunction)Batch_region_aggregations, METH_NOARGS,
	  "Region aggregations since the last resets, over all hosts." },
	{ NULL, NULL, 0, NULL },
};
static PyType_Slot Batch_slots[] = {
	{ Py_tp_init, Batch_init },
	{ Py_tp_dealloc, Batch_dealloc },
	{ Py_tp_methods, Batch_methods },
	{ Py_tp_doc, "Simulated hosts that are stepped together." },
	{ 0, NULL },
};
PyType_Spec Batch_spec = { "damon_tuner._core.Batch", sizeof(BatchObject), 0,
				  Py_TPFLAGS_DEFAULT, Batch_slots };

/* SPDX-License-Identifier: Apache-2.0 */
/* Batch: simulated hosts that are stepped together, without the GIL. */
#include "binding.h"

#include <string.h>

#include "batch.h"
#include "verify_memory.h"

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
				 "min_nr_regions", "max_nr_regions", "sampler", "nr_tenants",
				 "groups", NULL };
	uint64_t sample_us = 5000, aggr_us = 100000, min_nr = 10, max_nr = 1000;
	Py_ssize_t nr_hosts, nr_threads = 1, nr_tenants = 1;
	const char *sampler_name = "binomial", *wrong;
	unsigned groups = GROUP_BIT(GROUP_RECLAIM);
	struct damon_attrs attrs;
	struct batch_size size;
	int sampler;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "n|nO&O&O&O&snO&", names, &nr_hosts,
					 &nr_threads, u64_from_py, &sample_us, u64_from_py, &aggr_us,
					 u64_from_py, &min_nr, u64_from_py, &max_nr, &sampler_name,
					 &nr_tenants, groups_from_py, &groups))
		return -1;
	sampler = find_sampler(sampler_name);
	if (sampler < 0)
		return -1;
	attrs = (struct damon_attrs){ .sample_us = sample_us, .aggr_us = aggr_us,
				      .min_nr_regions = min_nr, .max_nr_regions = max_nr };
	wrong = damon_validate_attrs(&attrs);
	if (!wrong && (nr_hosts < 1 || nr_threads < 1))
		wrong = "nr_hosts and nr_threads must be at least 1";
	if (!wrong && (nr_tenants < 1 || nr_tenants > WORLD_MAX_TENANTS))
		wrong = "a host has 1 to 16 tenants";
	if (wrong || self->batch.hosts) {
		PyErr_SetString(PyExc_ValueError, wrong ? wrong : "already initialised");
		return -1;
	}
	size = (struct batch_size){ (size_t)nr_hosts, (size_t)nr_tenants, (size_t)nr_threads };
	if (!batch_init(&self->batch, &size, groups, &attrs, (enum sampler)sampler)) {
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
	if (sim_host_is_live(&self->batch.hosts[host]))
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "reset the host first");
	return -1;
}

static PyObject *Batch_reset(BatchObject *self, PyObject *args)
{
	const struct sim_spec *specs[WORLD_MAX_TENANTS];
	PyObject *spec, *budget, *out = Py_None;
	double budgets[WORLD_MAX_TENANTS];
	Py_ssize_t host;
	Py_buffer view;
	uint64_t seed;
	int err;

	if (!PyArg_ParseTuple(args, "nOO&O|O", &host, &spec, u64_from_py, &seed, &budget, &out) ||
	    budgets_from_py(budget, self->batch.nr_tenants, budgets) ||
	    specs_from_py(spec, self->batch.nr_tenants, specs))
		return NULL;
	if (out != Py_None &&
	    get_buffer(out, &view, self->batch.nr_tenants * self->batch.nr_features, 'f', 1,
		       "observation"))
		return NULL;
	err = check_host(self, host);
	if (!err && !batch_reset(&self->batch, (size_t)host, specs, budgets, seed,
				 out == Py_None ? NULL : view.buf)) {
		PyErr_NoMemory();
		err = -1;
	}
	if (out != Py_None)
		PyBuffer_Release(&view);
	return err ? NULL : Py_NewRef(Py_None);
}

/* As check_live_host, for one of its contexts. */
static struct context *check_context(BatchObject *self, Py_ssize_t host, Py_ssize_t context)
{
	if (check_live_host(self, host))
		return NULL;
	if (context >= 0 && (size_t)context < self->batch.hosts[host].nr_contexts)
		return &self->batch.hosts[host].contexts[context];
	PyErr_SetString(PyExc_IndexError, "no such context on the host");
	return NULL;
}

static PyObject *Batch_set_contexts(BatchObject *self, PyObject *args)
{
	struct context_spec *specs;
	PyObject *sequence, *result = NULL;
	Py_ssize_t host;
	size_t nr;

	if (!PyArg_ParseTuple(args, "nO", &host, &sequence))
		return NULL;
	if (contexts_from_py(sequence, &specs, &nr) || check_live_host(self, host))
		goto out;
	for (size_t i = 0; i < nr; i++) {
		const char *wrong =
			context_validate(&specs[i], &self->batch.hosts[host].world);

		if (wrong) {
			PyErr_SetString(PyExc_ValueError, wrong);
			goto out;
		}
	}
	if (sim_host_set_contexts(&self->batch.hosts[host], specs, nr, &self->batch.sampling))
		result = Py_NewRef(Py_None);
	else
		PyErr_NoMemory();
out:
	PyMem_Free(specs);
	return result;
}

static PyObject *Batch_set_schemes(BatchObject *self, PyObject *args)
{
	struct scheme schemes[SIM_MAX_SCHEMES];
	PyObject *sequence;
	Py_ssize_t host, nr, index = 0;
	struct context *context;

	if (!PyArg_ParseTuple(args, "nO|n", &host, &sequence, &index))
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
	context = check_context(self, host, index);
	if (!context)
		return NULL;
	kdamond_commit_schemes(&context->kdamond, schemes, (size_t)nr);
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
		     PyObject *truth, const struct batch *batch)
{
	const size_t rows = batch->nr_hosts * batch->nr_tenants;

	memset(b, 0, sizeof(*b));
	if ((actions == Py_None ||
	     !get_buffer(actions, &b->actions, rows * batch->nr_knobs, 'f', 0, "actions")) &&
	    (observations == Py_None ||
	     !get_buffer(observations, &b->observations, rows * batch->nr_features, 'f', 1,
			 "observations")) &&
	    (truth == Py_None || !get_buffer(truth, &b->truth, rows * NR_TRUTH, 'd', 1,
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

static int check_all_can_act(BatchObject *self)
{
	for (size_t i = 0; i < self->batch.nr_hosts; i++)
		if (!batch_can_act(&self->batch, i)) {
			PyErr_SetString(PyExc_RuntimeError,
					"actions and observations need the contexts of a reset");
			return -1;
		}
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
	if (hold_step(&buffers, actions, observations, truth, &self->batch))
		return NULL;
	if (check_all_live(self) ||
	    ((actions != Py_None || observations != Py_None) && check_all_can_act(self))) {
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

static PyObject *Batch_snapshot(BatchObject *self, PyObject *args)
{
	PyObject *regions, *stats;
	struct snapshot snapshot;
	Py_ssize_t host, index = 0;
	struct context *context;

	if (!PyArg_ParseTuple(args, "n|n", &host, &index))
		return NULL;
	context = check_context(self, host, index);
	if (!context)
		return NULL;
	if (!sim_host_snapshot(&self->batch.hosts[host], (size_t)index, &snapshot))
		return PyErr_NoMemory();
	/* Making objects may run finalisers, which may let in a thread that moves the regions. */
	self->busy = 1;
	regions = regions_to_py(&snapshot);
	stats = regions ? all_stats_to_py(&context->kdamond) : NULL;
	self->busy = 0;
	if (!stats) {
		Py_XDECREF(regions);
		return NULL;
	}
	return snapshot_to_py(&snapshot, regions, stats);
}

/* The decider of a row, a tenant of a host, when that host has an episode. */
static const struct decider *check_row(BatchObject *self, PyObject *args)
{
	const size_t nr_tenants = self->batch.nr_tenants;
	Py_ssize_t row;

	if (!PyArg_ParseTuple(args, "n", &row))
		return NULL;
	if (check_live_host(self, row < 0 ? -1 : row / (Py_ssize_t)nr_tenants))
		return NULL;
	return &self->batch.deciders[row];
}

static PyObject *Batch_knobs(BatchObject *self, PyObject *args)
{
	const struct decider *decider = check_row(self, args);

	return decider ? knobs_to_py(&decider->knobs, decider->groups) : NULL;
}

static PyObject *Batch_reasons(BatchObject *self, PyObject *args)
{
	const struct decider *decider = check_row(self, args);

	return decider ? reasons_to_py(decider->reasons) : NULL;
}

/* Blocks of a tenant's memory; 0 with an exception set when there is no such tenant. */
static size_t nr_blocks_of(BatchObject *self, Py_ssize_t host, Py_ssize_t tenant)
{
	if (check_live_host(self, host))
		return 0;
	if (tenant < 0 || (size_t)tenant >= self->batch.nr_tenants) {
		PyErr_SetString(PyExc_IndexError, "no such tenant on the host");
		return 0;
	}
	return self->batch.hosts[host].world.tenants[tenant].memory.nr_blocks;
}

/* The host and tenant of @args; NULL with an exception set when there are none. */
static const struct sim_host *check_tenant(BatchObject *self, PyObject *args, size_t *tenant)
{
	Py_ssize_t host, index = 0;

	if (!PyArg_ParseTuple(args, "n|n", &host, &index) || !nr_blocks_of(self, host, index))
		return NULL;
	*tenant = (size_t)index;
	return &self->batch.hosts[host];
}

static PyObject *Batch_parameters(BatchObject *self, PyObject *args)
{
	size_t tenant;
	const struct sim_host *host = check_tenant(self, args, &tenant);

	return host ? parameters_to_py(host, tenant) : NULL;
}

static PyObject *Batch_load(BatchObject *self, PyObject *args)
{
	size_t tenant;
	const struct sim_host *host = check_tenant(self, args, &tenant);
	PyObject *list;

	if (!host)
		return NULL;
	/* Making objects may run finalisers, which may let in a thread that resets the host. */
	self->busy = 1;
	list = load_to_py(&host->world.tenants[tenant].memory);
	self->busy = 0;
	return list;
}

static PyObject *Batch_read_load(BatchObject *self, PyObject *args)
{
	PyObject *rates, *touched, *result = NULL;
	Py_buffer rates_view = { 0 }, touched_view = { 0 };
	Py_ssize_t host, tenant = 0;
	const struct memory *m;
	size_t nr;

	if (!PyArg_ParseTuple(args, "nOO|n", &host, &rates, &touched, &tenant))
		return NULL;
	nr = nr_blocks_of(self, host, tenant);
	if (!nr || get_buffer(rates, &rates_view, nr, 'f', 1, "rates") ||
	    get_buffer(touched, &touched_view, nr, 'f', 1, "touched"))
		goto out;
	/* getting a buffer may run Python code, which may let in a thread that resets the host */
	if (nr_blocks_of(self, host, tenant) != nr) {
		if (!PyErr_Occurred())
			PyErr_SetString(PyExc_RuntimeError, "the host was reset meanwhile");
		goto out;
	}
	m = &self->batch.hosts[host].world.tenants[tenant].memory;
	for (size_t i = 0; i < nr; i++) {
		((float *)rates_view.buf)[i] = m->blocks[i].rate_hz;
		((float *)touched_view.buf)[i] = m->blocks[i].touched;
	}
	result = Py_NewRef(Py_None);
out:
	if (rates_view.obj)
		PyBuffer_Release(&rates_view);
	if (touched_view.obj)
		PyBuffer_Release(&touched_view);
	return result;
}

static PyObject *Batch_file_blocks(BatchObject *self, PyObject *args)
{
	size_t tenant;
	const struct sim_host *host = check_tenant(self, args, &tenant);

	return host ? file_blocks_to_py(&host->world.tenants[tenant].memory) : NULL;
}

static PyObject *Batch_has_twin(BatchObject *self, PyObject *args)
{
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	return PyBool_FromLong(self->batch.hosts[host].has_twin);
}

static PyObject *Batch_machine(BatchObject *self, PyObject *args)
{
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	return machine_to_py(&self->batch.hosts[host]);
}

static PyObject *Batch_broken_invariant(BatchObject *self, PyObject *args)
{
	const struct sim_host *h;
	const char *broken;
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "n", &host) || check_live_host(self, host))
		return NULL;
	h = &self->batch.hosts[host];
	broken = world_broken_invariant(&h->world);
	if (!broken && h->has_twin)
		broken = world_broken_invariant(&h->twin);
	for (size_t i = 0; !broken && i < h->nr_contexts; i++)
		broken = damon_broken_invariant(&h->contexts[i].kdamond.ctx);
	return broken ? PyUnicode_FromString(broken) : Py_NewRef(Py_None);
}

static int check_clock_cap(double clock_cap)
{
	if (clock_cap > 0.0 && clock_cap <= 1.0)
		return 0;
	PyErr_SetString(PyExc_ValueError, "the clock cap is a share, above 0 and at most 1");
	return -1;
}

static PyObject *Batch_set_power(BatchObject *self, PyObject *args)
{
	uint32_t nr_offline;
	double clock_cap;
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "nO&d", &host, u32_from_py, &nr_offline, &clock_cap) ||
	    check_live_host(self, host) || check_clock_cap(clock_cap))
		return NULL;
	power_set(&self->batch.hosts[host].world.machine.power, nr_offline, clock_cap);
	Py_RETURN_NONE;
}

static PyObject *Batch_keep_spare(BatchObject *self, PyObject *args)
{
	uint64_t spare_bytes;
	double clock_cap;
	Py_ssize_t host;

	if (!PyArg_ParseTuple(args, "nO&d", &host, u64_from_py, &spare_bytes, &clock_cap) ||
	    check_live_host(self, host) || check_clock_cap(clock_cap))
		return NULL;
	power_keep_spare(&self->batch.hosts[host].world.machine.power,
			 (double)spare_bytes / DT_PAGE_BYTES / PAGES_PER_GIB, clock_cap);
	Py_RETURN_NONE;
}

static PyObject *Batch_region_aggregations(BatchObject *self, PyObject *Py_UNUSED(ignored))
{
	double sum = 0.0;

	if (check_idle(self))
		return NULL;
	for (size_t i = 0; i < self->batch.nr_hosts; i++)
		sum += sim_host_region_aggregations(&self->batch.hosts[i]);
	return PyFloat_FromDouble(sum);
}

static PyMethodDef Batch_methods[] = {
	{ "reset", (PyCFunction)Batch_reset, METH_VARARGS, "Draw a new episode for one host." },
	{ "set_schemes", (PyCFunction)Batch_set_schemes, METH_VARARGS,
	  "Commit schemes to one host." },
	{ "set_contexts", (PyCFunction)Batch_set_contexts, METH_VARARGS,
	  "Monitor one host by other contexts." },
	{ "broken_invariant", (PyCFunction)Batch_broken_invariant, METH_VARARGS,
	  "What must hold of a host and does not, or None." },
	{ "set_power", (PyCFunction)Batch_set_power, METH_VARARGS,
	  "Memory blocks to take offline, and a clock cap." },
	{ "keep_spare", (PyCFunction)Batch_keep_spare, METH_VARARGS,
	  "Memory that stays online and free, and a clock cap." },
	{ "load", (PyCFunction)Batch_load, METH_VARARGS,
	  "Rate and touched share of each block of one tenant." },
	{ "read_load", (PyCFunction)Batch_read_load, METH_VARARGS,
	  "The same, into two buffers." },
	{ "file_blocks", (PyCFunction)Batch_file_blocks, METH_VARARGS,
	  "Which blocks of one tenant hold pages of files." },
	{ "has_twin", (PyCFunction)Batch_has_twin, METH_VARARGS,
	  "Whether a twin that nobody manages runs beside one host." },
	{ "machine", (PyCFunction)Batch_machine, METH_VARARGS,
	  "Tiers, memory blocks and energy of one host." },
	{ "step", (PyCFunction)Batch_step, METH_VARARGS, "Run one control interval everywhere." },
	{ "snapshot", (PyCFunction)Batch_snapshot, METH_VARARGS, "Observe one host." },
	{ "knobs", (PyCFunction)Batch_knobs, METH_VARARGS, "Knobs in force in one row." },
	{ "reasons", (PyCFunction)Batch_reasons, METH_VARARGS,
	  "What the guard of one row did at the last decision." },
	{ "parameters", (PyCFunction)Batch_parameters, METH_VARARGS,
	  "What was drawn for one host's episode." },
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

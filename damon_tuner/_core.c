/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python face of the simulator and of the decision path; the only file that knows Python.
 *
 * Arrays are owned by Python and written in place through the buffer protocol, so that neither
 * side needs NumPy.  Signatures and meanings are in _core.pyi.
 */
#include <Python.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "network.h"

/* ---- numbers; the formats "K" and "I" would take -1 for a large one ---- */

/* A converter for PyArg_Parse*: 1 when @value, a uint64_t, was filled. */
static int u64_from_py(PyObject *object, void *value)
{
	PyObject *number = PyNumber_Index(object);

	if (!number)
		return 0;
	*(uint64_t *)value = PyLong_AsUnsignedLongLong(number);
	Py_DECREF(number);
	return !PyErr_Occurred();
}

/* The same for a uint32_t. */
static int u32_from_py(PyObject *object, void *value)
{
	uint64_t wide;

	if (!u64_from_py(object, &wide))
		return 0;
	if (wide > UINT32_MAX) {
		PyErr_Format(PyExc_OverflowError, "%R does not fit into 32 bits", object);
		return 0;
	}
	*(uint32_t *)value = (uint32_t)wide;
	return 1;
}

/* ---- buffers ---- */

/* Whether @format, in the letters of the struct module, is @type as C has it. */
static int is_native(const char *format, char type)
{
	if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
		format++;
	return format[0] == type && !format[1];
}

/* Borrow the memory of @object: exactly @nr items of @type, 'f' or 'd', contiguous. */
static int get_buffer(PyObject *object, Py_buffer *view, size_t nr, char type, int writable,
		      const char *what)
{
	const size_t item_size = type == 'f' ? sizeof(float) : sizeof(double);
	const char *format;

	if (PyObject_GetBuffer(object, view,
			       PyBUF_FORMAT | (writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO)))
		return -1;
	format = view->format ? view->format : "B";
	if ((size_t)view->len != nr * item_size || (uintptr_t)view->buf % item_size != 0 ||
	    !is_native(format, type)) {
		PyErr_Format(PyExc_ValueError,
			     "%s must be %zu aligned items of type '%c', got %zd bytes of type '%s'",
			     what, nr, type, view->len, format);
		PyBuffer_Release(view);
		return -1;
	}
	return 0;
}

/* ---- attributes of Python objects ---- */

static int attr_u64(PyObject *object, const char *name, uint64_t *value)
{
	PyObject *attr = PyObject_GetAttrString(object, name);
	int ok = attr && u64_from_py(attr, value);

	Py_XDECREF(attr);
	return ok ? 0 : -1;
}

static int attr_u32(PyObject *object, const char *name, uint32_t *value)
{
	uint64_t wide;

	if (attr_u64(object, name, &wide))
		return -1;
	if (wide > UINT32_MAX) {
		PyErr_Format(PyExc_OverflowError, "%s does not fit into 32 bits", name);
		return -1;
	}
	*value = (uint32_t)wide;
	return 0;
}

static int attr_double(PyObject *object, const char *name, double *value)
{
	PyObject *attr = PyObject_GetAttrString(object, name);

	if (!attr)
		return -1;
	*value = PyFloat_AsDouble(attr);
	Py_DECREF(attr);
	return PyErr_Occurred() ? -1 : 0;
}

/* Index of the string attribute @name in @names. */
static int attr_choice(PyObject *object, const char *name, const char *const *names, int nr)
{
	PyObject *attr = PyObject_GetAttrString(object, name);
	int found = -1;

	if (!attr)
		return -1;
	for (int i = 0; i < nr && PyUnicode_Check(attr); i++)
		if (!PyUnicode_CompareWithASCIIString(attr, names[i]))
			found = i;
	if (found < 0)
		PyErr_Format(PyExc_ValueError, "%s: %R is not supported", name, attr);
	Py_DECREF(attr);
	return found;
}

static const char *const action_names[NR_DAMOS_ACTIONS] = { "stat", "pageout" };
static const char *const metric_names[NR_DAMOS_WMARK_METRICS] = { "none", "free_mem_rate" };

/* ---- schemes ---- */

static int pattern_from_py(PyObject *scheme, struct scheme *s)
{
	PyObject *p = PyObject_GetAttrString(scheme, "pattern");
	int err;

	if (!p)
		return -1;
	err = attr_u64(p, "min_sz_bytes", &s->min_sz_bytes) ||
	      attr_u64(p, "max_sz_bytes", &s->max_sz_bytes) ||
	      attr_u32(p, "min_nr_accesses", &s->min_nr_accesses) ||
	      attr_u32(p, "max_nr_accesses", &s->max_nr_accesses) ||
	      attr_u32(p, "min_age", &s->min_age) || attr_u32(p, "max_age", &s->max_age);
	Py_DECREF(p);
	return err ? -1 : 0;
}

static int quota_from_py(PyObject *scheme, struct scheme *s)
{
	PyObject *q = PyObject_GetAttrString(scheme, "quota");
	int err;

	if (!q)
		return -1;
	err = attr_u64(q, "time_ms", &s->quota_time_ms) ||
	      attr_u64(q, "sz_bytes", &s->quota_sz_bytes) ||
	      attr_u64(q, "reset_interval_ms", &s->quota_reset_interval_ms) ||
	      attr_u32(q, "weight_sz_permille", &s->weight_sz_permille) ||
	      attr_u32(q, "weight_nr_accesses_permille", &s->weight_nr_accesses_permille) ||
	      attr_u32(q, "weight_age_permille", &s->weight_age_permille);
	Py_DECREF(q);
	return err ? -1 : 0;
}

static int watermarks_from_py(PyObject *scheme, struct scheme *s)
{
	PyObject *w = PyObject_GetAttrString(scheme, "watermarks");
	int metric, err;

	if (!w)
		return -1;
	metric = attr_choice(w, "metric", metric_names, NR_DAMOS_WMARK_METRICS);
	err = metric < 0 || attr_u64(w, "interval_us", &s->wmark_interval_us) ||
	      attr_u64(w, "high_permille", &s->wmark_high_permille) ||
	      attr_u64(w, "mid_permille", &s->wmark_mid_permille) ||
	      attr_u64(w, "low_permille", &s->wmark_low_permille);
	Py_DECREF(w);
	if (err)
		return -1;
	s->wmark_metric = (enum damos_wmark_metric)metric;
	return 0;
}

static int scheme_from_py(PyObject *object, struct scheme *s)
{
	int action = attr_choice(object, "action", action_names, NR_DAMOS_ACTIONS);
	const char *wrong;

	memset(s, 0, sizeof(*s));
	if (action < 0 || pattern_from_py(object, s) || quota_from_py(object, s) ||
	    watermarks_from_py(object, s) ||
	    attr_u64(object, "apply_interval_us", &s->apply_interval_us))
		return -1;
	s->action = (enum damos_action)action;
	wrong = damos_validate(s);
	if (wrong) {
		PyErr_SetString(PyExc_ValueError, wrong);
		return -1;
	}
	return 0;
}

/* Flat fields, which policies/decision.py turns into a host.Scheme. */
static PyObject *scheme_to_py(const struct scheme *s)
{
	return Py_BuildValue("{s:s,s:K,s:K,s:I,s:I,s:I,s:I,s:K,s:K,s:I,s:I,s:I}",
			     "action", action_names[s->action],
			     "min_sz_bytes", (unsigned long long)s->min_sz_bytes,
			     "max_sz_bytes", (unsigned long long)s->max_sz_bytes,
			     "min_nr_accesses", (unsigned)s->min_nr_accesses,
			     "max_nr_accesses", (unsigned)s->max_nr_accesses,
			     "min_age", (unsigned)s->min_age, "max_age", (unsigned)s->max_age,
			     "sz_bytes", (unsigned long long)s->quota_sz_bytes,
			     "reset_interval_ms", (unsigned long long)s->quota_reset_interval_ms,
			     "weight_sz_permille", (unsigned)s->weight_sz_permille,
			     "weight_nr_accesses_permille",
			     (unsigned)s->weight_nr_accesses_permille,
			     "weight_age_permille", (unsigned)s->weight_age_permille);
}

/* ---- snapshots ---- */

static int intervals_from_py(PyObject *object, struct snapshot *s)
{
	PyObject *intervals = PyObject_GetAttrString(object, "intervals");
	int err;

	if (!intervals)
		return -1;
	err = attr_u64(intervals, "sample_us", &s->sample_us) ||
	      attr_u64(intervals, "aggr_us", &s->aggr_us);
	Py_DECREF(intervals);
	if (!err && (!s->sample_us || s->aggr_us < s->sample_us)) {
		PyErr_SetString(PyExc_ValueError, "intervals: need 0 < sample_us <= aggr_us");
		err = 1;
	}
	return err ? -1 : 0;
}

static int stats_from_py(PyObject *object, struct scheme_stats *stats)
{
	PyObject *all = PyObject_GetAttrString(object, "scheme_stats"), *first;
	Py_ssize_t nr = all ? PySequence_Size(all) : -1;
	int err = 0;

	if (nr > 0) {
		first = PySequence_GetItem(all, 0);
		err = !first || attr_u64(first, "sz_tried_bytes", &stats->sz_tried_bytes) ||
		      attr_u64(first, "qt_exceeds", &stats->qt_exceeds) ||
		      attr_u64(first, "effective_quota_bytes", &stats->effective_quota_bytes);
		Py_XDECREF(first);
	}
	Py_XDECREF(all);
	return nr < 0 || err ? -1 : 0;
}

static int region_from_py(PyObject *object, struct snapshot_region *r)
{
	if (!object || attr_u64(object, "start", &r->start) || attr_u64(object, "end", &r->end) ||
	    attr_u32(object, "nr_accesses", &r->nr_accesses) || attr_u32(object, "age", &r->age))
		return -1;
	if (r->end >= r->start)
		return 0;
	PyErr_SetString(PyExc_ValueError, "a region ends before it starts");
	return -1;
}

static struct snapshot_region *regions_from_py(PyObject *object, size_t *nr)
{
	PyObject *all = PyObject_GetAttrString(object, "regions");
	Py_ssize_t size = all ? PySequence_Size(all) : -1;
	struct snapshot_region *regions = NULL;

	if (size < 0)
		goto out;
	regions = PyMem_Calloc((size_t)size + 1, sizeof(*regions));
	if (!regions)
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; regions && i < size; i++) {
		PyObject *item = PySequence_GetItem(all, i);
		int err = region_from_py(item, &regions[i]);

		Py_XDECREF(item);
		if (err) {
			PyMem_Free(regions);
			regions = NULL;
		}
	}
	*nr = (size_t)size;
out:
	Py_XDECREF(all);
	return regions;
}

/* On success the caller frees @regions of the snapshot. */
static int snapshot_from_py(PyObject *object, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	if (intervals_from_py(object, s) || stats_from_py(object, &s->stats) ||
	    attr_u64(object, "time_us", &s->time_us) ||
	    attr_u64(object, "resident_bytes", &s->resident_bytes) ||
	    attr_u64(object, "swapped_bytes", &s->swapped_bytes) ||
	    attr_u64(object, "compressed_bytes", &s->compressed_bytes) ||
	    attr_u64(object, "memory_total_bytes", &s->memory_total_bytes) ||
	    attr_u64(object, "memory_free_bytes", &s->memory_free_bytes) ||
	    attr_u64(object, "swap_total_bytes", &s->swap_total_bytes) ||
	    attr_u64(object, "swap_free_bytes", &s->swap_free_bytes) ||
	    attr_u64(object, "major_faults", &s->major_faults) ||
	    attr_u64(object, "cpu_time_us", &s->cpu_time_us) ||
	    attr_u64(object, "psi_some_us", &s->psi_some_us) ||
	    attr_double(object, "swap_in_us", &s->swap_in_us))
		return -1;
	if (!isfinite(s->swap_in_us) || s->swap_in_us < 0.0) {
		PyErr_SetString(PyExc_ValueError, "swap_in_us must be a number of at least 0");
		return -1;
	}
	s->regions = regions_from_py(object, &s->nr_regions);
	return s->regions ? 0 : -1;
}

static PyObject *snapshot_to_py(const struct snapshot *s, PyObject *regions, PyObject *stats)
{
	return Py_BuildValue(
		"{s:K,s:N,s:N,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:d}",
		"time_us", (unsigned long long)s->time_us, "regions", regions,
		"scheme_stats", stats,
		"resident_bytes", (unsigned long long)s->resident_bytes,
		"swapped_bytes", (unsigned long long)s->swapped_bytes,
		"compressed_bytes", (unsigned long long)s->compressed_bytes,
		"memory_total_bytes", (unsigned long long)s->memory_total_bytes,
		"memory_free_bytes", (unsigned long long)s->memory_free_bytes,
		"swap_total_bytes", (unsigned long long)s->swap_total_bytes,
		"swap_free_bytes", (unsigned long long)s->swap_free_bytes,
		"major_faults", (unsigned long long)s->major_faults,
		"cpu_time_us", (unsigned long long)s->cpu_time_us,
		"psi_some_us", (unsigned long long)s->psi_some_us,
		"swap_in_us", s->swap_in_us);
}

/* ---- knobs ---- */

static PyObject *knobs_to_py(const struct knobs *knobs)
{
	PyObject *dict = PyDict_New();

	for (int i = 0; dict && i < NR_KNOBS; i++) {
		PyObject *value = PyFloat_FromDouble(knobs->value[i]);

		if (!value || PyDict_SetItemString(dict, knob_names[i], value))
			Py_CLEAR(dict);
		Py_XDECREF(value);
	}
	return dict;
}

static const char *const reason_names[] = { "limit", "rate", "pressure", "slowdown", "hold",
					    "nonsense" };

static PyObject *reasons_to_py(unsigned reasons)
{
	PyObject *list = PyList_New(0), *tuple;

	for (size_t i = 0; list && i < sizeof(reason_names) / sizeof(*reason_names); i++) {
		PyObject *name = reasons & 1u << i ? PyUnicode_FromString(reason_names[i]) : NULL;

		if (name && PyList_Append(list, name))
			Py_CLEAR(list);
		Py_XDECREF(name);
	}
	tuple = list ? PyList_AsTuple(list) : NULL;
	Py_XDECREF(list);
	return tuple;
}

/* ---- Spec ---- */

typedef struct {
	PyObject_HEAD
	struct sim_spec spec;
} SpecObject;

static int range_from_py(PyObject *value, const struct param *p, struct range *range)
{
	double lo, hi;

	if (!PyTuple_Check(value)) {
		PyErr_Format(PyExc_TypeError, "%s: a range is a tuple of two numbers", p->name);
		return -1;
	}
	if (!PyArg_ParseTuple(value, "dd", &lo, &hi))
		return -1;
	if (!(lo <= hi) || !(lo >= p->min) || !(hi <= p->max)) {
		char text[160];

		snprintf(text, sizeof(text), "%s: [%g, %g] is not within [%g, %g]", p->name, lo, hi,
			 p->min, p->max);
		PyErr_SetString(PyExc_ValueError, text);
		return -1;
	}
	if (p->log && lo > 0.0 && !isfinite(hi / lo)) {
		PyErr_Format(PyExc_ValueError, "%s: the range is too wide", p->name);
		return -1;
	}
	*range = (struct range){ lo, hi };
	return 0;
}

/* Take @p's range out of @dict when it is there; @used counts what was taken. */
static int take_range(PyObject *dict, const struct param *p, struct range *range,
		      Py_ssize_t *used)
{
	PyObject *key, *value;

	*range = (struct range){ p->lo, p->hi };
	if (!dict)
		return 0;
	key = PyUnicode_FromString(p->name);
	if (!key)
		return -1;
	value = PyDict_GetItemWithError(dict, key);
	Py_DECREF(key);
	if (!value)
		return PyErr_Occurred() ? -1 : 0;
	++*used;
	return range_from_py(value, p, range);
}

static int check_all_used(PyObject *dict, Py_ssize_t used, const char *what)
{
	if (!dict || PyDict_Size(dict) == used)
		return 0;
	PyErr_Format(PyExc_KeyError, "unknown %s parameter among %R", what, dict);
	return -1;
}

static const struct workload_family *find_family(const char *name)
{
	for (size_t i = 0; i < nr_workload_families; i++)
		if (!strcmp(workload_families[i]->name, name))
			return workload_families[i];
	PyErr_Format(PyExc_KeyError, "no workload family is called %s", name);
	return NULL;
}

static int Spec_init(SpecObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "family", "workload", "profile", NULL };
	PyObject *workload = NULL, *profile = NULL;
	struct sim_spec spec = { 0 };
	const char *family;
	Py_ssize_t used = 0;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O!O!", names, &family, &PyDict_Type,
					 &workload, &PyDict_Type, &profile))
		return -1;
	spec.family = find_family(family);
	if (!spec.family)
		return -1;
	for (size_t i = 0; i < workload_nr_params(spec.family); i++)
		if (take_range(workload, workload_param(spec.family, i), &spec.workload[i], &used))
			return -1;
	if (check_all_used(workload, used, "workload"))
		return -1;
	used = 0;
	for (size_t i = 0; i < NR_PROFILE_PARAMS; i++)
		if (take_range(profile, &profile_params[i], &spec.profile[i], &used))
			return -1;
	if (check_all_used(profile, used, "profile"))
		return -1;
	self->spec = spec;
	return 0;
}

static void heap_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc tp_free = (freefunc)PyType_GetSlot(type, Py_tp_free);

	tp_free(self);
	Py_DECREF(type);
}

static PyType_Slot Spec_slots[] = {
	{ Py_tp_init, Spec_init },
	{ Py_tp_dealloc, heap_dealloc },
	{ Py_tp_doc, "Ranges from which a simulated host's episodes are drawn." },
	{ 0, NULL },
};
static PyType_Spec Spec_spec = { "damon_tuner._core.Spec", sizeof(SpecObject), 0,
				 Py_TPFLAGS_DEFAULT, Spec_slots };

/* ---- module state ---- */

struct module_state {
	PyObject *spec_type;
};

static struct PyModuleDef core_module;

static struct module_state *state_of(PyObject *self)
{
	/* The types are created once with the module, so that it can be found by its definition. */
	PyObject *module = PyState_FindModule(&core_module);

	(void)self;
	return module ? PyModule_GetState(module) : NULL;
}

/* ---- Batch ---- */

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

static PyObject *stats_to_py(const struct sim_host *host)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)host->nr_schemes);

	for (size_t i = 0; tuple && i < host->nr_schemes; i++) {
		const struct scheme_stats *s = &host->schemes[i].stats;
		PyObject *item = Py_BuildValue("(KKKKKK)", (unsigned long long)s->nr_tried,
					       (unsigned long long)s->sz_tried_bytes,
					       (unsigned long long)s->nr_applied,
					       (unsigned long long)s->sz_applied_bytes,
					       (unsigned long long)s->qt_exceeds,
					       (unsigned long long)s->effective_quota_bytes);

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
	stats = regions ? stats_to_py(&self->batch.hosts[host]) : NULL;
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

static PyObject *Batch_region_aggregations(BatchObject *self, PyObject *Py_UNUSED(ignored))
{
	double sum = 0.0;

	if (check_idle(self))
		return NULL;
	for (size_t i = 0; i < self->batch.nr_hosts; i++)
		sum += self->batch.hosts[i].region_aggregations;
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
static PyType_Spec Batch_spec = { "damon_tuner._core.Batch", sizeof(BatchObject), 0,
				  Py_TPFLAGS_DEFAULT, Batch_slots };

/* ---- Decider ---- */

typedef struct {
	PyObject_HEAD
	struct decider decider;
} DeciderObject;

static int Decider_init(DeciderObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "budget", NULL };
	double budget;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "d", names, &budget))
		return -1;
	if (!(budget > 0.0 && budget <= 1.0)) {
		PyErr_SetString(PyExc_ValueError, "the budget must be above 0 and at most 1");
		return -1;
	}
	decider_init(&self->decider, budget);
	return 0;
}

static PyObject *Decider_observe(DeciderObject *self, PyObject *args)
{
	PyObject *object, *out;
	struct snapshot snapshot;
	Py_buffer view;

	if (!PyArg_ParseTuple(args, "OO", &object, &out))
		return NULL;
	if (self->decider.budget <= 0.0) {
		PyErr_SetString(PyExc_RuntimeError, "the decider was not initialised");
		return NULL;
	}
	if (get_buffer(out, &view, NR_FEATURES, 'f', 1, "observation"))
		return NULL;
	if (snapshot_from_py(object, &snapshot)) {
		PyBuffer_Release(&view);
		return NULL;
	}
	decider_observe(&self->decider, &snapshot, view.buf);
	PyMem_Free((void *)snapshot.regions);
	PyBuffer_Release(&view);
	Py_RETURN_NONE;
}

static PyObject *Decider_act(DeciderObject *self, PyObject *args)
{
	struct scheme scheme;
	PyObject *actions;
	Py_buffer view;

	if (!PyArg_ParseTuple(args, "O", &actions))
		return NULL;
	if (!self->decider.started) {
		PyErr_SetString(PyExc_RuntimeError, "observe before acting");
		return NULL;
	}
	if (get_buffer(actions, &view, NR_KNOBS, 'f', 0, "action"))
		return NULL;
	decider_act(&self->decider, view.buf, &scheme);
	PyBuffer_Release(&view);
	return scheme_to_py(&scheme);
}

static PyObject *Decider_knobs(DeciderObject *self, PyObject *Py_UNUSED(ignored))
{
	return knobs_to_py(&self->decider.knobs);
}

static PyObject *Decider_reasons(DeciderObject *self, PyObject *Py_UNUSED(ignored))
{
	return reasons_to_py(self->decider.reasons);
}

static PyObject *Decider_rates(DeciderObject *self, PyObject *Py_UNUSED(ignored))
{
	const struct rates *r = &self->decider.rates;

	return Py_BuildValue("{s:d,s:d,s:d,s:d,s:d}", "slowdown", r->slowdown, "slowdown_30s",
			     r->slowdown_30s, "slowdown_300s", r->slowdown_300s, "pressure",
			     r->pressure, "tried_bytes_per_s", r->tried_bytes_per_s);
}

static PyMethodDef Decider_methods[] = {
	{ "observe", (PyCFunction)Decider_observe, METH_VARARGS, "Take in a snapshot." },
	{ "act", (PyCFunction)Decider_act, METH_VARARGS, "Turn an action into a scheme." },
	{ "knobs", (PyCFunction)Decider_knobs, METH_NOARGS, "Knobs in force." },
	{ "reasons", (PyCFunction)Decider_reasons, METH_NOARGS,
	  "What the guard did at the last decision." },
	{ "rates", (PyCFunction)Decider_rates, METH_NOARGS,
	  "What the last snapshot says of the tenant." },
	{ NULL, NULL, 0, NULL },
};
static PyType_Slot Decider_slots[] = {
	{ Py_tp_init, Decider_init },
	{ Py_tp_dealloc, heap_dealloc },
	{ Py_tp_methods, Decider_methods },
	{ Py_tp_doc, "The decision path of one tenant." },
	{ 0, NULL },
};
static PyType_Spec Decider_spec = { "damon_tuner._core.Decider", sizeof(DeciderObject), 0,
				    Py_TPFLAGS_DEFAULT, Decider_slots };

/* ---- Network ---- */

typedef struct {
	PyObject_HEAD
	struct network network;
	float *memory;
} NetworkObject;

/* Copy @nr floats from any buffer, aligned or not, to *@to and move it on. */
static int copy_floats(PyObject *object, size_t nr, float **to)
{
	Py_buffer view;

	if (PyObject_GetBuffer(object, &view, PyBUF_CONTIG_RO))
		return -1;
	if ((size_t)view.len != nr * sizeof(float)) {
		PyErr_Format(PyExc_ValueError, "expected %zu floats, got %zd bytes", nr, view.len);
		PyBuffer_Release(&view);
		return -1;
	}
	memcpy(*to, view.buf, nr * sizeof(float));
	*to += nr;
	PyBuffer_Release(&view);
	return 0;
}

/* @sizes: widths from the input to the output.  Returns the number of layers, or -1. */
static Py_ssize_t sizes_from_py(PyObject *sizes, size_t *width)
{
	Py_ssize_t nr = PySequence_Size(sizes);

	if (nr < 0)
		return -1;
	if (nr < 2 || nr > NETWORK_MAX_LAYERS + 1) {
		PyErr_Format(PyExc_ValueError, "a network has 1 to %d layers", NETWORK_MAX_LAYERS);
		return -1;
	}
	for (Py_ssize_t i = 0; i < nr; i++) {
		PyObject *item = PySequence_GetItem(sizes, i);

		width[i] = item ? PyLong_AsSize_t(item) : 0;
		Py_XDECREF(item);
		if (PyErr_Occurred())
			return -1;
		if (!width[i] || width[i] > NETWORK_MAX_WIDTH) {
			PyErr_Format(PyExc_ValueError, "a layer is 1 to %d wide",
				     NETWORK_MAX_WIDTH);
			return -1;
		}
	}
	return nr - 1;
}

static int load_layers(NetworkObject *self, PyObject *parameters, const size_t *width)
{
	struct network *n = &self->network;
	float *at = (float *)n->scale + width[0];

	for (size_t l = 0; l < n->nr_layers; l++) {
		PyObject *weight = PySequence_GetItem(parameters, (Py_ssize_t)(2 * l));
		PyObject *bias = PySequence_GetItem(parameters, (Py_ssize_t)(2 * l + 1));
		struct network_layer layer = { .nr_in = width[l], .nr_out = width[l + 1] };
		int err = !weight || !bias;

		layer.weight = at;
		err = err || copy_floats(weight, layer.nr_in * layer.nr_out, &at);
		layer.bias = at;
		err = err || copy_floats(bias, layer.nr_out, &at);
		n->layers[l] = layer;
		Py_XDECREF(weight);
		Py_XDECREF(bias);
		if (err)
			return -1;
	}
	return 0;
}

static int Network_init(NetworkObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "sizes", "mean", "scale", "clip", "parameters", NULL };
	PyObject *sizes, *mean, *scale, *parameters;
	size_t width[NETWORK_MAX_LAYERS + 1], nr_floats;
	Py_ssize_t nr_layers;
	double clip;
	float *at;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOdO", names, &sizes, &mean, &scale, &clip,
					 &parameters))
		return -1;
	nr_layers = sizes_from_py(sizes, width);
	if (nr_layers < 0)
		return -1;
	if (PySequence_Size(parameters) > 2 * nr_layers) {
		PyErr_SetString(PyExc_ValueError, "more parameters than the layers have");
		return -1;
	}
	nr_floats = 2 * width[0];
	for (Py_ssize_t l = 0; l < nr_layers; l++)
		nr_floats += (width[l] + 1) * width[l + 1];
	if (self->memory) {
		PyErr_SetString(PyExc_ValueError, "already initialised");
		return -1;
	}
	self->memory = PyMem_Calloc(nr_floats, sizeof(float));
	if (!self->memory) {
		PyErr_NoMemory();
		return -1;
	}
	at = self->memory;
	self->network = (struct network){ .mean = at, .scale = at + width[0],
					  .clip = (float)clip, .nr_layers = (size_t)nr_layers };
	if (copy_floats(mean, width[0], &at) || copy_floats(scale, width[0], &at))
		return -1;
	return load_layers(self, parameters, width);
}

static void Network_dealloc(PyObject *self)
{
	PyMem_Free(((NetworkObject *)self)->memory);
	heap_dealloc(self);
}

static PyObject *Network_forward(NetworkObject *self, PyObject *args)
{
	const struct network *n = &self->network;
	PyObject *observations, *actions;
	Py_buffer in, out;
	size_t nr_in, nr_out, rows;

	if (!PyArg_ParseTuple(args, "OO", &observations, &actions))
		return NULL;
	if (!n->nr_layers || !n->layers[n->nr_layers - 1].bias) {
		PyErr_SetString(PyExc_RuntimeError, "the network has no weights");
		return NULL;
	}
	nr_in = n->layers[0].nr_in;
	nr_out = n->layers[n->nr_layers - 1].nr_out;
	if (PyObject_GetBuffer(actions, &out, PyBUF_CONTIG))
		return NULL;
	rows = (size_t)out.len / (nr_out * sizeof(float));
	PyBuffer_Release(&out);
	if (get_buffer(actions, &out, rows * nr_out, 'f', 1, "actions"))
		return NULL;
	if (get_buffer(observations, &in, rows * nr_in, 'f', 0, "observations")) {
		PyBuffer_Release(&out);
		return NULL;
	}
	for (size_t r = 0; r < rows; r++)
		network_forward(n, (const float *)in.buf + r * nr_in, (float *)out.buf + r * nr_out);
	PyBuffer_Release(&in);
	PyBuffer_Release(&out);
	Py_RETURN_NONE;
}

static PyMethodDef Network_methods[] = {
	{ "forward", (PyCFunction)Network_forward, METH_VARARGS,
	  "Answer observations, one a row." },
	{ NULL, NULL, 0, NULL },
};
static PyType_Slot Network_slots[] = {
	{ Py_tp_init, Network_init },
	{ Py_tp_dealloc, Network_dealloc },
	{ Py_tp_methods, Network_methods },
	{ Py_tp_doc, "A policy's network." },
	{ 0, NULL },
};
static PyType_Spec Network_spec = { "damon_tuner._core.Network", sizeof(NetworkObject), 0,
				    Py_TPFLAGS_DEFAULT, Network_slots };

/* ---- Monitor: DAMON's steps one by one ---- */

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
static PyType_Spec Monitor_spec = { "damon_tuner._core.Monitor", sizeof(MonitorObject), 0,
				    Py_TPFLAGS_DEFAULT, Monitor_slots };

/* ---- module ---- */

static PyObject *core_mvsum(PyObject *Py_UNUSED(module), PyObject *args)
{
	uint64_t nr, last, left_bp;

	if (!PyArg_ParseTuple(args, "O&O&O&", u64_from_py, &nr, u64_from_py, &last, u64_from_py,
			      &left_bp))
		return NULL;
	return PyLong_FromUnsignedLong(damon_mvsum(nr, last, left_bp));
}

static PyObject *core_hot_score(PyObject *Py_UNUSED(module), PyObject *args)
{
	struct damon_attrs attrs = { .min_nr_regions = 3, .max_nr_regions = 3 };
	uint32_t nr_accesses, weight_nr, weight_age;
	struct damon_region r = { 0 };
	const char *wrong;

	if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&", u32_from_py, &nr_accesses, u32_from_py, &r.age,
			      u64_from_py, &attrs.sample_us, u64_from_py, &attrs.aggr_us,
			      u32_from_py, &weight_nr, u32_from_py, &weight_age))
		return NULL;
	wrong = damon_validate_attrs(&attrs);
	if (!wrong && nr_accesses > damon_nr_samples_per_aggr(&attrs))
		wrong = "nr_accesses must not exceed the samples of an aggregation";
	if (wrong) {
		PyErr_SetString(PyExc_ValueError, wrong);
		return NULL;
	}
	return PyLong_FromUnsignedLong(damon_hot_score(&r, nr_accesses, &attrs, weight_nr,
						       weight_age));
}

static PyObject *core_binomial(PyObject *Py_UNUSED(module), PyObject *args)
{
	Py_ssize_t nr_draws;
	struct binomial b;
	struct rng rng;
	PyObject *list;
	uint64_t seed;
	uint32_t n;
	double p;

	if (!PyArg_ParseTuple(args, "O&dnO&", u32_from_py, &n, &p, &nr_draws, u64_from_py, &seed))
		return NULL;
	if (n > BINOMIAL_MAX_N || !(p >= 0.0 && p <= 1.0)) {
		PyErr_SetString(PyExc_ValueError, "n or p out of range");
		return NULL;
	}
	rng_seed(&rng, seed);
	binomial_init(&b, n);
	list = PyList_New(0);
	for (Py_ssize_t i = 0; list && i < nr_draws; i++) {
		PyObject *k = PyLong_FromUnsignedLong(binomial_draw(&b, &rng, p));

		if (!k || PyList_Append(list, k))
			Py_CLEAR(list);
		Py_XDECREF(k);
	}
	return list;
}

static PyMethodDef core_methods[] = {
	{ "mvsum", core_mvsum, METH_VARARGS, "DAMON's moving sum." },
	{ "hot_score", core_hot_score, METH_VARARGS, "DAMON's priority of a region, 0 to 99." },
	{ "binomial", core_binomial, METH_VARARGS, "Draws of the fast sampler." },
	{ NULL, NULL, 0, NULL },
};

static PyObject *params_to_py(const struct param *(*get)(const void *, size_t), const void *of,
			      size_t nr)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)nr);

	for (size_t i = 0; tuple && i < nr; i++) {
		const struct param *p = get(of, i);
		PyObject *item = Py_BuildValue("(sddddN)", p->name, p->lo, p->hi, p->min, p->max,
					       PyBool_FromLong(p->log));

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static const struct param *family_param(const void *of, size_t i)
{
	return workload_param(of, i);
}

static const struct param *profile_param(const void *of, size_t i)
{
	(void)of;
	return &profile_params[i];
}

static PyObject *families_to_py(void)
{
	PyObject *dict = PyDict_New();

	for (size_t i = 0; dict && i < nr_workload_families; i++) {
		const struct workload_family *f = workload_families[i];
		PyObject *params = params_to_py(family_param, f, workload_nr_params(f));

		if (!params || PyDict_SetItemString(dict, f->name, params))
			Py_CLEAR(dict);
		Py_XDECREF(params);
	}
	return dict;
}

static PyObject *names_to_py(const char *const *names, size_t nr)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)nr);

	for (size_t i = 0; tuple && i < nr; i++) {
		PyObject *name = PyUnicode_FromString(names[i]);

		if (!name || PyTuple_SetItem(tuple, (Py_ssize_t)i, name))
			Py_CLEAR(tuple);
	}
	return tuple;
}

/* The fields of struct truth, in order. */
static const char *const truth_names[NR_TRUTH] = {
	"time_us", "cost_byte_s", "cost_unmanaged_byte_s", "resident_byte_s", "touched_byte_s",
	"stall_us", "interference_us", "busy_us", "faults", "pages_out",
};

static int add_constant(PyObject *module, const char *name, PyObject *value)
{
	int err = !value || PyModule_AddObjectRef(module, name, value);

	Py_XDECREF(value);
	return err;
}

static int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyObject **keep)
{
	PyObject *type = PyType_FromSpec(spec);
	int err = !type || PyModule_AddObjectRef(module, name, type);

	if (keep && !err)
		*keep = Py_NewRef(type);
	Py_XDECREF(type);
	return err;
}

static struct PyModuleDef core_module = {
	PyModuleDef_HEAD_INIT,
	.m_name = "damon_tuner._core",
	.m_doc = "The simulator and the decision path, in C.",
	.m_size = sizeof(struct module_state),
	.m_methods = core_methods,
};

PyMODINIT_FUNC PyInit__core(void)
{
	PyObject *module = PyModule_Create(&core_module);
	struct module_state *state;

	if (!module)
		return NULL;
	state = PyModule_GetState(module);
	if (add_type(module, &Spec_spec, "Spec", &state->spec_type) ||
	    add_type(module, &Batch_spec, "Batch", NULL) ||
	    add_type(module, &Decider_spec, "Decider", NULL) ||
	    add_type(module, &Network_spec, "Network", NULL) ||
	    add_type(module, &Monitor_spec, "Monitor", NULL) ||
	    add_constant(module, "OBSERVATION_NAMES", names_to_py(observation_names, NR_FEATURES)) ||
	    add_constant(module, "KNOB_NAMES", names_to_py(knob_names, NR_KNOBS)) ||
	    add_constant(module, "TRUTH_NAMES", names_to_py(truth_names, NR_TRUTH)) ||
	    add_constant(module, "MIN_CPU_SHARE", PyFloat_FromDouble(MIN_CPU_SHARE)) ||
	    add_constant(module, "FAMILIES", families_to_py()) ||
	    add_constant(module, "PROFILE",
			 params_to_py(profile_param, NULL, NR_PROFILE_PARAMS))) {
		Py_DECREF(module);
		return NULL;
	}
	return module;
}

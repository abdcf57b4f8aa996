/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python face of the simulator and of the decision path; this folder alone knows Python.
 *
 * Arrays are owned by Python and written in place through the buffer protocol, so that neither
 * side needs NumPy.  Signatures and meanings are in _core.pyi.
 */
#include "binding.h"

#include "batch.h"
#include "binomial.h"
#include "feedback.h"
#include "forecast.h"
#include "score.h"

static struct PyModuleDef core_module;

struct module_state *state_of(PyObject *self)
{
	/* The types are created once with the module, so that it can be found by its definition. */
	PyObject *module = PyState_FindModule(&core_module);

	(void)self;
	return module ? PyModule_GetState(module) : NULL;
}

void heap_dealloc(PyObject *self)
{
	PyTypeObject *type = Py_TYPE(self);
	freefunc tp_free = (freefunc)PyType_GetSlot(type, Py_tp_free);

	tp_free(self);
	Py_DECREF(type);
}

static PyObject *core_mvsum(PyObject *Py_UNUSED(module), PyObject *args)
{
	uint64_t nr, last, left_bp;

	if (!PyArg_ParseTuple(args, "O&O&O&", u64_from_py, &nr, u64_from_py, &last, u64_from_py,
			      &left_bp))
		return NULL;
	return PyLong_FromUnsignedLong(damon_mvsum(nr, last, left_bp));
}

static PyObject *core_feed_loop(PyObject *Py_UNUSED(module), PyObject *args)
{
	uint64_t last_input, score;

	if (!PyArg_ParseTuple(args, "O&O&", u64_from_py, &last_input, u64_from_py, &score))
		return NULL;
	return PyLong_FromUnsignedLongLong(damon_feed_loop_next_input(last_input, score));
}

static PyObject *core_hot_score(PyObject *Py_UNUSED(module), PyObject *args)
{
	struct damon_attrs attrs = { .min_nr_regions = 3, .max_nr_regions = 3 };
	uint32_t nr_accesses, weight_nr, weight_age;
	uint32_t age;
	const char *wrong;

	if (!PyArg_ParseTuple(args, "O&O&O&O&O&O&", u32_from_py, &nr_accesses, u32_from_py, &age,
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
	return PyLong_FromUnsignedLong(damon_hot_score(nr_accesses, age, &attrs, weight_nr,
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
	{ "feed_loop", core_feed_loop, METH_VARARGS, "Next input of DAMON's feedback loop." },
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

static PyObject *doubles_to_py(const double *values, size_t nr)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)nr);

	for (size_t i = 0; tuple && i < nr; i++) {
		PyObject *value = PyFloat_FromDouble(values[i]);

		if (!value || PyTuple_SetItem(tuple, (Py_ssize_t)i, value))
			Py_CLEAR(tuple);
	}
	return tuple;
}

/* The fields of struct truth, in order. */
static const char *const truth_names[NR_TRUTH] = {
	"time_us", "cost_byte_s", "cost_unmanaged_byte_s", "resident_byte_s", "touched_byte_s",
	"stall_us", "interference_us", "busy_us", "faults", "pages_out", "lost_us",
	"lost_unmanaged_us", "slow_byte_s", "huge_byte_s", "pages_promoted", "pages_demoted",
	"energy_j", "energy_unmanaged_j", "oom_kills",
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
	    add_type(module, &History_spec, "History", &state->history_type) ||
	    add_type(module, &Forecast_spec, "Forecast", NULL) ||
	    add_type(module, &Attributes_spec, "Attributes", NULL) ||
	    PyModule_AddFunctions(module, calibrate_methods) ||
	    PyModule_AddFunctions(module, groups_methods) ||
	    add_constant(module, "KNOB_GROUPS", names_to_py(knob_group_names, NR_KNOB_GROUPS)) ||
	    add_constant(module, "TRUTH_NAMES", names_to_py(truth_names, NR_TRUTH)) ||
	    add_constant(module, "FORECAST_HORIZONS_S",
			 doubles_to_py(forecast_horizon_s, NR_FORECAST_HORIZONS)) ||
	    add_constant(module, "MIN_WORKED_SHARE", PyFloat_FromDouble(MIN_WORKED_SHARE)) ||
	    add_constant(module, "FAMILIES", families_to_py()) ||
	    add_constant(module, "RECORDED",
			 params_to_py(family_param, &workload_recorded,
				      workload_nr_params(&workload_recorded))) ||
	    add_constant(module, "PROFILE",
			 params_to_py(profile_param, NULL, NR_PROFILE_PARAMS))) {
		Py_DECREF(module);
		return NULL;
	}
	return module;
}

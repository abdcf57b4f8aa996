/* SPDX-License-Identifier: Apache-2.0 */
/* Spec: the ranges from which simulated episodes are drawn. */
#include "binding.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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
	if (!strcmp(workload_recorded.name, name))
		return &workload_recorded;
	for (size_t i = 0; i < nr_workload_families; i++)
		if (!strcmp(workload_families[i]->name, name))
			return workload_families[i];
	PyErr_Format(PyExc_KeyError, "no workload family is called %s", name);
	return NULL;
}

/* Copy the rows of @object: a two-dimensional buffer of doubles, with four or five columns. */
static int program_from_py(PyObject *object, struct program **program)
{
	const char *complaint = "program must be a contiguous buffer of doubles, rows by columns";
	Py_buffer view;

	if (PyObject_GetBuffer(object, &view, PyBUF_FORMAT | PyBUF_CONTIG_RO))
		return -1;
	if (view.ndim == 2 && view.format && is_native_format(view.format, 'd') &&
	    (uintptr_t)view.buf % sizeof(double) == 0)
		*program = program_new(view.buf, (size_t)view.shape[0], (size_t)view.shape[1],
				       &complaint);
	PyBuffer_Release(&view);
	if (*program)
		return 0;
	if (complaint)
		PyErr_SetString(PyExc_ValueError, complaint);
	else
		PyErr_NoMemory();
	return -1;
}

/* A loop shorter than its program would leave out the end of it. */
static int check_loop(const struct sim_spec *spec)
{
	for (size_t i = WL_NR_COMMON; i < workload_nr_params(spec->tenant.family); i++) {
		const struct range *loop = &spec->tenant.workload[i];

		if (strcmp(workload_param(spec->tenant.family, i)->name, "loop_s") || loop->hi == 0.0 ||
		    loop->lo * 1e6 > program_last_us(spec->tenant.program))
			continue;
		PyErr_SetString(PyExc_ValueError,
				"loop_s must be 0, or above the time of the program's last row");
		return -1;
	}
	return 0;
}

/* A recorded family plays a program; no other does. */
static int take_program(struct sim_spec *spec, PyObject *program)
{
	const bool recorded = spec->tenant.family == &workload_recorded;

	if (recorded != (program != Py_None)) {
		PyErr_SetString(PyExc_ValueError, recorded ?
				"the recorded family needs a program" :
				"only the recorded family plays a program");
		return -1;
	}
	if (!recorded)
		return 0;
	return program_from_py(program, &spec->tenant.program) || check_loop(spec) ? -1 : 0;
}

static int take_ranges(struct sim_spec *spec, PyObject *workload, PyObject *profile)
{
	Py_ssize_t used = 0;

	for (size_t i = 0; i < workload_nr_params(spec->tenant.family); i++)
		if (take_range(workload, workload_param(spec->tenant.family, i), &spec->tenant.workload[i],
			       &used))
			return -1;
	if (check_all_used(workload, used, "workload"))
		return -1;
	used = 0;
	for (size_t i = 0; i < NR_PROFILE_PARAMS; i++)
		if (take_range(profile, &profile_params[i], &spec->profile[i], &used))
			return -1;
	return check_all_used(profile, used, "profile");
}

static int Spec_init(SpecObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "family", "workload", "profile", "program", NULL };
	PyObject *workload = NULL, *profile = NULL, *program = Py_None;
	struct sim_spec spec = { 0 };
	const char *family;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "s|O!O!O", names, &family, &PyDict_Type,
					 &workload, &PyDict_Type, &profile, &program))
		return -1;
	spec.tenant.family = find_family(family);
	if (!spec.tenant.family)
		return -1;
	if (take_ranges(&spec, workload, profile) || take_program(&spec, program)) {
		program_put(spec.tenant.program);
		return -1;
	}
	program_put(self->spec.tenant.program);
	self->spec = spec;
	return 0;
}

static void Spec_dealloc(PyObject *self)
{
	program_put(((SpecObject *)self)->spec.tenant.program);
	heap_dealloc(self);
}

int specs_from_py(PyObject *object, size_t nr, const struct sim_spec **specs)
{
	PyTypeObject *type = (PyTypeObject *)state_of(object)->spec_type;

	if (PyTuple_Check(object) ? PyTuple_Size(object) != (Py_ssize_t)nr : nr != 1) {
		PyErr_Format(PyExc_ValueError, "give a tuple of %zu specs, one a tenant", nr);
		return -1;
	}
	for (size_t t = 0; t < nr; t++) {
		PyObject *item = PyTuple_Check(object) ? PyTuple_GetItem(object, (Py_ssize_t)t) :
							 object;

		if (!PyObject_TypeCheck(item, type)) {
			PyErr_SetString(PyExc_TypeError, "an episode is drawn from a Spec");
			return -1;
		}
		specs[t] = &((SpecObject *)item)->spec;
		if (!specs[t]->tenant.family) {
			PyErr_SetString(PyExc_ValueError, "the spec was not initialised");
			return -1;
		}
	}
	return 0;
}

int budgets_from_py(PyObject *object, size_t nr, double *budgets)
{
	if (PyTuple_Check(object) && PyTuple_Size(object) != (Py_ssize_t)nr) {
		PyErr_Format(PyExc_ValueError, "give one budget, or %zu", nr);
		return -1;
	}
	for (size_t t = 0; t < nr; t++) {
		PyObject *item = PyTuple_Check(object) ? PyTuple_GetItem(object, (Py_ssize_t)t) :
							 object;

		budgets[t] = PyFloat_AsDouble(item);
		if (PyErr_Occurred())
			return -1;
		if (!(budgets[t] > 0.0 && budgets[t] <= 1.0)) {
			PyErr_SetString(PyExc_ValueError,
					"the budget must be above 0 and at most 1");
			return -1;
		}
	}
	return 0;
}

static PyType_Slot Spec_slots[] = {
	{ Py_tp_init, Spec_init },
	{ Py_tp_dealloc, Spec_dealloc },
	{ Py_tp_doc, "Ranges from which a simulated host's episodes are drawn." },
	{ 0, NULL },
};
PyType_Spec Spec_spec = { "damon_tuner._core.Spec", sizeof(SpecObject), 0,
				 Py_TPFLAGS_DEFAULT, Spec_slots };

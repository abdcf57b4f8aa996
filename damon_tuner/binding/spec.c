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

static PyType_Slot Spec_slots[] = {
	{ Py_tp_init, Spec_init },
	{ Py_tp_dealloc, heap_dealloc },
	{ Py_tp_doc, "Ranges from which a simulated host's episodes are drawn." },
	{ 0, NULL },
};
PyType_Spec Spec_spec = { "damon_tuner._core.Spec", sizeof(SpecObject), 0,
				 Py_TPFLAGS_DEFAULT, Spec_slots };

/* SPDX-License-Identifier: Apache-2.0 */
/* Knob groups, from their names, and what policies of them see and set. */
#include "binding.h"

#include <math.h>
#include <string.h>

/* Quotas are shares of a tenant's memory; the least that there is is so for a tenant of any size. */
#define TENANT_BYTES 0x1p30

static int group_from_py(PyObject *name, unsigned *groups)
{
	for (unsigned i = 0; PyUnicode_Check(name) && i < NR_KNOB_GROUPS; i++)
		if (!PyUnicode_CompareWithASCIIString(name, knob_group_names[i])) {
			*groups |= GROUP_BIT(i);
			return 0;
		}
	PyErr_Format(PyExc_ValueError, "%R is no knob group", name);
	return -1;
}

int groups_from_py(PyObject *names, void *into)
{
	PyObject *iterator = PyObject_GetIter(names), *name;
	unsigned groups = 0;

	while (iterator && (name = PyIter_Next(iterator))) {
		const int err = group_from_py(name, &groups);

		Py_DECREF(name);
		if (err)
			break;
	}
	Py_XDECREF(iterator);
	if (!PyErr_Occurred() && !knobs_count(groups))
		PyErr_SetString(PyExc_ValueError, "knob groups: name at least one with knobs");
	*(unsigned *)into = groups;
	return !PyErr_Occurred();
}

/* A tuple of the names that @get gives, without those that are NULL. */
static PyObject *names_where(const char *(*get)(size_t, unsigned), size_t nr, unsigned groups)
{
	PyObject *list = PyList_New(0), *tuple;

	for (size_t i = 0; list && i < nr; i++) {
		const char *name = get(i, groups);
		PyObject *item = name ? PyUnicode_FromString(name) : NULL;

		if (name && (!item || PyList_Append(list, item)))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	tuple = list ? PyList_AsTuple(list) : NULL;
	Py_XDECREF(list);
	return tuple;
}

static const char *feature_name(size_t i, unsigned groups)
{
	return feature_table[i].groups & groups ? feature_table[i].name : NULL;
}

static const char *knob_name(size_t i, unsigned groups)
{
	return GROUP_BIT(knob_table[i].group) & groups ? knob_table[i].name : NULL;
}

static PyObject *core_observation_names(PyObject *Py_UNUSED(module), PyObject *args)
{
	unsigned groups;

	if (!PyArg_ParseTuple(args, "O&", groups_from_py, &groups))
		return NULL;
	return names_where(feature_name, NR_FEATURES, groups);
}

static PyObject *core_knob_names(PyObject *Py_UNUSED(module), PyObject *args)
{
	unsigned groups;

	if (!PyArg_ParseTuple(args, "O&", groups_from_py, &groups))
		return NULL;
	return names_where(knob_name, NR_KNOBS, groups);
}

/* Of a knob that does no harm wherever it stands, where it stands at first. */
static double careful_action(enum knob knob)
{
	const struct knob_about *about = &knob_table[knob];
	const struct knobs initial = knobs_initial(TENANT_BYTES);
	const double careful = isnan(about->careful) ? initial.value[knob] : about->careful;

	return (double)knob_encode(knob, careful, TENANT_BYTES);
}

static PyObject *core_careful_action(PyObject *Py_UNUSED(module), PyObject *args)
{
	PyObject *list, *tuple;
	unsigned groups;

	if (!PyArg_ParseTuple(args, "O&", groups_from_py, &groups))
		return NULL;
	list = PyList_New(0);
	for (enum knob k = 0; list && k < NR_KNOBS; k++) {
		const bool is_on = GROUP_BIT(knob_table[k].group) & groups;
		PyObject *item = is_on ? PyFloat_FromDouble(careful_action(k)) : NULL;

		if (is_on && (!item || PyList_Append(list, item)))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	tuple = list ? PyList_AsTuple(list) : NULL;
	Py_XDECREF(list);
	return tuple;
}

static PyObject *core_action_of(PyObject *Py_UNUSED(module), PyObject *args)
{
	const char *name;
	double value;

	if (!PyArg_ParseTuple(args, "sd", &name, &value))
		return NULL;
	for (enum knob k = 0; k < NR_KNOBS; k++)
		/* of a tenant of one byte, so that a share is a size */
		if (!strcmp(name, knob_table[k].name))
			return PyFloat_FromDouble((double)knob_encode(k, value, 1.0));
	return PyErr_Format(PyExc_ValueError, "no knob is called %s", name);
}

PyMethodDef groups_methods[] = {
	{ "observation_names", core_observation_names, METH_VARARGS,
	  "The features that a policy of some groups sees." },
	{ "knob_names", core_knob_names, METH_VARARGS, "The knobs that it sets." },
	{ "careful_action", core_careful_action, METH_VARARGS, "The action that does least." },
	{ "action_of", core_action_of, METH_VARARGS, "The action that stands for a value." },
	{ NULL, NULL, 0, NULL },
};

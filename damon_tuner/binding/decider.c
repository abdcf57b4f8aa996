/* SPDX-License-Identifier: Apache-2.0 */
/* Decider: the decision path of one tenant on any host. */
#include "binding.h"

#include "decide.h"

PyObject *knobs_to_py(const struct knobs *knobs)
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

PyObject *reasons_to_py(unsigned reasons)
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
PyType_Spec Decider_spec = { "damon_tuner._core.Decider", sizeof(DeciderObject), 0,
				    Py_TPFLAGS_DEFAULT, Decider_slots };

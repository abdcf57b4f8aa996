/* SPDX-License-Identifier: Apache-2.0 */
/* Decider: the decision path of one tenant on any host. */
#include "binding.h"

#include "decide.h"

PyObject *knobs_to_py(const struct knobs *knobs, unsigned groups)
{
	PyObject *dict = PyDict_New();

	for (int i = 0; dict && i < NR_KNOBS; i++) {
		PyObject *value;

		if (!(GROUP_BIT(knob_table[i].group) & groups))
			continue;
		value = PyFloat_FromDouble(knobs->value[i]);
		if (!value || PyDict_SetItemString(dict, knob_table[i].name, value))
			Py_CLEAR(dict);
		Py_XDECREF(value);
	}
	return dict;
}

PyObject *reasons_to_py(unsigned reasons)
{
	PyObject *list = PyList_New(0), *tuple;

	for (size_t i = 0; list && i < NR_GUARD_REASONS; i++) {
		PyObject *name = reasons & 1u << i ? PyUnicode_FromString(guard_reason_names[i]) : NULL;

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

static int check_budget(double budget)
{
	if (budget > 0.0 && budget <= 1.0)
		return 0;
	PyErr_SetString(PyExc_ValueError, "the budget must be above 0 and at most 1");
	return -1;
}

static int check_worked_share(double share)
{
	if (share >= MIN_WORKED_SHARE && share <= 1.0)
		return 0;
	PyErr_SetString(PyExc_ValueError, "min_worked_share must be from 0.01 to 1");
	return -1;
}

static int check_limits(const struct guard_limits *limits)
{
	const char *wrong = guard_check_limits(limits);

	if (wrong)
		PyErr_SetString(PyExc_ValueError, wrong);
	return wrong ? -1 : 0;
}

static int check_initialised(const DeciderObject *self)
{
	if (self->decider.budget > 0.0)
		return 0;
	PyErr_SetString(PyExc_RuntimeError, "the decider was not initialised");
	return -1;
}

static int Decider_init(DeciderObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "budget", "groups", "min_age_s", "max_quota_bytes_per_s",
				 "max_age_division", "min_worked_share", NULL };
	struct guard_limits limits = guard_default_limits;
	unsigned groups = GROUP_BIT(GROUP_RECLAIM);
	double budget, worked_share = MIN_WORKED_SHARE;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "d|$O&dddd", names, &budget, groups_from_py,
					 &groups, &limits.min_age_s,
					 &limits.max_quota_bytes_per_s, &limits.max_age_division,
					 &worked_share))
		return -1;
	if (check_budget(budget) || check_limits(&limits) || check_worked_share(worked_share))
		return -1;
	if (!decider_init(&self->decider, groups, budget)) {
		PyErr_NoMemory();
		return -1;
	}
	self->decider.guard.limits = limits;
	self->decider.rates.min_worked_share = worked_share;
	return 0;
}

static void Decider_dealloc(PyObject *self)
{
	decider_destroy(&((DeciderObject *)self)->decider);
	heap_dealloc(self);
}

static PyObject *Decider_set_budget(DeciderObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "", "min_worked_share", NULL };
	double budget, worked_share = MIN_WORKED_SHARE;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "d|$d", names, &budget, &worked_share))
		return NULL;
	if (check_initialised(self) || check_budget(budget) || check_worked_share(worked_share))
		return NULL;
	self->decider.budget = budget;
	self->decider.rates.min_worked_share = worked_share;
	Py_RETURN_NONE;
}

static PyObject *Decider_set_limits(DeciderObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "min_age_s", "max_quota_bytes_per_s", "max_age_division", NULL };
	struct guard_limits limits = guard_default_limits;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$ddd", names, &limits.min_age_s,
					 &limits.max_quota_bytes_per_s, &limits.max_age_division))
		return NULL;
	if (check_initialised(self) || check_limits(&limits))
		return NULL;
	self->decider.guard.limits = limits;
	Py_RETURN_NONE;
}

static unsigned outside_reason(PyObject *name)
{
	for (unsigned i = 0; PyUnicode_Check(name) && i < NR_GUARD_REASONS; i++)
		if (GUARD_OUTSIDE & 1u << i &&
		    !PyUnicode_CompareWithASCIIString(name, guard_reason_names[i]))
			return 1u << i;
	PyErr_Format(PyExc_ValueError, "%R cannot trip the guard: only pressure, swap, fast_node, "
		     "refaults and score can", name);
	return 0;
}

/* Collect the names in @names, which may be NULL, as reasons of GUARD_OUTSIDE. */
static int outside_from_py(PyObject *names, unsigned *reasons)
{
	PyObject *iterator = names ? PyObject_GetIter(names) : NULL, *name;

	*reasons = 0;
	while (iterator && (name = PyIter_Next(iterator))) {
		const unsigned reason = outside_reason(name);

		Py_DECREF(name);
		if (!reason)
			break;
		*reasons |= reason;
	}
	Py_XDECREF(iterator);
	return PyErr_Occurred() ? -1 : 0;
}

static PyObject *Decider_observe(DeciderObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "", "", "tripped", NULL };
	PyObject *object, *out, *trips = NULL;
	struct snapshot snapshot;
	unsigned tripped;
	Py_buffer view;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|$O", names, &object, &out, &trips))
		return NULL;
	if (check_initialised(self) || outside_from_py(trips, &tripped))
		return NULL;
	if (get_buffer(out, &view, features_count(self->decider.groups), 'f', 1, "observation"))
		return NULL;
	if (snapshot_from_py(object, &snapshot)) {
		PyBuffer_Release(&view);
		return NULL;
	}
	decider_observe(&self->decider, &snapshot, tripped, view.buf);
	PyMem_Free((void *)snapshot.regions);
	PyBuffer_Release(&view);
	Py_RETURN_NONE;
}

static PyObject *Decider_act(DeciderObject *self, PyObject *args)
{
	struct plan plan;
	PyObject *actions;
	Py_buffer view;

	if (!PyArg_ParseTuple(args, "O", &actions))
		return NULL;
	if (!self->decider.started) {
		PyErr_SetString(PyExc_RuntimeError, "observe before acting");
		return NULL;
	}
	if (get_buffer(actions, &view, knobs_count(self->decider.groups), 'f', 0, "action"))
		return NULL;
	decider_act(&self->decider, view.buf, &plan);
	PyBuffer_Release(&view);
	return plan_to_py(&plan);
}

static PyObject *Decider_knobs(DeciderObject *self, PyObject *Py_UNUSED(ignored))
{
	return knobs_to_py(&self->decider.knobs, self->decider.groups);
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

static PyObject *Decider_hold_left_s(DeciderObject *self, void *Py_UNUSED(closure))
{
	return PyFloat_FromDouble(self->decider.guard.hold_left_s);
}

static PyMethodDef Decider_methods[] = {
	{ "observe", (PyCFunction)(void (*)(void))Decider_observe, METH_VARARGS | METH_KEYWORDS,
	  "Take in a snapshot." },
	{ "act", (PyCFunction)Decider_act, METH_VARARGS, "Turn an action into a plan." },
	{ "set_budget", (PyCFunction)(void (*)(void))Decider_set_budget,
	  METH_VARARGS | METH_KEYWORDS,
	  "Decide for another budget from now on." },
	{ "set_limits", (PyCFunction)(void (*)(void))Decider_set_limits,
	  METH_VARARGS | METH_KEYWORDS, "Decide within other limits from now on." },
	{ "knobs", (PyCFunction)Decider_knobs, METH_NOARGS, "Knobs in force." },
	{ "reasons", (PyCFunction)Decider_reasons, METH_NOARGS,
	  "What the guard did at the last decision." },
	{ "rates", (PyCFunction)Decider_rates, METH_NOARGS,
	  "What the last snapshot says of the tenant." },
	{ NULL, NULL, 0, NULL },
};
static PyGetSetDef Decider_getset[] = {
	{ "hold_left_s", (getter)Decider_hold_left_s, NULL,
	  "For how long page-out still stays off.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot Decider_slots[] = {
	{ Py_tp_init, Decider_init },
	{ Py_tp_dealloc, Decider_dealloc },
	{ Py_tp_methods, Decider_methods },
	{ Py_tp_getset, Decider_getset },
	{ Py_tp_doc, "The decision path of one tenant." },
	{ 0, NULL },
};
PyType_Spec Decider_spec = { "damon_tuner._core.Decider", sizeof(DeciderObject), 0,
				    Py_TPFLAGS_DEFAULT, Decider_slots };

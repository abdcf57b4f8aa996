/* SPDX-License-Identifier: Apache-2.0 */
/* History and Forecast: the heat of a tenant's addresses, in the past and to come. */
#include "binding.h"

#include "forecast.h"

typedef struct {
	PyObject_HEAD
	struct history history;
} HistoryObject;

static int History_init(HistoryObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { NULL };

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names))
		return -1;
	history_init(&self->history);
	return 0;
}

static PyObject *History_update(HistoryObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "", "acted_age", NULL };
	uint32_t acted_age = UINT32_MAX;
	struct snapshot snapshot;
	PyObject *object;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O&", names, &object, u32_from_py,
					 &acted_age) ||
	    snapshot_from_py(object, &snapshot))
		return NULL;
	history_update(&self->history, &snapshot, acted_age);
	PyMem_Free((void *)snapshot.regions);
	Py_RETURN_NONE;
}

/* A tuple of what @get says of each of @nr. */
static PyObject *u64s_to_py(uint64_t (*get)(const struct history *, size_t),
			    const struct history *h, size_t nr)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)nr);

	for (size_t i = 0; tuple && i < nr; i++) {
		PyObject *item = PyLong_FromUnsignedLongLong(get(h, i));

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *History_chunks(HistoryObject *self, PyObject *Py_UNUSED(ignored))
{
	return u64s_to_py(history_chunk_start, &self->history, self->history.nr_chunks);
}

static PyObject *History_times_us(HistoryObject *self, PyObject *Py_UNUSED(ignored))
{
	return u64s_to_py(history_time_us, &self->history, history_depth(&self->history));
}

static PyObject *History_heat(HistoryObject *self, PyObject *Py_UNUSED(ignored))
{
	const struct history *h = &self->history;
	const size_t depth = history_depth(h), nr = h->nr_chunks;
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(depth * nr));
	char *out = bytes ? PyBytes_AsString(bytes) : NULL;

	for (size_t back = 0; out && back < depth; back++)
		for (size_t i = 0; i < nr; i++)
			*out++ = (char)history_heat(h, back, i);
	return bytes;
}

static PyObject *History_chunk_bytes(HistoryObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromUnsignedLongLong(1ULL << self->history.shift);
}

static PyObject *History_nr_steps(HistoryObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromUnsignedLongLong(self->history.nr_steps);
}

static PyMethodDef History_methods[] = {
	{ "update", (PyCFunction)(void (*)(void))History_update, METH_VARARGS | METH_KEYWORDS,
	  "Take in a snapshot." },
	{ "chunks", (PyCFunction)History_chunks, METH_NOARGS, "The first address of each chunk." },
	{ "times_us", (PyCFunction)History_times_us, METH_NOARGS,
	  "When each step was observed, the newest first." },
	{ "heat", (PyCFunction)History_heat, METH_NOARGS, "Steps x chunks, the newest first." },
	{ NULL, NULL, 0, NULL },
};
static PyGetSetDef History_getset[] = {
	{ "chunk_bytes", (getter)History_chunk_bytes, NULL, "Size of a chunk.", NULL },
	{ "nr_steps", (getter)History_nr_steps, NULL, "How many snapshots were taken in.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot History_slots[] = {
	{ Py_tp_init, History_init },
	{ Py_tp_dealloc, heap_dealloc },
	{ Py_tp_methods, History_methods },
	{ Py_tp_getset, History_getset },
	{ Py_tp_doc, "Heat of a tenant's addresses over the last control intervals." },
	{ 0, NULL },
};
PyType_Spec History_spec = { "damon_tuner._core.History", sizeof(HistoryObject), 0,
			     Py_TPFLAGS_DEFAULT, History_slots };

typedef struct {
	PyObject_HEAD
	struct forecast forecast;
} ForecastObject;

static int Forecast_init(ForecastObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { NULL };

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names))
		return -1;
	forecast_init(&self->forecast);
	return 0;
}

/* The history that @object is, or NULL with an exception set. */
static const struct history *history_from_py(PyObject *self, PyObject *object)
{
	PyObject *type = state_of(self)->history_type;

	if (PyObject_IsInstance(object, type) == 1)
		return &((HistoryObject *)object)->history;
	PyErr_Format(PyExc_TypeError, "a _core.History is needed, not %R", object);
	return NULL;
}

static PyObject *Forecast_update(PyObject *self, PyObject *args)
{
	const struct history *history;
	PyObject *of, *object;
	struct snapshot snapshot;

	if (!PyArg_ParseTuple(args, "OO", &of, &object))
		return NULL;
	history = history_from_py(self, of);
	if (!history || snapshot_from_py(object, &snapshot))
		return NULL;
	forecast_update(&((ForecastObject *)self)->forecast, history, &snapshot);
	PyMem_Free((void *)snapshot.regions);
	Py_RETURN_NONE;
}

static PyObject *Forecast_needed(PyObject *self, PyObject *args)
{
	struct forecast_range ranges[HISTORY_CHUNKS];
	const struct history *history;
	unsigned most = HISTORY_CHUNKS;
	PyObject *of, *tuple;
	double horizon_s;
	size_t nr;

	if (!PyArg_ParseTuple(args, "Od|I", &of, &horizon_s, &most))
		return NULL;
	history = history_from_py(self, of);
	if (!history)
		return NULL;
	nr = forecast_needed(&((ForecastObject *)self)->forecast, history, horizon_s, ranges,
			     most < HISTORY_CHUNKS ? most : HISTORY_CHUNKS);
	tuple = PyTuple_New((Py_ssize_t)nr);
	for (size_t i = 0; tuple && i < nr; i++) {
		PyObject *item = Py_BuildValue("KK", (unsigned long long)ranges[i].start,
					       (unsigned long long)ranges[i].end);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *shares_to_py(const double *share)
{
	PyObject *dict = PyDict_New();

	for (int i = 0; dict && i < NR_FORECAST_SHARES; i++) {
		PyObject *value = PyFloat_FromDouble(share[i]);

		if (!value || PyDict_SetItemString(dict, forecast_share_names[i], value))
			Py_CLEAR(dict);
		Py_XDECREF(value);
	}
	return dict;
}

static PyObject *Forecast_now(ForecastObject *self, PyObject *Py_UNUSED(ignored))
{
	return shares_to_py(self->forecast.now);
}

static PyObject *Forecast_ahead(ForecastObject *self, PyObject *Py_UNUSED(ignored))
{
	PyObject *tuple = PyTuple_New(NR_FORECAST_HORIZONS);

	for (int i = 0; tuple && i < NR_FORECAST_HORIZONS; i++) {
		PyObject *item = shares_to_py(self->forecast.at[i]);

		if (!item || PyTuple_SetItem(tuple, i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *Forecast_period_s(ForecastObject *self, void *Py_UNUSED(closure))
{
	return PyFloat_FromDouble(self->forecast.period_s);
}

static PyObject *Forecast_strength(ForecastObject *self, void *Py_UNUSED(closure))
{
	return PyFloat_FromDouble(self->forecast.strength);
}

static PyMethodDef Forecast_methods[] = {
	{ "update", Forecast_update, METH_VARARGS, "Take in what the history has taken in." },
	{ "needed", Forecast_needed, METH_VARARGS, "What is not in use now and soon will be." },
	{ "now", (PyCFunction)Forecast_now, METH_NOARGS, "Shares of the last snapshot." },
	{ "ahead", (PyCFunction)Forecast_ahead, METH_NOARGS, "Shares at each horizon." },
	{ NULL, NULL, 0, NULL },
};
static PyGetSetDef Forecast_getset[] = {
	{ "period_s", (getter)Forecast_period_s, NULL, "The period, or 0.", NULL },
	{ "strength", (getter)Forecast_strength, NULL, "How alike periods are, 0 to 1.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot Forecast_slots[] = {
	{ Py_tp_init, Forecast_init },
	{ Py_tp_dealloc, heap_dealloc },
	{ Py_tp_methods, Forecast_methods },
	{ Py_tp_getset, Forecast_getset },
	{ Py_tp_doc, "What a tenant will use: how much, how hot, and which addresses." },
	{ 0, NULL },
};
PyType_Spec Forecast_spec = { "damon_tuner._core.Forecast", sizeof(ForecastObject), 0,
			      Py_TPFLAGS_DEFAULT, Forecast_slots };

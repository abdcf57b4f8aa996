/* SPDX-License-Identifier: Apache-2.0 */
/* History: the heat of a tenant's addresses over the last control intervals. */
#include "binding.h"

#include "history.h"

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

static PyObject *History_update(HistoryObject *self, PyObject *object)
{
	struct snapshot snapshot;

	if (snapshot_from_py(object, &snapshot))
		return NULL;
	history_update(&self->history, &snapshot);
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
	{ "update", (PyCFunction)History_update, METH_O, "Take in a snapshot." },
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

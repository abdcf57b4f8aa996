/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes: how a tenant's memory is used over time, with the history that this is told from. */
#include "binding.h"

#include "attributes.h"

typedef struct {
	PyObject_HEAD
	struct history history;
	struct attributes attributes;
} AttributesObject;

static int Attributes_init(AttributesObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { NULL };

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names))
		return -1;
	history_init(&self->history);
	attributes_init(&self->attributes);
	return 0;
}

static PyObject *Attributes_update(AttributesObject *self, PyObject *args, PyObject *kwargs)
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
	attributes_update(&self->attributes, &self->history, &snapshot, acted_age);
	PyMem_Free((void *)snapshot.regions);
	Py_RETURN_NONE;
}

/* Mean over the steps. */
static double mean_heat(const struct history *h, size_t chunk)
{
	const size_t depth = history_depth(h);
	unsigned sum = 0;

	for (size_t back = 0; back < depth; back++)
		sum += history_heat(h, back, chunk);
	return depth ? sum / 255.0 / (double)depth : 0.0;
}

static PyObject *chunk_to_py(const AttributesObject *self, size_t i)
{
	const struct chunk_attributes *found = &self->attributes.found[i];

	return Py_BuildValue("(KKddsdIi)",
			     (unsigned long long)history_chunk_start(&self->history, i),
			     (unsigned long long)history_chunk_end(&self->history, i), found->bytes,
			     mean_heat(&self->history, i),
			     attributes_pattern_names[found->pattern], found->reuse_s,
			     found->group, found->direction);
}

static PyObject *Attributes_chunks(AttributesObject *self, PyObject *Py_UNUSED(ignored))
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)self->attributes.nr_chunks);

	for (size_t i = 0; tuple && i < self->attributes.nr_chunks; i++) {
		PyObject *item = chunk_to_py(self, i);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static PyObject *Attributes_features(AttributesObject *self, PyObject *Py_UNUSED(ignored))
{
	PyObject *dict = PyDict_New();

	for (size_t i = 0; dict && i < NR_ATTRIBUTE_FEATURES; i++) {
		PyObject *value = PyFloat_FromDouble((double)self->attributes.features[i]);

		if (!value || PyDict_SetItemString(dict, attribute_feature_names[i], value))
			Py_CLEAR(dict);
		Py_XDECREF(value);
	}
	return dict;
}

static PyObject *Attributes_nr_steps(AttributesObject *self, void *Py_UNUSED(closure))
{
	return PyLong_FromUnsignedLongLong(self->history.nr_steps);
}

static PyMethodDef Attributes_methods[] = {
	{ "update", (PyCFunction)(void (*)(void))Attributes_update, METH_VARARGS | METH_KEYWORDS,
	  "Take in a snapshot." },
	{ "chunks", (PyCFunction)Attributes_chunks, METH_NOARGS, "What is known of each chunk." },
	{ "features", (PyCFunction)Attributes_features, METH_NOARGS, "All chunks in five numbers." },
	{ NULL, NULL, 0, NULL },
};
static PyGetSetDef Attributes_getset[] = {
	{ "nr_steps", (getter)Attributes_nr_steps, NULL, "How many snapshots were taken in.", NULL },
	{ NULL, NULL, NULL, NULL, NULL },
};
static PyType_Slot Attributes_slots[] = {
	{ Py_tp_init, Attributes_init },
	{ Py_tp_dealloc, heap_dealloc },
	{ Py_tp_methods, Attributes_methods },
	{ Py_tp_getset, Attributes_getset },
	{ Py_tp_doc, "How a tenant's memory is used over time." },
	{ 0, NULL },
};
PyType_Spec Attributes_spec = { "damon_tuner._core.Attributes", sizeof(AttributesObject), 0,
				Py_TPFLAGS_DEFAULT, Attributes_slots };

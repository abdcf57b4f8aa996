/* SPDX-License-Identifier: Apache-2.0 */
/* Network: the weights of a policy. */
#include "binding.h"

#include <string.h>

#include "network.h"

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

static int output_from_name(const char *name, enum network_output *output)
{
	if (!strcmp(name, "clip")) {
		*output = NETWORK_CLIP;
		return 0;
	}
	if (!strcmp(name, "tanh")) {
		*output = NETWORK_TANH;
		return 0;
	}
	PyErr_Format(PyExc_ValueError, "no output %s: it is clip or tanh", name);
	return -1;
}

static int Network_init(NetworkObject *self, PyObject *args, PyObject *kwargs)
{
	static char *names[] = { "sizes", "mean", "scale", "clip", "parameters", "output", NULL };
	PyObject *sizes, *mean, *scale, *parameters;
	size_t width[NETWORK_MAX_LAYERS + 1], nr_floats;
	enum network_output output;
	const char *output_name = "clip";
	Py_ssize_t nr_layers;
	double clip;
	float *at;

	if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOdO|s", names, &sizes, &mean, &scale,
					 &clip, &parameters, &output_name) ||
	    output_from_name(output_name, &output))
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
					  .clip = (float)clip, .output = output,
					  .nr_layers = (size_t)nr_layers };
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
PyType_Spec Network_spec = { "damon_tuner._core.Network", sizeof(NetworkObject), 0,
				    Py_TPFLAGS_DEFAULT, Network_slots };

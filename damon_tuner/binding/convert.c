/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, buffers and attributes; the formats "K" and "I" would take -1 for a large number. */
#include "binding.h"

/* A converter for PyArg_Parse*: 1 when @value, a uint64_t, was filled. */
int u64_from_py(PyObject *object, void *value)
{
	PyObject *number = PyNumber_Index(object);

	if (!number)
		return 0;
	*(uint64_t *)value = PyLong_AsUnsignedLongLong(number);
	Py_DECREF(number);
	return !PyErr_Occurred();
}

/* The same for a uint32_t. */
int u32_from_py(PyObject *object, void *value)
{
	uint64_t wide;

	if (!u64_from_py(object, &wide))
		return 0;
	if (wide > UINT32_MAX) {
		PyErr_Format(PyExc_OverflowError, "%R does not fit into 32 bits", object);
		return 0;
	}
	*(uint32_t *)value = (uint32_t)wide;
	return 1;
}

int is_native_format(const char *format, char type)
{
	if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>'))
		format++;
	return format[0] == type && !format[1];
}

/* Borrow the memory of @object: exactly @nr items of @type, 'f' or 'd', contiguous. */
int get_buffer(PyObject *object, Py_buffer *view, size_t nr, char type, int writable,
		      const char *what)
{
	const size_t item_size = type == 'f' ? sizeof(float) : sizeof(double);
	const char *format;

	if (PyObject_GetBuffer(object, view,
			       PyBUF_FORMAT | (writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO)))
		return -1;
	format = view->format ? view->format : "B";
	if ((size_t)view->len != nr * item_size || (uintptr_t)view->buf % item_size != 0 ||
	    !is_native_format(format, type)) {
		PyErr_Format(PyExc_ValueError,
			     "%s must be %zu aligned items of type '%c', got %zd bytes of type '%s'",
			     what, nr, type, view->len, format);
		PyBuffer_Release(view);
		return -1;
	}
	return 0;
}

int attr_u64(PyObject *object, const char *name, uint64_t *value)
{
	PyObject *attr = PyObject_GetAttrString(object, name);
	int ok = attr && u64_from_py(attr, value);

	Py_XDECREF(attr);
	return ok ? 0 : -1;
}

int attr_u32(PyObject *object, const char *name, uint32_t *value)
{
	uint64_t wide;

	if (attr_u64(object, name, &wide))
		return -1;
	if (wide > UINT32_MAX) {
		PyErr_Format(PyExc_OverflowError, "%s does not fit into 32 bits", name);
		return -1;
	}
	*value = (uint32_t)wide;
	return 0;
}

int attr_double(PyObject *object, const char *name, double *value)
{
	PyObject *attr = PyObject_GetAttrString(object, name);

	if (!attr)
		return -1;
	*value = PyFloat_AsDouble(attr);
	Py_DECREF(attr);
	return PyErr_Occurred() ? -1 : 0;
}

/* Index of the string attribute @name in @names. */
int attr_choice(PyObject *object, const char *name, const char *const *names, int nr)
{
	PyObject *attr = PyObject_GetAttrString(object, name);
	int found = -1;

	if (!attr)
		return -1;
	for (int i = 0; i < nr && PyUnicode_Check(attr); i++)
		if (!PyUnicode_CompareWithASCIIString(attr, names[i]))
			found = i;
	if (found < 0)
		PyErr_Format(PyExc_ValueError, "%s: %R is not supported", name, attr);
	Py_DECREF(attr);
	return found;
}

int attr_i32(PyObject *object, const char *name, int32_t *value)
{
	PyObject *attr = PyObject_GetAttrString(object, name);
	long long wide = attr ? PyLong_AsLongLong(attr) : -1;

	Py_XDECREF(attr);
	if (PyErr_Occurred())
		return -1;
	if (wide < INT32_MIN || wide > INT32_MAX) {
		PyErr_Format(PyExc_OverflowError, "%s does not fit into 32 bits", name);
		return -1;
	}
	*value = (int32_t)wide;
	return 0;
}

int attr_bool(PyObject *object, const char *name, bool *value)
{
	PyObject *attr = PyObject_GetAttrString(object, name);
	int truth = attr ? PyObject_IsTrue(attr) : -1;

	Py_XDECREF(attr);
	*value = truth > 0;
	return truth < 0 ? -1 : 0;
}

int attr_object(PyObject *object, const char *name, int (*fill)(PyObject *, void *), void *into)
{
	PyObject *attr = PyObject_GetAttrString(object, name);
	int err = !attr || fill(attr, into);

	Py_XDECREF(attr);
	return err ? -1 : 0;
}

int attr_items(PyObject *object, const char *name, int (*fill)(PyObject *, void *), void *into,
	       size_t item_size, uint32_t most, uint32_t *nr)
{
	PyObject *all = PyObject_GetAttrString(object, name);
	Py_ssize_t size = all ? PySequence_Size(all) : -1;
	int err = size < 0;

	if (!err && size > (Py_ssize_t)most) {
		PyErr_Format(PyExc_ValueError, "%s: at most %u", name, (unsigned)most);
		err = 1;
	}
	for (Py_ssize_t i = 0; !err && i < size; i++) {
		PyObject *item = PySequence_GetItem(all, i);

		err = !item || fill(item, (char *)into + (size_t)i * item_size);
		Py_XDECREF(item);
	}
	Py_XDECREF(all);
	*nr = err ? 0 : (uint32_t)size;
	return err ? -1 : 0;
}

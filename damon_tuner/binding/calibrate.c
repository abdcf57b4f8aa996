/* SPDX-License-Identifier: Apache-2.0 */
/* Timed work on memory that Python owns, without Python's lock. */
#include "binding.h"

#include <errno.h>
#include <stdlib.h>

#include "bench.h"
#include "lz.h"
#include "nodes.h"

static int borrow(PyObject *object, Py_buffer *view, int writable)
{
	return PyObject_GetBuffer(object, view, writable ? PyBUF_CONTIG : PyBUF_CONTIG_RO);
}

static PyObject *refuse(Py_buffer *view, const char *why)
{
	PyBuffer_Release(view);
	PyErr_SetString(PyExc_ValueError, why);
	return NULL;
}

static PyObject *fail(Py_buffer *view, int err)
{
	PyBuffer_Release(view);
	errno = -err;
	return PyErr_SetFromErrno(PyExc_OSError);
}

static PyObject *address_of(PyObject *Py_UNUSED(module), PyObject *object)
{
	PyObject *address;
	Py_buffer view;

	if (borrow(object, &view, 0))
		return NULL;
	address = PyLong_FromVoidPtr(view.buf);
	PyBuffer_Release(&view);
	return address;
}

static PyObject *fill(PyObject *Py_UNUSED(module), PyObject *args)
{
	PyObject *object;
	uint64_t pattern;
	Py_buffer view;

	if (!PyArg_ParseTuple(args, "OO&", &object, u64_from_py, &pattern) ||
	    borrow(object, &view, 1))
		return NULL;
	if ((uintptr_t)view.buf % sizeof(uint64_t))
		return refuse(&view, "the memory must be aligned to 8 bytes");
	Py_BEGIN_ALLOW_THREADS
	bench_fill(view.buf, (size_t)view.len / sizeof(uint64_t), pattern);
	Py_END_ALLOW_THREADS
	PyBuffer_Release(&view);
	Py_RETURN_NONE;
}

static PyObject *random_ns(PyObject *Py_UNUSED(module), PyObject *args)
{
	uint64_t nr_accesses, pattern, seed, ns;
	uint32_t nr_chains;
	PyObject *object;
	size_t nr_lines;
	Py_buffer view;

	if (!PyArg_ParseTuple(args, "OO&O&O&O&", &object, u64_from_py, &nr_accesses, u32_from_py,
			      &nr_chains, u64_from_py, &pattern, u64_from_py, &seed) ||
	    borrow(object, &view, 0))
		return NULL;
	nr_lines = (size_t)view.len / BENCH_LINE_BYTES;
	if (!nr_lines || nr_lines & (nr_lines - 1) || (uintptr_t)view.buf % sizeof(uint64_t))
		return refuse(&view, "the memory must be aligned, and a power of two of 64 or more");
	if (nr_chains != 1 && nr_chains != BENCH_MAX_CHAINS)
		return refuse(&view, "there are 1 or 8 chains");
	Py_BEGIN_ALLOW_THREADS
	ns = bench_random_ns(view.buf, nr_lines, nr_accesses, nr_chains, pattern, seed);
	Py_END_ALLOW_THREADS
	if (!ns)
		return refuse(&view, "the memory does not hold the pattern: fill it first");
	PyBuffer_Release(&view);
	return PyLong_FromUnsignedLongLong(ns);
}

/* @nr is how many pages the memory has, or how often all of it is copied. */
static PyObject *copy(PyObject *to, PyObject *from, uint32_t nr, int by_page, uint64_t seed)
{
	Py_buffer dst, src;
	uint64_t ns;

	if (borrow(to, &dst, 1))
		return NULL;
	if (borrow(from, &src, 0)) {
		PyBuffer_Release(&dst);
		return NULL;
	}
	if (src.len != dst.len || (by_page && (!nr || (size_t)src.len < nr))) {
		PyBuffer_Release(&src);
		return refuse(&dst, "both must have the same size, of a page or more");
	}
	Py_BEGIN_ALLOW_THREADS
	ns = by_page ? bench_copy_pages_ns(dst.buf, src.buf, (size_t)src.len / nr, nr, seed) :
		       bench_copy_ns(dst.buf, src.buf, (size_t)src.len, nr);
	Py_END_ALLOW_THREADS
	PyBuffer_Release(&src);
	PyBuffer_Release(&dst);
	return PyLong_FromUnsignedLongLong(ns);
}

static PyObject *copy_ns(PyObject *Py_UNUSED(module), PyObject *args)
{
	PyObject *to, *from;
	uint32_t repeats;

	if (!PyArg_ParseTuple(args, "OOO&", &to, &from, u32_from_py, &repeats))
		return NULL;
	return copy(to, from, repeats, 0, 0);
}

static PyObject *copy_pages_ns(PyObject *Py_UNUSED(module), PyObject *args)
{
	PyObject *to, *from;
	uint32_t nr_pages;
	uint64_t seed;

	if (!PyArg_ParseTuple(args, "OOO&O&", &to, &from, u32_from_py, &nr_pages, u64_from_py,
			      &seed))
		return NULL;
	return copy(to, from, nr_pages, 1, seed);
}

static PyObject *touch_ns(PyObject *Py_UNUSED(module), PyObject *args)
{
	uint64_t step_bytes, ns;
	PyObject *object;
	Py_buffer view;

	if (!PyArg_ParseTuple(args, "OO&", &object, u64_from_py, &step_bytes) ||
	    borrow(object, &view, 1))
		return NULL;
	if (!step_bytes || step_bytes > PY_SSIZE_T_MAX)
		return refuse(&view, "the step must be at least 1 and fit into memory");
	Py_BEGIN_ALLOW_THREADS
	ns = bench_touch_ns(view.buf, (size_t)view.len, (size_t)step_bytes);
	Py_END_ALLOW_THREADS
	PyBuffer_Release(&view);
	return PyLong_FromUnsignedLongLong(ns);
}

static PyObject *bind_node(PyObject *Py_UNUSED(module), PyObject *args)
{
	PyObject *object;
	Py_buffer view;
	uint32_t node;
	int err;

	if (!PyArg_ParseTuple(args, "OO&", &object, u32_from_py, &node) ||
	    borrow(object, &view, 1))
		return NULL;
	err = nodes_bind(view.buf, (size_t)view.len, node);
	if (err)
		return fail(&view, err);
	PyBuffer_Release(&view);
	Py_RETURN_NONE;
}

static PyObject *move_to_node(PyObject *Py_UNUSED(module), PyObject *args)
{
	uint64_t unit_bytes, ns;
	size_t nr_there;
	PyObject *object;
	Py_buffer view;
	int node, err;

	if (!PyArg_ParseTuple(args, "OO&i", &object, u64_from_py, &unit_bytes, &node) ||
	    borrow(object, &view, 1))
		return NULL;
	if (!unit_bytes || unit_bytes > (uint64_t)view.len)
		return refuse(&view, "the unit must be at least 1 byte and at most the memory");
	Py_BEGIN_ALLOW_THREADS
	err = nodes_move(view.buf, (size_t)unit_bytes, (size_t)view.len / (size_t)unit_bytes, node,
			 &ns, &nr_there);
	Py_END_ALLOW_THREADS
	if (err)
		return fail(&view, err);
	PyBuffer_Release(&view);
	return Py_BuildValue("(Kn)", (unsigned long long)ns, (Py_ssize_t)nr_there);
}

/* @args: a buffer, and at most how many bytes @code may make of it; None when it made nothing. */
static PyObject *coded(PyObject *args,
		       size_t (*code)(const uint8_t *, size_t, uint8_t *, size_t))
{
	PyObject *object, *result;
	uint8_t *out;
	Py_buffer view;
	uint32_t max;
	size_t nr;

	if (!PyArg_ParseTuple(args, "OO&", &object, u32_from_py, &max) ||
	    borrow(object, &view, 0))
		return NULL;
	out = malloc(max ? max : 1);
	if (!out) {
		PyBuffer_Release(&view);
		return PyErr_NoMemory();
	}
	nr = code(view.buf, (size_t)view.len, out, max);
	PyBuffer_Release(&view);
	result = nr ? PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)nr) :
		      Py_NewRef(Py_None);
	free(out);
	return result;
}

static PyObject *compress(PyObject *Py_UNUSED(module), PyObject *args)
{
	return coded(args, lz_compress);
}

static PyObject *decompress(PyObject *Py_UNUSED(module), PyObject *args)
{
	return coded(args, lz_decompress);
}

static PyObject *measure_compression(PyObject *Py_UNUSED(module), PyObject *args)
{
	struct lz_costs costs;
	uint32_t page_bytes;
	PyObject *object;
	Py_buffer view;
	bool ok;

	if (!PyArg_ParseTuple(args, "OO&", &object, u32_from_py, &page_bytes) ||
	    borrow(object, &view, 0))
		return NULL;
	if (page_bytes < 2 || page_bytes > LZ_MAX_INPUT_BYTES)
		return refuse(&view, "a page has 2 to 65535 bytes");
	Py_BEGIN_ALLOW_THREADS
	ok = lz_measure(view.buf, page_bytes, (size_t)view.len / page_bytes, &costs);
	Py_END_ALLOW_THREADS
	PyBuffer_Release(&view);
	if (!ok)
		return PyErr_NoMemory();
	return Py_BuildValue("(KKnn)", (unsigned long long)costs.compress_ns,
			     (unsigned long long)costs.decompress_ns, (Py_ssize_t)costs.nr_stored,
			     (Py_ssize_t)costs.stored_bytes);
}

PyMethodDef calibrate_methods[] = {
	{ "bench_address", address_of, METH_O, "Where a buffer starts." },
	{ "bench_fill", fill, METH_VARARGS, "Write a pattern to every word." },
	{ "bench_random_ns", random_ns, METH_VARARGS, "Time of random reads." },
	{ "bench_copy_ns", copy_ns, METH_VARARGS, "Time of copies." },
	{ "bench_copy_pages_ns", copy_pages_ns, METH_VARARGS, "Time of copies page by page." },
	{ "bench_touch_ns", touch_ns, METH_VARARGS, "Time of one write every so many bytes." },
	{ "bench_bind_node", bind_node, METH_VARARGS, "Take pages from one node alone." },
	{ "bench_move_pages", move_to_node, METH_VARARGS, "Move pages to a node." },
	{ "lz_compress", compress, METH_VARARGS, "Compress as zram and zswap do." },
	{ "lz_decompress", decompress, METH_VARARGS, "The way back." },
	{ "bench_compression", measure_compression, METH_VARARGS, "Time of both, by page." },
	{ NULL, NULL, 0, NULL },
};

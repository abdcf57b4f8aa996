/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share: conversions between Python and C, and the types. */
#ifndef DT_BINDING_H
#define DT_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>

#include "decide.h"
#include "simhost.h"

/* Converters for PyArg_Parse*: 1 when @value, a uint64_t or uint32_t, was filled. */
int u64_from_py(PyObject *object, void *value);
int u32_from_py(PyObject *object, void *value);

/* Borrow the memory of @object: exactly @nr items of @type, 'f' or 'd', contiguous. */
int get_buffer(PyObject *object, Py_buffer *view, size_t nr, char type, int writable,
	       const char *what);

/* Whether @format, in the letters of the struct module, is @type as C has it. */
int is_native_format(const char *format, char type);

/* Attributes of @object; -1 with an exception set when there is none that fits. */
int attr_u64(PyObject *object, const char *name, uint64_t *value);
int attr_u32(PyObject *object, const char *name, uint32_t *value);
int attr_i32(PyObject *object, const char *name, int32_t *value);
int attr_bool(PyObject *object, const char *name, bool *value);
int attr_double(PyObject *object, const char *name, double *value);
/* Index of the string attribute @name in @names. */
int attr_choice(PyObject *object, const char *name, const char *const *names, int nr);

/* Let @fill take the attribute @name, or each of its items, of which there are @most. */
int attr_object(PyObject *object, const char *name, int (*fill)(PyObject *, void *), void *into);
int attr_items(PyObject *object, const char *name, int (*fill)(PyObject *, void *), void *into,
	       size_t item_size, uint32_t most, uint32_t *nr);

int scheme_from_py(PyObject *object, struct scheme *scheme);
PyObject *scheme_to_py(const struct scheme *scheme);
PyObject *plan_to_py(const struct plan *plan);
PyObject *stats_to_py(const struct scheme_stats *stats);
/* On success the caller frees @regions of the snapshot. */
int snapshot_from_py(PyObject *object, struct snapshot *snapshot);
/* Takes over the references to @regions and @stats. */
PyObject *snapshot_to_py(const struct snapshot *snapshot, PyObject *regions, PyObject *stats);
/* The knobs of @groups, by name. */
PyObject *knobs_to_py(const struct knobs *knobs, unsigned groups);
/* A converter for PyArg_Parse*: names to a set of groups, which has a knob. */
int groups_from_py(PyObject *names, void *into);
PyObject *reasons_to_py(unsigned reasons);

typedef struct {
	PyObject_HEAD
	struct sim_spec spec;
} SpecObject;

/* What a simulated host shows. */
PyObject *regions_to_py(const struct snapshot *snapshot);
PyObject *all_stats_to_py(const struct kdamond *kdamond);
PyObject *parameters_to_py(const struct sim_host *host, size_t tenant);
PyObject *load_to_py(const struct memory *memory);
/* A byte for each block. */
PyObject *file_blocks_to_py(const struct memory *memory);
PyObject *machine_to_py(const struct sim_host *host);
/* Fill from a host.MonitoringAttrs and from a SimContext. */
int damon_attrs_from_py(PyObject *object, struct damon_attrs *attrs);
int probes_from_py(PyObject *attrs, struct damon_probe *probes, size_t *nr);
/* On success or failure the caller frees @specs by PyMem_Free. */
int contexts_from_py(PyObject *sequence, struct context_spec **specs, size_t *nr);
/* One spec, or a tuple of @nr, one a tenant; borrowed from @object. */
int specs_from_py(PyObject *object, size_t nr, const struct sim_spec **specs);
/* One budget for all of @nr tenants, or a tuple of one each. */
int budgets_from_py(PyObject *object, size_t nr, double *budgets);
/* The number of the tenant that a container's path names. */
int attr_memcg(PyObject *object, const char *name, uint32_t *memcg);

struct module_state {
	PyObject *spec_type;
	PyObject *history_type;
};

struct module_state *state_of(PyObject *self);
void heap_dealloc(PyObject *self);

/* The functions of calibrate.c and groups.c, which the module takes in. */
extern PyMethodDef calibrate_methods[], groups_methods[];

extern PyType_Spec Spec_spec, Batch_spec, Decider_spec, Network_spec, Monitor_spec;
extern PyType_Spec History_spec, Forecast_spec, Attributes_spec;

#endif

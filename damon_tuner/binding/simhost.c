/* SPDX-License-Identifier: Apache-2.0 */
/* What a simulated host shows, as Python has it; and its contexts, from a host.SimContext. */
#include "binding.h"

#include "simhost.h"

PyObject *regions_to_py(const struct snapshot *s)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)s->nr_regions);

	for (size_t i = 0; tuple && i < s->nr_regions; i++) {
		const struct snapshot_region *r = &s->regions[i];
		PyObject *item = Py_BuildValue("(KKII)", (unsigned long long)r->start,
					       (unsigned long long)r->end,
					       (unsigned)r->nr_accesses, (unsigned)r->age);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

PyObject *all_stats_to_py(const struct kdamond *kdamond)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)kdamond->nr_schemes);

	for (size_t i = 0; tuple && i < kdamond->nr_schemes; i++) {
		PyObject *item = stats_to_py(&kdamond->schemes[i].stats);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

static int set_double(PyObject *dict, const char *name, double value)
{
	PyObject *number = PyFloat_FromDouble(value);
	int err = !number || PyDict_SetItemString(dict, name, number);

	Py_XDECREF(number);
	return err;
}

PyObject *parameters_to_py(const struct sim_host *h, size_t tenant)
{
	const struct workload *w = &h->world.tenants[tenant].workload;
	PyObject *dict = PyDict_New();
	int err = !dict;

	for (size_t i = 0; !err && i < workload_nr_params(w->family); i++)
		err = set_double(dict, workload_param(w->family, i)->name, w->params[i]);
	for (size_t i = 0; !err && i < NR_PROFILE_PARAMS; i++)
		err = set_double(dict, profile_params[i].name, h->world.machine.profile[i]);
	if (err)
		Py_CLEAR(dict);
	return dict;
}

/* What the load does now, which no host would show. */
PyObject *load_to_py(const struct memory *m)
{
	PyObject *list = PyList_New(0);

	for (size_t i = 0; list && i < m->nr_blocks; i++) {
		PyObject *item = Py_BuildValue("(dd)", (double)m->blocks[i].rate_hz,
					       (double)m->blocks[i].touched);

		if (!item || PyList_Append(list, item))
			Py_CLEAR(list);
		Py_XDECREF(item);
	}
	return list;
}

PyObject *file_blocks_to_py(const struct memory *m)
{
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)m->nr_blocks);
	char *at = bytes ? PyBytes_AsString(bytes) : NULL;

	for (size_t i = 0; bytes && i < m->nr_blocks; i++)
		at[i] = m->blocks[i].is_file;
	return bytes;
}

PyObject *machine_to_py(const struct sim_host *h)
{
	static const char *const tiers[NR_TIERS] = { "fast", "slow", "pool", "swap", "storage" };
	PyObject *dict = PyDict_New(), *used = PyDict_New();
	struct sim_machine m;
	int err = !dict || !used;

	sim_host_machine(h, &m);
	for (size_t t = 0; !err && t < NR_TIERS; t++)
		err = set_double(used, tiers[t], m.used_bytes[t]);
	err = err || PyDict_SetItemString(dict, "used_bytes", used) ||
	      set_double(dict, "free_bytes", m.free_bytes) ||
	      set_double(dict, "fast_bytes", m.max_bytes[TIER_FAST]) ||
	      set_double(dict, "slow_bytes", m.max_bytes[TIER_SLOW]) ||
	      set_double(dict, "blocks", m.power.nr_blocks) ||
	      set_double(dict, "blocks_movable", m.power.nr_movable) ||
	      set_double(dict, "blocks_offline", m.power.nr_offline) ||
	      set_double(dict, "blocks_failed", m.power.nr_failed) ||
	      set_double(dict, "clock_cap", m.power.clock_cap) ||
	      set_double(dict, "energy_j", m.power.energy_j) ||
	      set_double(dict, "kernel_reclaimed_bytes", m.kernel_reclaimed_bytes) ||
	      set_double(dict, "oom_kills", m.oom_kills);
	if (err)
		Py_CLEAR(dict);
	Py_XDECREF(used);
	return dict;
}

/* ---- contexts ---- */

static const char *const operations_names[NR_DAMON_OPS] = {
	[DAMON_OPS_VADDR] = "vaddr", [DAMON_OPS_FVADDR] = "fvaddr", [DAMON_OPS_PADDR] = "paddr"
};

static int target_from_py(PyObject *item, void *into)
{
	return u32_from_py(item, into) ? 0 : -1;
}

static int attrs_from_py(PyObject *attrs, void *into)
{
	struct context_spec *spec = into;

	return damon_attrs_from_py(attrs, &spec->attrs) ||
	       probes_from_py(attrs, spec->probes, &spec->nr_probes);
}

static int context_from_py(PyObject *object, struct context_spec *spec)
{
	const int ops = attr_choice(object, "operations", operations_names, NR_DAMON_OPS);
	uint32_t nodes[NR_FRAME_TIERS], nr_nodes;

	if (ops < 0 || attr_object(object, "attrs", attrs_from_py, spec) ||
	    attr_items(object, "targets", target_from_py, spec->targets, sizeof(*spec->targets),
		       WORLD_MAX_TENANTS, &spec->nr_targets) ||
	    attr_items(object, "nodes", target_from_py, nodes, sizeof(*nodes), NR_FRAME_TIERS,
		       &nr_nodes))
		return -1;
	spec->ops_id = (enum damon_ops_id)ops;
	for (uint32_t i = 0; i < nr_nodes; i++) {
		if (nodes[i] >= NR_FRAME_TIERS) {
			PyErr_SetString(PyExc_ValueError, "nodes: 0 is the fast one, 1 the slow");
			return -1;
		}
		spec->nodes[nodes[i]] = true;
	}
	return 0;
}

int contexts_from_py(PyObject *sequence, struct context_spec **specs, size_t *nr)
{
	Py_ssize_t size = PySequence_Size(sequence);

	*specs = NULL;
	if (size < 0)
		return -1;
	if (size < 1 || size > SIM_MAX_CONTEXTS) {
		PyErr_Format(PyExc_ValueError, "a host has 1 to %d contexts", SIM_MAX_CONTEXTS);
		return -1;
	}
	*specs = PyMem_Calloc((size_t)size, sizeof(**specs));
	if (!*specs) {
		PyErr_NoMemory();
		return -1;
	}
	*nr = (size_t)size;
	for (Py_ssize_t i = 0; i < size; i++) {
		PyObject *item = PySequence_GetItem(sequence, i);
		int err = !item || context_from_py(item, &(*specs)[i]);

		Py_XDECREF(item);
		if (err)
			return -1;
	}
	return 0;
}

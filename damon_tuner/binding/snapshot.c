/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots, from a host.Snapshot and to its fields. */
#include "binding.h"

#include <math.h>
#include <string.h>

static int intervals_from_py(PyObject *object, struct snapshot *s)
{
	PyObject *intervals = PyObject_GetAttrString(object, "intervals");
	int err;

	if (!intervals)
		return -1;
	err = attr_u64(intervals, "sample_us", &s->sample_us) ||
	      attr_u64(intervals, "aggr_us", &s->aggr_us);
	Py_DECREF(intervals);
	if (!err && (!s->sample_us || s->aggr_us < s->sample_us)) {
		PyErr_SetString(PyExc_ValueError, "intervals: need 0 < sample_us <= aggr_us");
		err = 1;
	}
	return err ? -1 : 0;
}

static int stats_from_py(PyObject *object, struct scheme_stats *stats)
{
	PyObject *all = PyObject_GetAttrString(object, "scheme_stats"), *first;
	Py_ssize_t nr = all ? PySequence_Size(all) : -1;
	int err = 0;

	if (nr > 0) {
		first = PySequence_GetItem(all, 0);
		err = !first || attr_u64(first, "sz_tried_bytes", &stats->sz_tried_bytes) ||
		      attr_u64(first, "qt_exceeds", &stats->qt_exceeds) ||
		      attr_u64(first, "effective_quota_bytes", &stats->effective_quota_bytes);
		Py_XDECREF(first);
	}
	Py_XDECREF(all);
	return nr < 0 || err ? -1 : 0;
}

static int region_from_py(PyObject *object, struct snapshot_region *r)
{
	if (!object || attr_u64(object, "start", &r->start) || attr_u64(object, "end", &r->end) ||
	    attr_u32(object, "nr_accesses", &r->nr_accesses) || attr_u32(object, "age", &r->age))
		return -1;
	if (r->end >= r->start)
		return 0;
	PyErr_SetString(PyExc_ValueError, "a region ends before it starts");
	return -1;
}

static struct snapshot_region *regions_from_py(PyObject *object, size_t *nr)
{
	PyObject *all = PyObject_GetAttrString(object, "regions");
	Py_ssize_t size = all ? PySequence_Size(all) : -1;
	struct snapshot_region *regions = NULL;

	if (size < 0)
		goto out;
	regions = PyMem_Calloc((size_t)size + 1, sizeof(*regions));
	if (!regions)
		PyErr_NoMemory();
	for (Py_ssize_t i = 0; regions && i < size; i++) {
		PyObject *item = PySequence_GetItem(all, i);
		int err = region_from_py(item, &regions[i]);

		Py_XDECREF(item);
		if (err) {
			PyMem_Free(regions);
			regions = NULL;
		}
	}
	*nr = (size_t)size;
out:
	Py_XDECREF(all);
	return regions;
}

/* What faults cost. */
static int costs_from_py(PyObject *object, struct snapshot *s)
{
	if (attr_double(object, "swap_in_us", &s->swap_in_us) ||
	    attr_double(object, "disk_in_us", &s->disk_in_us) ||
	    attr_double(object, "disk_swapped_share", &s->disk_swapped_share) ||
	    attr_u64(object, "swap_ins", &s->swap_ins) ||
	    attr_u64(object, "competing_us", &s->competing_us))
		return -1;
	if (!isfinite(s->swap_in_us) || s->swap_in_us < 0.0) {
		PyErr_SetString(PyExc_ValueError, "swap_in_us must be a number of at least 0");
		return -1;
	}
	if (!isfinite(s->disk_in_us) || s->disk_in_us < 0.0) {
		PyErr_SetString(PyExc_ValueError, "disk_in_us must be a number of at least 0");
		return -1;
	}
	if (!(s->disk_swapped_share >= 0.0 && s->disk_swapped_share <= 1.0)) {
		PyErr_SetString(PyExc_ValueError, "disk_swapped_share must be from 0 to 1");
		return -1;
	}
	return 0;
}

/* Tiers, huge pages and memory blocks. */
static int machine_from_py(PyObject *object, struct snapshot *s)
{
	return attr_u64(object, "slow_bytes", &s->slow_bytes) ||
	       attr_u64(object, "huge_bytes", &s->huge_bytes) ||
	       attr_u64(object, "fast_total_bytes", &s->fast_total_bytes) ||
	       attr_u64(object, "fast_free_bytes", &s->fast_free_bytes) ||
	       attr_u64(object, "promoted_bytes", &s->promoted_bytes) ||
	       attr_u64(object, "demoted_bytes", &s->demoted_bytes) ||
	       attr_double(object, "slow_heat_share", &s->slow_heat_share) ||
	       attr_u64(object, "offline_bytes", &s->offline_bytes) ||
	       attr_u64(object, "offlinable_bytes", &s->offlinable_bytes);
}

/* On success the caller frees @regions of the snapshot. */
int snapshot_from_py(PyObject *object, struct snapshot *s)
{
	memset(s, 0, sizeof(*s));
	if (intervals_from_py(object, s) || stats_from_py(object, &s->stats) ||
	    attr_u64(object, "time_us", &s->time_us) ||
	    attr_u64(object, "resident_bytes", &s->resident_bytes) ||
	    attr_u64(object, "swapped_bytes", &s->swapped_bytes) ||
	    attr_u64(object, "compressed_bytes", &s->compressed_bytes) ||
	    attr_u64(object, "memory_total_bytes", &s->memory_total_bytes) ||
	    attr_u64(object, "memory_free_bytes", &s->memory_free_bytes) ||
	    attr_u64(object, "swap_total_bytes", &s->swap_total_bytes) ||
	    attr_u64(object, "swap_free_bytes", &s->swap_free_bytes) ||
	    attr_u64(object, "major_faults", &s->major_faults) ||
	    attr_u64(object, "cpu_time_us", &s->cpu_time_us) ||
	    attr_u64(object, "psi_some_us", &s->psi_some_us) ||
	    costs_from_py(object, s) || machine_from_py(object, s))
		return -1;
	if (!(s->slow_heat_share >= 0.0 && s->slow_heat_share <= 1.0)) {
		PyErr_SetString(PyExc_ValueError, "slow_heat_share must be from 0 to 1");
		return -1;
	}
	s->regions = regions_from_py(object, &s->nr_regions);
	return s->regions ? 0 : -1;
}

PyObject *snapshot_to_py(const struct snapshot *s, PyObject *regions, PyObject *stats)
{
	return Py_BuildValue(
		"{s:K,s:K,s:K,s:N,s:N,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:K,s:d,s:d,s:d,s:K,s:K,"
		"s:K,s:K,s:K,s:K,s:K,s:K,s:d,s:K,s:K}",
		"time_us", (unsigned long long)s->time_us,
		"sample_us", (unsigned long long)s->sample_us,
		"aggr_us", (unsigned long long)s->aggr_us, "regions", regions,
		"scheme_stats", stats,
		"resident_bytes", (unsigned long long)s->resident_bytes,
		"swapped_bytes", (unsigned long long)s->swapped_bytes,
		"compressed_bytes", (unsigned long long)s->compressed_bytes,
		"memory_total_bytes", (unsigned long long)s->memory_total_bytes,
		"memory_free_bytes", (unsigned long long)s->memory_free_bytes,
		"swap_total_bytes", (unsigned long long)s->swap_total_bytes,
		"swap_free_bytes", (unsigned long long)s->swap_free_bytes,
		"major_faults", (unsigned long long)s->major_faults,
		"cpu_time_us", (unsigned long long)s->cpu_time_us,
		"psi_some_us", (unsigned long long)s->psi_some_us,
		"swap_in_us", s->swap_in_us,
		"disk_in_us", s->disk_in_us,
		"disk_swapped_share", s->disk_swapped_share,
		"swap_ins", (unsigned long long)s->swap_ins,
		"competing_us", (unsigned long long)s->competing_us,
		"slow_bytes", (unsigned long long)s->slow_bytes,
		"huge_bytes", (unsigned long long)s->huge_bytes,
		"fast_total_bytes", (unsigned long long)s->fast_total_bytes,
		"fast_free_bytes", (unsigned long long)s->fast_free_bytes,
		"promoted_bytes", (unsigned long long)s->promoted_bytes,
		"demoted_bytes", (unsigned long long)s->demoted_bytes,
		"slow_heat_share", s->slow_heat_share,
		"offline_bytes", (unsigned long long)s->offline_bytes,
		"offlinable_bytes", (unsigned long long)s->offlinable_bytes);
}

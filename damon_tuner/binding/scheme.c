/* SPDX-License-Identifier: Apache-2.0 */
/* Schemes, from a host.Scheme and to its fields. */
#include "binding.h"

#include <string.h>

#include "schemes.h"

static const char *const action_names[NR_DAMOS_ACTIONS] = { "stat", "pageout" };
static const char *const metric_names[NR_DAMOS_WMARK_METRICS] = { "none", "free_mem_rate" };

static int pattern_from_py(PyObject *scheme, struct scheme *s)
{
	PyObject *p = PyObject_GetAttrString(scheme, "pattern");
	int err;

	if (!p)
		return -1;
	err = attr_u64(p, "min_sz_bytes", &s->min_sz_bytes) ||
	      attr_u64(p, "max_sz_bytes", &s->max_sz_bytes) ||
	      attr_u32(p, "min_nr_accesses", &s->min_nr_accesses) ||
	      attr_u32(p, "max_nr_accesses", &s->max_nr_accesses) ||
	      attr_u32(p, "min_age", &s->min_age) || attr_u32(p, "max_age", &s->max_age);
	Py_DECREF(p);
	return err ? -1 : 0;
}

static int quota_from_py(PyObject *scheme, struct scheme *s)
{
	PyObject *q = PyObject_GetAttrString(scheme, "quota");
	int err;

	if (!q)
		return -1;
	err = attr_u64(q, "time_ms", &s->quota_time_ms) ||
	      attr_u64(q, "sz_bytes", &s->quota_sz_bytes) ||
	      attr_u64(q, "reset_interval_ms", &s->quota_reset_interval_ms) ||
	      attr_u32(q, "weight_sz_permille", &s->weight_sz_permille) ||
	      attr_u32(q, "weight_nr_accesses_permille", &s->weight_nr_accesses_permille) ||
	      attr_u32(q, "weight_age_permille", &s->weight_age_permille);
	Py_DECREF(q);
	return err ? -1 : 0;
}

static int watermarks_from_py(PyObject *scheme, struct scheme *s)
{
	PyObject *w = PyObject_GetAttrString(scheme, "watermarks");
	int metric, err;

	if (!w)
		return -1;
	metric = attr_choice(w, "metric", metric_names, NR_DAMOS_WMARK_METRICS);
	err = metric < 0 || attr_u64(w, "interval_us", &s->wmark_interval_us) ||
	      attr_u64(w, "high_permille", &s->wmark_high_permille) ||
	      attr_u64(w, "mid_permille", &s->wmark_mid_permille) ||
	      attr_u64(w, "low_permille", &s->wmark_low_permille);
	Py_DECREF(w);
	if (err)
		return -1;
	s->wmark_metric = (enum damos_wmark_metric)metric;
	return 0;
}

int scheme_from_py(PyObject *object, struct scheme *s)
{
	int action = attr_choice(object, "action", action_names, NR_DAMOS_ACTIONS);
	const char *wrong;

	memset(s, 0, sizeof(*s));
	if (action < 0 || pattern_from_py(object, s) || quota_from_py(object, s) ||
	    watermarks_from_py(object, s) ||
	    attr_u64(object, "apply_interval_us", &s->apply_interval_us))
		return -1;
	s->action = (enum damos_action)action;
	wrong = damos_validate(s);
	if (wrong) {
		PyErr_SetString(PyExc_ValueError, wrong);
		return -1;
	}
	return 0;
}

/* Flat fields, which policies/decision.py turns into a host.Scheme. */
PyObject *scheme_to_py(const struct scheme *s)
{
	return Py_BuildValue("{s:s,s:K,s:K,s:I,s:I,s:I,s:I,s:K,s:K,s:I,s:I,s:I}",
			     "action", action_names[s->action],
			     "min_sz_bytes", (unsigned long long)s->min_sz_bytes,
			     "max_sz_bytes", (unsigned long long)s->max_sz_bytes,
			     "min_nr_accesses", (unsigned)s->min_nr_accesses,
			     "max_nr_accesses", (unsigned)s->max_nr_accesses,
			     "min_age", (unsigned)s->min_age, "max_age", (unsigned)s->max_age,
			     "sz_bytes", (unsigned long long)s->quota_sz_bytes,
			     "reset_interval_ms", (unsigned long long)s->quota_reset_interval_ms,
			     "weight_sz_permille", (unsigned)s->weight_sz_permille,
			     "weight_nr_accesses_permille",
			     (unsigned)s->weight_nr_accesses_permille,
			     "weight_age_permille", (unsigned)s->weight_age_permille);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Schemes, from a host.Scheme and to its fields. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#include "schemes.h"

static const char *const action_names[NR_DAMOS_ACTIONS] = {
	[DAMOS_WILLNEED] = "willneed",
	[DAMOS_COLD] = "cold",
	[DAMOS_PAGEOUT] = "pageout",
	[DAMOS_HUGEPAGE] = "hugepage",
	[DAMOS_NOHUGEPAGE] = "nohugepage",
	[DAMOS_COLLAPSE] = "collapse",
	[DAMOS_LRU_PRIO] = "lru_prio",
	[DAMOS_LRU_DEPRIO] = "lru_deprio",
	[DAMOS_MIGRATE_HOT] = "migrate_hot",
	[DAMOS_MIGRATE_COLD] = "migrate_cold",
	[DAMOS_STAT] = "stat",
};
static const char *const wmark_names[NR_DAMOS_WMARK_METRICS] = { "none", "free_mem_rate" };
static const char *const goal_names[NR_DAMOS_GOAL_METRICS] = {
	[DAMOS_GOAL_USER_INPUT] = "user_input",
	[DAMOS_GOAL_SOME_MEM_PSI_US] = "some_mem_psi_us",
	[DAMOS_GOAL_NODE_MEM_USED_BP] = "node_mem_used_bp",
	[DAMOS_GOAL_NODE_MEM_FREE_BP] = "node_mem_free_bp",
	[DAMOS_GOAL_NODE_MEMCG_USED_BP] = "node_memcg_used_bp",
	[DAMOS_GOAL_NODE_MEMCG_FREE_BP] = "node_memcg_free_bp",
	[DAMOS_GOAL_ACTIVE_MEM_BP] = "active_mem_bp",
	[DAMOS_GOAL_INACTIVE_MEM_BP] = "inactive_mem_bp",
	[DAMOS_GOAL_NODE_ELIGIBLE_MEM_BP] = "node_eligible_mem_bp",
};
static const char *const tuner_names[NR_DAMOS_TUNERS] = { "consist", "temporal" };
static const char *const filter_names[NR_DAMOS_FILTER_TYPES] = {
	[DAMOS_FILTER_ANON] = "anon",
	[DAMOS_FILTER_ACTIVE] = "active",
	[DAMOS_FILTER_MEMCG] = "memcg",
	[DAMOS_FILTER_YOUNG] = "young",
	[DAMOS_FILTER_HUGEPAGE_SIZE] = "hugepage_size",
	[DAMOS_FILTER_UNMAPPED] = "unmapped",
	[DAMOS_FILTER_ADDR] = "addr",
	[DAMOS_FILTER_TARGET] = "target",
};

static int pattern_from_py(PyObject *p, void *into)
{
	struct scheme *s = into;

	return attr_u64(p, "min_sz_bytes", &s->min_sz_bytes) ||
	       attr_u64(p, "max_sz_bytes", &s->max_sz_bytes) ||
	       attr_u32(p, "min_nr_accesses", &s->min_nr_accesses) ||
	       attr_u32(p, "max_nr_accesses", &s->max_nr_accesses) ||
	       attr_u32(p, "min_age", &s->min_age) || attr_u32(p, "max_age", &s->max_age);
}

/*
 * A container of a simulated host is the tenant's number; the empty path, the kernel's default,
 * is the first.
 */
int attr_memcg(PyObject *object, const char *name, uint32_t *memcg)
{
	PyObject *path = PyObject_GetAttrString(object, name), *bytes = NULL;
	const char *text = "";
	char *end;
	unsigned long number = 0;
	int err = -1;

	*memcg = 0;
	if (path)
		bytes = PyUnicode_AsUTF8String(path);
	if (bytes)
		text = PyBytes_AsString(bytes);
	if (bytes && text) {
		number = strncmp(text, "/tenant", 7) ? 0 : strtoul(text + 7, &end, 10);
		err = *text && (strncmp(text, "/tenant", 7) || !text[7] || *end ||
				number > UINT32_MAX);
		*memcg = (uint32_t)number;
		if (err)
			PyErr_Format(PyExc_ValueError, "memcg_path: a simulated host has /tenant0, "
				     "/tenant1 and so on, not %R", path);
	}
	Py_XDECREF(bytes);
	Py_XDECREF(path);
	return err ? -1 : 0;
}

static int goal_from_py(PyObject *object, void *into)
{
	struct quota_goal *goal = into;
	int metric = attr_choice(object, "metric", goal_names, NR_DAMOS_GOAL_METRICS);

	if (metric < 0 || attr_u64(object, "target_value", &goal->target_value) ||
	    attr_u64(object, "current_value", &goal->current_value) ||
	    attr_i32(object, "nid", &goal->nid) || attr_memcg(object, "memcg_path", &goal->memcg))
		return -1;
	goal->metric = (enum damos_goal_metric)metric;
	return 0;
}

static int filter_from_py(PyObject *object, void *into)
{
	struct damos_filter *f = into;
	int type = attr_choice(object, "type", filter_names, NR_DAMOS_FILTER_TYPES);

	if (type < 0 || attr_bool(object, "matching", &f->matching) ||
	    attr_bool(object, "allow", &f->allow) || attr_memcg(object, "memcg_path", &f->memcg) ||
	    attr_u32(object, "target", &f->target) ||
	    attr_u64(object, "addr_start", &f->addr_start) ||
	    attr_u64(object, "addr_end", &f->addr_end) ||
	    attr_u64(object, "min_bytes", &f->min_bytes) ||
	    attr_u64(object, "max_bytes", &f->max_bytes))
		return -1;
	f->type = (enum damos_filter_type)type;
	return 0;
}

static int dest_from_py(PyObject *object, void *into)
{
	struct damos_dest *dest = into;

	return attr_i32(object, "nid", &dest->nid) || attr_u32(object, "weight", &dest->weight);
}

static int quota_from_py(PyObject *q, void *into)
{
	struct scheme *s = into;
	int tuner = attr_choice(q, "goal_tuner", tuner_names, NR_DAMOS_TUNERS);

	if (tuner < 0 || attr_u64(q, "time_ms", &s->quota_time_ms) ||
	    attr_u64(q, "sz_bytes", &s->quota_sz_bytes) ||
	    attr_u64(q, "reset_interval_ms", &s->quota_reset_interval_ms) ||
	    attr_u32(q, "weight_sz_permille", &s->weight_sz_permille) ||
	    attr_u32(q, "weight_nr_accesses_permille", &s->weight_nr_accesses_permille) ||
	    attr_u32(q, "weight_age_permille", &s->weight_age_permille) ||
	    attr_u32(q, "fail_charge_num", &s->fail_charge_num) ||
	    attr_u32(q, "fail_charge_denom", &s->fail_charge_denom))
		return -1;
	s->goal_tuner = (enum damos_goal_tuner)tuner;
	return attr_items(q, "goals", goal_from_py, s->goals, sizeof(*s->goals),
			  SCHEME_MAX_GOALS, &s->nr_goals);
}

static int watermarks_from_py(PyObject *w, void *into)
{
	struct scheme *s = into;
	int metric = attr_choice(w, "metric", wmark_names, NR_DAMOS_WMARK_METRICS);

	if (metric < 0 || attr_u64(w, "interval_us", &s->wmark_interval_us) ||
	    attr_u64(w, "high_permille", &s->wmark_high_permille) ||
	    attr_u64(w, "mid_permille", &s->wmark_mid_permille) ||
	    attr_u64(w, "low_permille", &s->wmark_low_permille))
		return -1;
	s->wmark_metric = (enum damos_wmark_metric)metric;
	return 0;
}

int scheme_from_py(PyObject *object, struct scheme *s)
{
	int action = attr_choice(object, "action", action_names, NR_DAMOS_ACTIONS);
	const char *wrong;

	memset(s, 0, sizeof(*s));
	if (action < 0 || attr_object(object, "pattern", pattern_from_py, s) ||
	    attr_object(object, "quota", quota_from_py, s) ||
	    attr_object(object, "watermarks", watermarks_from_py, s) ||
	    attr_u64(object, "apply_interval_us", &s->apply_interval_us) ||
	    attr_u64(object, "max_nr_snapshots", &s->max_nr_snapshots) ||
	    attr_i32(object, "target_nid", &s->target_nid) ||
	    attr_items(object, "filters", filter_from_py, s->filters, sizeof(*s->filters),
		       SCHEME_MAX_FILTERS, &s->nr_filters) ||
	    attr_items(object, "dests", dest_from_py, s->dests, sizeof(*s->dests),
		       SCHEME_MAX_DESTS, &s->nr_dests))
		return -1;
	s->action = (enum damos_action)action;
	wrong = damos_validate(s);
	if (wrong) {
		PyErr_SetString(PyExc_ValueError, wrong);
		return -1;
	}
	return 0;
}

static PyObject *goal_to_py(const struct scheme *s, uint32_t i)
{
	const struct quota_goal *goal = &s->goals[i];

	return Py_BuildValue("(sKi)", goal_names[goal->metric],
			     (unsigned long long)goal->target_value, (int)goal->nid);
}

static PyObject *filter_to_py(const struct scheme *s, uint32_t i)
{
	const struct damos_filter *f = &s->filters[i];

	return Py_BuildValue("(sNNKK)", filter_names[f->type], PyBool_FromLong(f->matching),
			     PyBool_FromLong(f->allow), (unsigned long long)f->addr_start,
			     (unsigned long long)f->addr_end);
}

static PyObject *dest_to_py(const struct scheme *s, uint32_t i)
{
	return Py_BuildValue("(iI)", (int)s->dests[i].nid, (unsigned)s->dests[i].weight);
}

static PyObject *items_to_py(const struct scheme *s, uint32_t nr,
			     PyObject *(*item_to_py)(const struct scheme *, uint32_t))
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)nr);

	for (uint32_t i = 0; tuple && i < nr; i++) {
		PyObject *item = item_to_py(s, i);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

/* What the decision path fills in, flat; policies/decision.py makes a host.Scheme of it. */
PyObject *scheme_to_py(const struct scheme *s)
{
	return Py_BuildValue("{s:s,s:K,s:K,s:I,s:I,s:I,s:I,s:K,s:K,s:I,s:I,s:I,s:s,s:N,s:N,s:N}",
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
			     "weight_age_permille", (unsigned)s->weight_age_permille,
			     "goal_tuner", tuner_names[s->goal_tuner],
			     "goals", items_to_py(s, s->nr_goals, goal_to_py),
			     "filters", items_to_py(s, s->nr_filters, filter_to_py),
			     "dests", items_to_py(s, s->nr_dests, dest_to_py));
}

static PyObject *schemes_to_py(const struct plan *plan)
{
	PyObject *tuple = PyTuple_New((Py_ssize_t)plan->nr_schemes);

	for (uint32_t i = 0; tuple && i < plan->nr_schemes; i++) {
		PyObject *item = scheme_to_py(&plan->schemes[i]);

		if (!item || PyTuple_SetItem(tuple, (Py_ssize_t)i, item))
			Py_CLEAR(tuple);
	}
	return tuple;
}

PyObject *plan_to_py(const struct plan *plan)
{
	return Py_BuildValue(
		"{s:N,s:N,s:N,s:N,s:N}", "schemes", schemes_to_py(plan), "demote",
		plan->demotes ? scheme_to_py(&plan->demote) : Py_NewRef(Py_None), "promote",
		plan->promotes ? scheme_to_py(&plan->promote) : Py_NewRef(Py_None), "spare_bytes",
		plan->has_power ? PyLong_FromUnsignedLongLong(plan->spare_bytes) :
				  Py_NewRef(Py_None),
		"clock_cap",
		plan->has_power ? PyFloat_FromDouble(plan->clock_cap) : Py_NewRef(Py_None));
}

/* In the order of host.SchemeStats. */
PyObject *stats_to_py(const struct scheme_stats *s)
{
	return Py_BuildValue("(KKKKKKKK)", (unsigned long long)s->nr_tried,
			     (unsigned long long)s->sz_tried_bytes,
			     (unsigned long long)s->nr_applied,
			     (unsigned long long)s->sz_applied_bytes,
			     (unsigned long long)s->qt_exceeds,
			     (unsigned long long)s->effective_quota_bytes,
			     (unsigned long long)s->sz_ops_filter_passed_bytes,
			     (unsigned long long)s->nr_snapshots);
}

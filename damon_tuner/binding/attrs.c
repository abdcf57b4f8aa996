/* SPDX-License-Identifier: Apache-2.0 */
/* How DAMON monitors, from a host.MonitoringAttrs. */
#include "binding.h"

static int intervals_from_py(PyObject *object, void *into)
{
	struct damon_attrs *attrs = into;

	return attr_u64(object, "sample_us", &attrs->sample_us) ||
	       attr_u64(object, "aggr_us", &attrs->aggr_us) ||
	       attr_u64(object, "update_us", &attrs->update_us);
}

static int intervals_goal_from_py(PyObject *object, void *into)
{
	struct damon_intervals_goal *goal = into;

	return attr_u64(object, "access_bp", &goal->access_bp) ||
	       attr_u64(object, "aggrs", &goal->aggrs) ||
	       attr_u64(object, "min_sample_us", &goal->min_sample_us) ||
	       attr_u64(object, "max_sample_us", &goal->max_sample_us);
}

int damon_attrs_from_py(PyObject *object, struct damon_attrs *attrs)
{
	return attr_object(object, "intervals", intervals_from_py, attrs) ||
	       attr_u64(object, "min_nr_regions", &attrs->min_nr_regions) ||
	       attr_u64(object, "max_nr_regions", &attrs->max_nr_regions) ||
	       attr_object(object, "intervals_goal", intervals_goal_from_py,
			   &attrs->intervals_goal);
}

static int probe_filter_from_py(PyObject *object, void *into)
{
	static const char *const types[NR_DAMON_PROBE_FILTERS] = {
		[DAMON_PROBE_ANON] = "anon", [DAMON_PROBE_MEMCG] = "memcg"
	};
	struct damon_probe_filter *filter = into;
	const int type = attr_choice(object, "type", types, NR_DAMON_PROBE_FILTERS);

	if (type < 0)
		return -1;
	filter->type = (enum damon_probe_filter_type)type;
	return attr_bool(object, "matching", &filter->matching) ||
	       attr_bool(object, "allow", &filter->allow) ||
	       attr_memcg(object, "memcg_path", &filter->memcg);
}

static int probe_from_py(PyObject *object, void *into)
{
	struct damon_probe *probe = into;

	return attr_u32(object, "weight", &probe->weight) ||
	       attr_items(object, "filters", probe_filter_from_py, probe->filters,
			  sizeof(*probe->filters), DAMON_MAX_PROBE_FILTERS, &probe->nr_filters);
}

int probes_from_py(PyObject *attrs, struct damon_probe *probes, size_t *nr)
{
	uint32_t count;

	if (attr_items(attrs, "probes", probe_from_py, probes, sizeof(*probes), DAMON_MAX_PROBES,
		       &count))
		return -1;
	*nr = count;
	return 0;
}

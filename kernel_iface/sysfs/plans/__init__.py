"""Carries out what tenants want of a real host: by DAMON's schemes, and by the hardware."""

from damon_tuner.kernel_iface.sysfs.plans.carrier import PlanCarrier, PlanStats
from damon_tuner.kernel_iface.sysfs.plans.tiering import nr_node_slots

__all__ = ["PlanCarrier", "PlanStats", "nr_node_slots"]

"""A value that the kernel refuses is named, and what ran runs on."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from damon_tuner.errors import KernelRejectedError
from damon_tuner.kernel_iface.host import (
    Filter,
    FilterType,
    GoalMetric,
    Intervals,
    IntervalsGoal,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    QuotaGoal,
    Target,
)

from .fake_kernel import CONTEXT, PID, STATE, FakeKernel, Fault, failure
from .kdamond_specs import (
    USER_GOAL,
    crowded_kernel,
    of,
    scheme,
    spec,
    started,
)


@pytest.fixture
def kernel() -> FakeKernel:
    return crowded_kernel()


NO_CGROUP = Filter(FilterType.MEMCG, memcg_path="/gone")
NO_SIZE = Filter(FilterType.HUGEPAGE_SIZE, min_bytes=2)
UPSIDE_DOWN = Filter(FilterType.ADDR, addr_start=2, addr_end=1)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (spec(replace(scheme(), filters=(NO_CGROUP,))), "ENOMEM.*memcg_path=/gone"),
        (spec(replace(scheme(), filters=(UPSIDE_DOWN,))), "ENOMEM.*addr_end=1 is before"),
        (
            spec(scheme(), replace(scheme(), filters=(NO_SIZE,))),
            "ENOMEM.*schemes/1/filters: hugepage_size .*min=2 is more than max=0",
        ),
        (
            spec(scheme(QuotaGoal(GoalMetric.NODE_MEMCG_USED_BP, 1, memcg_path="tenants"))),
            "quotas/goals/0/path=tenants",
        ),
        (
            spec(scheme(QuotaGoal(GoalMetric.NODE_ELIGIBLE_MEM_BP, 1))),
            "EINVAL.*target_metric=node_eligible_mem_bp needs operations=paddr",
        ),
        (of(PID, 4), "EINVAL.*targets/1/pid_target=4: there is no such process"),
        (
            spec(pid=PID, attrs=MonitoringAttrs(Intervals(9, 8))),
            "EINVAL.*sample_us=9 is more than aggr_us=8",
        ),
        (spec(pid=PID, attrs=MonitoringAttrs(min_nr_regions=2)), "min=2 is less than 3"),
        (spec(pid=PID, attrs=MonitoringAttrs(max_nr_regions=9)), "min=10 is more than .*max=9"),
        (
            spec(pid=PID, attrs=MonitoringAttrs(intervals_goal=IntervalsGoal(1, 1, 1, 2))),
            "sample_us=5000 is not within intervals_goal, 1 to 2",
        ),
        (spec(pid=PID, ranges=((8192, 4096),)), "regions/0: start=8192 is not before end=4096"),
        (
            spec(pid=PID, ranges=((0, 8192), (4096, 9000))),
            "regions/1/start=4096 is before the end=8192",
        ),
        (
            spec(operations=Operations.PADDR, targets=(Target(), Target())),
            "nr_targets=2 is more than 1",
        ),
        (
            spec(
                pid=PID,
                attrs=MonitoringAttrs(Intervals(1, 256), probes=(Probe((), 1),)),
            ),
            "aggr_us=256 is more than 255 times",
        ),
        (
            spec(operations=Operations.PADDR, addr_unit=3, ranges=((0, 4096),)),
            "addr_unit=3 is not a power of two",
        ),
    ],
)  # fmt: skip
def test_the_value_that_was_refused_is_named_and_nothing_changes(kernel, wanted, message):
    kernel.files["sys/fs/cgroup/cgroup.procs"] = ""
    damon = started(kernel, spec(scheme()))
    committed, staged = kernel.committed, kernel.sysfs
    with pytest.raises(KernelRejectedError, match=message):
        damon.apply([wanted])
    assert kernel.committed == committed
    assert kernel.sysfs == staged
    assert damon.running() == (spec(scheme()),)


def test_a_probe_of_a_cgroup_that_is_not_there_is_named(kernel):
    rule = ProbeFilter(ProbeFilterType.MEMCG, memcg_path="/gone")
    attrs = MonitoringAttrs(probes=(Probe((rule,)),))
    kernel.files["sys/fs/cgroup/cgroup.procs"] = ""
    kernel.write_faults = [Fault(STATE, failure(errno.EINVAL), text="on")]
    with pytest.raises(KernelRejectedError, match="probes/0/filters/0/path=/gone"):
        started(kernel, spec(operations=Operations.PADDR, attrs=attrs, ranges=((0, 4096),)))


def test_what_somebody_else_staged_meanwhile_is_named(kernel):
    damon = started(kernel, spec(scheme()))
    kernel.files[f"{CONTEXT}/monitoring_attrs/nr_regions/min"] = "1"
    with pytest.raises(KernelRejectedError, match="nr_regions/min=1 is not what was written"):
        damon.apply([spec(scheme(min_age=2))])


def test_one_kdamond_that_is_refused_takes_the_others_back(kernel):
    damon = started(kernel, spec(scheme()), of(7, schemes=(scheme(),)))
    with pytest.raises(KernelRejectedError, match="there is no such process"):
        damon.apply([spec(scheme(min_age=9)), of(4)])
    assert damon.running() == (spec(scheme()), of(7, schemes=(scheme(),)))
    assert kernel.committed["schemes/0/access_pattern/age/min"] == "1"


def test_goals_that_are_refused_half_way_come_back(kernel):
    goal = QuotaGoal(GoalMetric.NODE_MEMCG_USED_BP, 5, memcg_path="/tenants")
    damon = started(kernel, spec(scheme(USER_GOAL), scheme(goal)))
    changed = replace(USER_GOAL, current_value=99)
    with pytest.raises(KernelRejectedError):
        damon.apply([spec(scheme(changed), scheme(replace(goal, memcg_path="/gone")))])
    assert kernel.committed["schemes/0/quotas/goals/0/current_value"] == "10"
    assert kernel.committed["schemes/1/quotas/goals/0/path"] == "/tenants"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (of(PID, 4), "targets/1/pid_target=4: there is no such process"),
        (spec(replace(scheme(), filters=(UPSIDE_DOWN,))), "addr_end=1 is before"),
        (spec(pid=PID, attrs=MonitoringAttrs(min_nr_regions=2)), "min=2 is less than 3"),
    ],
)
def test_an_older_kernel_that_would_not_say_is_not_asked(wanted, message):
    kernel = crowded_kernel("6.12")
    damon = started(kernel, spec(scheme()))
    staged = kernel.sysfs
    with pytest.raises(KernelRejectedError, match=message):
        damon.apply([wanted])
    assert kernel.sysfs == staged
    assert kernel.writes == []

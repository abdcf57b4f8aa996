"""Values survive the way to the files and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from damon_tuner.errors import KernelRejectedError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    IntervalsGoal,
    MonitoringAttrs,
    Probe,
    Quota,
    QuotaGoal,
    Scheme,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.mapping import SCHEME_FILES, context_files, scheme_files

from .fake_damon_files import SCHEME
from .fake_kernel import PID, FakeKernel

ULONG = st.integers(0, 2**64 - 1)

SCHEMES = st.builds(
    Scheme,
    action=st.sampled_from(Action),
    pattern=st.builds(AccessPattern, *[ULONG] * 6),
    quota=st.builds(Quota, *[ULONG] * 6),
    watermarks=st.builds(Watermarks, st.sampled_from(WatermarkMetric), *[ULONG] * 4),
    apply_interval_us=ULONG,
)

PARTS = {"pattern": AccessPattern, "quota": Quota, "watermarks": Watermarks}


def scheme_from(files: dict[str, str]) -> Scheme:
    """Read a scheme back from its files."""
    values: dict[str, dict[str, object]] = {"": {}, **{part: {} for part in PARTS}}
    for path, field in SCHEME_FILES.items():
        part, _, name = field.rpartition(".")
        text = files[path]
        value = int(text) if text.isdecimal() else text
        values[part][name] = WatermarkMetric(text) if name == "metric" else value
    parts = {part: kind(**values[part]) for part, kind in PARTS.items()}
    own = {**values[""], "action": Action(values[""]["action"])}
    return Scheme(**own, **parts)


def committed_schemes(kernel: FakeKernel) -> list[Scheme]:
    schemes = [
        scheme_from({path: kernel.committed[f"schemes/{index}/{path}"] for path in SCHEME_FILES})
        for index in range(int(kernel.committed["schemes/nr_schemes"]))
    ]
    return schemes[:-1]


@given(SCHEMES)
def test_a_scheme_comes_back_from_its_files(scheme):
    assert scheme_from(scheme_files(scheme)) == scheme


def test_every_file_of_a_scheme_exists_in_the_kernel():
    assert set(SCHEME_FILES) <= set(SCHEME)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.lists(SCHEMES, max_size=3), min_size=1, max_size=5))
def test_the_kernel_runs_what_was_applied_last(changes):
    kernel = FakeKernel()
    found = kernel.sysfs
    with SysfsHost(Context(pid=PID), kernel=kernel) as host:
        host.start([])
        for schemes in changes:
            host.apply(schemes)
            assert committed_schemes(kernel) == schemes
    assert kernel.sysfs == found


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"quota": Quota(goals=(QuotaGoal(GoalMetric.USER_INPUT, 1),))}, "quota.goals"),
        ({"quota": Quota(goal_tuner=GoalTuner.TEMPORAL)}, "quota.goal_tuner"),
        ({"quota": Quota(fail_charge_denom=2)}, "quota.fail_charge_denom"),
        ({"filters": (Filter(FilterType.ANON),)}, "filters"),
        ({"target_nid": 1}, "target_nid"),
        ({"dests": (Dest(1, 1),)}, "dests"),
        ({"max_nr_snapshots": 1}, "max_nr_snapshots"),
    ],
)
def test_what_is_not_written_yet_is_refused(change, field):
    with pytest.raises(KernelRejectedError, match=f"^{field} cannot be set"):
        scheme_files(replace(Scheme(Action.STAT), **change))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"intervals_goal": IntervalsGoal(400, 3, 5_000, 10_000_000)}, "attrs.intervals_goal"),
        ({"probes": (Probe(),)}, "attrs.probes"),
    ],
)
def test_attributes_that_are_not_written_yet_are_refused(change, field):
    with pytest.raises(KernelRejectedError, match=f"^{field} cannot be set"):
        context_files(Context(pid=1, attrs=MonitoringAttrs(**change)))

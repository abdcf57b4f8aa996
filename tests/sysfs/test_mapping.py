"""Values survive the way to the files and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner.errors import DamonMissingError, TunerError
from damon_tuner.kernel_iface.host import (
    Action,
    Context,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
    IntervalsGoal,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Probe,
    Quota,
    QuotaGoal,
    Scheme,
)
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.features import Features
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.mapping import kdamond_files, kdamond_spec
from damon_tuner.kernel_iface.sysfs.staging import Staging
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_damon_files import READ_ONLY
from .fake_kernel import CONTEXT, KDAMOND, NR_KDAMONDS, PID, SCHEMES, FakeKernel
from .specs import KDAMONDS
from .specs import SCHEMES as ANY_SCHEMES

EVERYTHING = KdamondSpec(
    Context(
        Operations.PADDR,
        MonitoringAttrs(probes=(Probe((), 1),)),
        ranges=((0, 4096),),
    ),
    (
        Scheme(
            Action.STAT,
            quota=Quota(goals=(QuotaGoal(GoalMetric.USER_INPUT, 1),)),
            filters=(Filter(FilterType.ADDR), Filter(FilterType.ANON)),
            dests=(Dest(),),
        ),
    ),
)


@given(KDAMONDS)
@settings(deadline=None)
def test_a_kdamond_comes_back_from_its_texts(spec):
    files = kdamond_files(spec, Features())
    assert kdamond_spec(files.get) == spec


@given(st.lists(KDAMONDS, min_size=2, max_size=2))
@settings(deadline=None, max_examples=40)
def test_a_kdamond_comes_back_from_the_kernels_files(specs):
    kernel = FakeKernel()
    kernel.write(NR_KDAMONDS, "1")
    tree = Tree(kernel)
    staging = Staging(tree, KDAMOND)
    for spec in specs:
        staging.stage(kdamond_files(spec, Features()))
        assert Damon(tree, Ledger(tree)).read() == (spec,)


def test_every_file_that_can_be_written_is_mapped():
    kernel = FakeKernel()
    kernel.write(NR_KDAMONDS, "1")
    files = kdamond_files(EVERYTHING, Features())
    Staging(Tree(kernel), KDAMOND).stage(files)
    in_kernel = {
        path.removeprefix(f"{KDAMOND}/")
        for path in kernel.files
        if path.startswith(KDAMOND) and path.rpartition("/")[2] not in READ_ONLY | {"state"}
    }
    assert in_kernel == set(files)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(ANY_SCHEMES, max_size=3), min_size=1, max_size=4))
def test_the_kernel_runs_what_was_applied_last(changes):
    kernel = FakeKernel()
    kernel.cgroups |= {"", "/tenants/a b"}
    found = kernel.sysfs
    with SysfsHost(Context(pid=PID), kernel=kernel) as host:
        host.start([])
        for schemes in changes:
            wanted = [_acceptable(scheme) for scheme in schemes]
            host.apply(wanted, is_urgent=True)
            committed = {f"contexts/0/{path}": text for path, text in kernel.committed.items()}
            running = kdamond_spec({"contexts/nr_contexts": "1", **committed}.get)
            assert list(running.schemes[:-1]) == wanted
    assert kernel.sysfs == found


def _acceptable(scheme: Scheme) -> Scheme:
    """The same, with nothing that no kernel would take."""
    filters = tuple(
        replace(
            item,
            addr_end=max(item.addr_start, item.addr_end),
            max_bytes=max(item.min_bytes, item.max_bytes),
        )
        for item in scheme.filters
    )
    goals = tuple(
        goal for goal in scheme.quota.goals if goal.metric is not GoalMetric.NODE_ELIGIBLE_MEM_BP
    )
    return replace(scheme, filters=filters, quota=replace(scheme.quota, goals=goals))


def started(kernel: FakeKernel, *schemes: Scheme, context: Context | None = None) -> None:
    SysfsHost(context or Context(pid=PID), kernel=kernel).start(schemes)


GOAL = QuotaGoal(GoalMetric.USER_INPUT, 1, 2)


@pytest.mark.parametrize(
    ("version", "scheme", "message"),
    [
        ("6.12", Scheme(Action.STAT, quota=Quota(goal_tuner=GoalTuner.TEMPORAL)), "tuner.*7.1"),
        ("7.1", Scheme(Action.STAT, quota=Quota(fail_charge_denom=2)), "fail_charge.*7.2"),
        ("6.16", Scheme(Action.STAT, dests=(Dest(0, 1), Dest(1, 1))), "dests.*6.17"),
        ("6.19", Scheme(Action.STAT, max_nr_snapshots=1), "max_nr_snapshots.*7.0"),
        ("6.12", Scheme(Action.STAT, filters=(Filter(FilterType.ANON, allow=True),)), "6.14"),
        ("6.12", Scheme(Action.STAT, filters=(Filter(FilterType.UNMAPPED),)), "unmapped.*6.15"),
        ("7.1", Scheme(Action.COLLAPSE), "action = collapse.*7.2"),
        ("6.15", Scheme(Action.STAT, quota=Quota(goals=(replace(GOAL, nid=1),))), "nid.*6.16"),
        (
            "6.18",
            Scheme(Action.STAT, quota=Quota(goals=(replace(GOAL, memcg_path="/a"),))),
            "path.*6.19",
        ),
        (
            "6.19",
            Scheme(Action.STAT, quota=Quota(goals=(QuotaGoal(GoalMetric.ACTIVE_MEM_BP, 1),))),
            "active_mem_bp.*7.0",
        ),
    ],
)
def test_what_an_older_kernel_lacks_is_named_with_the_release(version, scheme, message):
    kernel = FakeKernel(version)
    found = kernel.sysfs
    with pytest.raises(DamonMissingError, match=message):
        started(kernel, scheme)
    assert kernel.sysfs == found


@pytest.mark.parametrize(
    ("version", "context", "message"),
    [
        ("6.14", Context(pid=PID, attrs=MonitoringAttrs(
            intervals_goal=IntervalsGoal(400, 3, 5_000, 10_000_000))), "intervals_goal.*6.15"),
        ("7.1", Context(pid=PID, is_paused=True), "pause.*7.2"),
        ("6.17", Context(Operations.PADDR, addr_unit=2), "addr_unit.*6.18"),
        ("7.1", Context(pid=PID, attrs=MonitoringAttrs(probes=(Probe(),))), "probes.*7.2"),
        ("7.2", Context(pid=PID, attrs=MonitoringAttrs(probes=(Probe((), 1),))), "weight.*7.3"),
    ],
)  # fmt: skip
def test_what_an_older_kernel_lacks_of_a_context(version, context, message):
    with pytest.raises(DamonMissingError, match=message):
        started(FakeKernel(version), context=context)


@pytest.mark.parametrize("version", ["6.12", "6.14", "6.15", "6.17", "6.18", "6.19"])
def test_an_older_kernel_does_what_it_can_with_what_it_has(version):
    kernel = FakeKernel(version)
    filters = (Filter(FilterType.ANON, True), Filter(FilterType.ADDR, addr_end=9))
    scheme = Scheme(Action.MIGRATE_COLD, filters=filters, dests=(Dest(1, 5),))
    quota = Quota(sz_bytes=1, reset_interval_ms=1, goals=(GOAL,))
    started(kernel, replace(scheme, quota=quota))
    if kernel.version < (6, 17):
        assert kernel.files[f"{SCHEMES}/0/target_nid"] == "1"
    folders = ("core_filters", "ops_filters", "filters")
    types = [
        text
        for folder in folders
        for path, text in kernel.files.items()
        if path.startswith(f"{SCHEMES}/0/{folder}/") and path.endswith("type")
    ]
    assert types == (["anon", "addr"] if kernel.version < (6, 15) else ["addr", "anon"])
    assert kernel.files[f"{SCHEMES}/0/quotas/goals/0/current_value"] == "2"


def test_a_word_of_a_newer_kernel_is_an_error_that_names_the_file():
    kernel = FakeKernel()
    kernel.write(NR_KDAMONDS, "1")
    kernel.write(f"{KDAMOND}/contexts/nr_contexts", "1")
    kernel.files[f"{CONTEXT}/operations"] = "xaddr"
    tree = Tree(kernel)
    with pytest.raises(TunerError, match="operations holds 'xaddr'"):
        Damon(tree, Ledger(tree)).read()

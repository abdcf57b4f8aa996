"""Several kdamonds: started, changed with the least writes, and read."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from damon_tuner.errors import KernelRejectedError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Filter,
    FilterType,
    GoalMetric,
    Intervals,
    IntervalsGoal,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Probe,
    ProbeFilter,
    ProbeFilterType,
    Quota,
    QuotaGoal,
    Region,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs.applied import Effort
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import ADMIN, CONTEXT, KDAMOND, PID, SCHEMES, STATE, FakeKernel, Fault, failure

OTHERS = (7, 8, 9)
RESET_US = 2_000_000

USER_GOAL = QuotaGoal(GoalMetric.USER_INPUT, 100, 10)
PSI_GOAL = QuotaGoal(GoalMetric.SOME_MEM_PSI_US, 1_000)


def scheme(*goals: QuotaGoal, min_age: int = 1) -> Scheme:
    quota = Quota(sz_bytes=1 << 20, reset_interval_ms=RESET_US // 1_000, goals=goals)
    return Scheme(Action.PAGEOUT, AccessPattern(min_age=min_age), quota)


def spec(*schemes: Scheme, **context: object) -> KdamondSpec:
    return KdamondSpec(Context(**(context or {"pid": PID})), schemes)


def of(*pids: int, schemes: tuple[Scheme, ...] = ()) -> KdamondSpec:
    return KdamondSpec(Context(targets=tuple(Target(pid) for pid in pids)), schemes)


@pytest.fixture
def kernel() -> FakeKernel:
    kernel = FakeKernel()
    for pid in (*OTHERS, os.getpid()):
        kernel.spawn(pid)
    return kernel


def started(kernel: FakeKernel, *specs: KdamondSpec) -> Damon:
    tree = Tree(kernel)
    damon = Damon(tree, Ledger(tree))
    damon.start(specs)
    kernel.writes.clear()
    kernel.commits.clear()
    return damon


def words(kernel: FakeKernel) -> list[str]:
    return [text for path, text in kernel.writes if path.endswith("/state")]


def test_kdamonds_run_side_by_side_and_go_together(kernel):
    found = kernel.sysfs
    tree = Tree(kernel)
    ledger = Ledger(tree)
    damon = Damon(tree, ledger)
    specs = (
        spec(scheme()),
        spec(Scheme(Action.LRU_PRIO), operations=Operations.PADDR, ranges=((0, 4096),)),
        of(7, 8),
    )
    damon.start(specs)
    assert [kdamond.committed is not None for kdamond in kernel.kdamonds] == [True] * 3
    assert damon.read() == damon.running() == specs
    assert [damon.pid(index) for index in range(3)] == [99, 100, 101]
    ledger.restore()
    assert kernel.sysfs == found


def test_a_kdamond_that_is_refused_leaves_the_way_back(kernel):
    found = kernel.sysfs
    tree = Tree(kernel)
    ledger = Ledger(tree)
    with pytest.raises(KernelRejectedError, match="pid_target=4: there is no such process"):
        Damon(tree, ledger).start([spec(), of(4)])
    assert kernel.running
    ledger.restore()
    assert kernel.sysfs == found


def test_only_the_kdamond_that_differs_is_touched(kernel):
    damon = started(kernel, spec(scheme()), of(7, schemes=(scheme(),)))
    done = damon.apply([spec(scheme()), of(7, schemes=(scheme(min_age=5),))])
    assert [applied.effort for applied in done] == [Effort.NOTHING, Effort.COMMIT]
    second = f"{ADMIN}/kdamonds/1"
    assert kernel.writes == [
        (f"{second}/contexts/0/schemes/0/access_pattern/age/min", "5"),
        (f"{second}/state", "commit"),
    ]


def test_another_number_of_kdamonds_is_a_mistake(kernel):
    with pytest.raises(ValueError, match="1 kdamonds run, not 2"):
        started(kernel, spec()).apply([spec(), of(7)])


def test_goals_alone_cost_no_commit(kernel):
    damon = started(kernel, spec(scheme(USER_GOAL)))
    for value in (20, 30):
        done = damon.apply([spec(scheme(replace(USER_GOAL, current_value=value)))])
        assert done[0].effort is Effort.GOALS
    goal = f"{SCHEMES}/0/quotas/goals/0/current_value"
    commit = (STATE, "commit_schemes_quota_goals")
    assert kernel.writes == [(goal, "20"), commit, (goal, "30"), commit]
    assert kernel.committed["schemes/0/quotas/goals/0/current_value"] == "30"


def test_how_often_the_kernel_refreshes_is_a_file(kernel):
    damon = started(kernel, spec())
    done = damon.apply([replace(spec(), refresh_ms=500)])
    assert done[0].effort is Effort.FILES
    assert kernel.writes == [(f"{KDAMOND}/refresh_ms", "500")]


def test_a_commit_waits_for_the_quotas_and_takes_what_came_meanwhile(kernel):
    damon = started(kernel, spec(scheme()))
    assert damon.apply([spec(scheme(min_age=2))])[0].effort is Effort.COMMIT
    kernel.clock_us += RESET_US // 2
    held = damon.apply([spec(scheme(min_age=3))])[0]
    assert (held.effort, held.due_us) == (Effort.HELD_BACK, RESET_US)
    assert damon.apply([spec(scheme(min_age=4))])[0].effort is Effort.HELD_BACK
    assert damon.running() == (spec(scheme(min_age=2)),)
    assert damon.flush() == RESET_US
    kernel.clock_us = RESET_US
    assert damon.flush() is None
    assert damon.running() == (spec(scheme(min_age=4)),)
    assert words(kernel) == ["commit", "commit"]


def test_what_was_held_back_and_taken_back_is_never_written(kernel):
    damon = started(kernel, spec(scheme()))
    damon.apply([spec(scheme(min_age=2))])
    damon.apply([spec(scheme(min_age=3))])
    damon.apply([spec(scheme(min_age=2))])
    kernel.clock_us += 10 * RESET_US
    assert damon.flush() is None
    assert words(kernel) == ["commit"]


@pytest.mark.parametrize(
    "wanted",
    [spec(scheme(), scheme()), spec(replace(scheme(), action=Action.COLD)), of(7), spec()],
    ids=["more", "action", "target", "none"],
)
def test_other_schemes_and_targets_do_not_wait(kernel, wanted):
    damon = started(kernel, spec(scheme()))
    damon.apply([spec(scheme(min_age=2))])
    assert damon.apply([wanted])[0].effort is Effort.COMMIT


def test_what_is_urgent_does_not_wait(kernel):
    damon = started(kernel, spec(scheme()))
    damon.apply([spec(scheme(min_age=2))])
    done = damon.apply([spec(scheme(min_age=3))], is_urgent=True)
    assert done[0].effort is Effort.COMMIT


def test_goals_wait_only_beside_one_that_follows_pressure(kernel):
    damon = started(kernel, spec(scheme(USER_GOAL), scheme(PSI_GOAL)))
    first, second = (replace(USER_GOAL, current_value=value) for value in (20, 30))
    assert damon.apply([spec(scheme(first), scheme(PSI_GOAL))])[0].effort is Effort.GOALS
    assert damon.apply([spec(scheme(second), scheme(PSI_GOAL))])[0].effort is Effort.HELD_BACK
    kernel.clock_us += RESET_US
    damon.flush()
    assert words(kernel) == ["commit_schemes_quota_goals"] * 2


def test_goals_that_change_at_every_step_do_not_keep_a_commit_waiting(kernel):
    damon = started(kernel, spec(scheme(USER_GOAL)))
    for value in range(1, 5):
        damon.apply([spec(scheme(replace(USER_GOAL, current_value=value)))])
        kernel.clock_us += RESET_US // 4
    done = damon.apply([spec(scheme(USER_GOAL, min_age=9))])
    assert done[0].effort is Effort.COMMIT


TUNED = MonitoringAttrs(intervals_goal=IntervalsGoal(400, 3, 5_000, 10_000_000))


def test_a_commit_keeps_the_intervals_that_the_kernel_has_tuned(kernel):
    damon = started(kernel, spec(scheme(), pid=PID, attrs=TUNED))
    kernel.kdamonds[0].tune(80_000, 1_600_000)
    damon.apply([spec(scheme(min_age=2), pid=PID, attrs=TUNED)])
    assert words(kernel) == ["update_tuned_intervals", "commit"]
    assert kernel.committed["monitoring_attrs/intervals/sample_us"] == "80000"
    assert damon.tuned_intervals(0) == Intervals(80_000, 1_600_000)
    assert damon.running()[0].context.attrs == TUNED


def test_intervals_that_are_asked_for_replace_the_tuned_ones(kernel):
    damon = started(kernel, spec(scheme(), pid=PID, attrs=TUNED))
    kernel.kdamonds[0].tune(80_000, 1_600_000)
    wanted = replace(TUNED, intervals=Intervals(10_000, 200_000))
    damon.apply([spec(scheme(), pid=PID, attrs=wanted)])
    assert kernel.committed["monitoring_attrs/intervals/sample_us"] == "10000"


def test_tuned_intervals_are_kept_within_a_narrower_goal(kernel):
    damon = started(kernel, spec(scheme(), pid=PID, attrs=TUNED))
    kernel.kdamonds[0].tune(80_000, 1_600_000)
    narrow = replace(TUNED, intervals_goal=IntervalsGoal(400, 3, 5_000, 40_000))
    damon.apply([spec(scheme(), pid=PID, attrs=narrow)])
    assert kernel.committed["monitoring_attrs/intervals/sample_us"] == "40000"
    assert kernel.committed["monitoring_attrs/intervals/aggr_us"] == "800000"


def test_a_refused_change_after_tuning_leaves_the_tuned_intervals_staged(kernel):
    damon = started(kernel, spec(scheme(), pid=PID, attrs=TUNED))
    kernel.kdamonds[0].tune(80_000, 1_600_000)
    with pytest.raises(KernelRejectedError):
        damon.apply([spec(scheme(), pid=PID, attrs=replace(TUNED, min_nr_regions=1))])
    assert kernel.files[f"{CONTEXT}/monitoring_attrs/intervals/sample_us"] == "80000"


def test_a_process_that_goes_leaves_the_others_their_regions(kernel):
    damon = started(kernel, of(7, 8, 9, schemes=(scheme(),)))
    kernel.kill(8)
    done = damon.apply([of(7, 9, PID, schemes=(scheme(),))])
    assert done[0].effort is Effort.COMMIT
    assert not done[0].note
    # The kernel pairs by index: it saw the one in the middle marked, on a live process.
    commit = kernel.writes.index((STATE, "commit"))
    before = kernel.writes[:commit]
    assert (f"{CONTEXT}/targets/1/obsolete_target", "Y") in before
    assert (f"{CONTEXT}/targets/1/pid_target", str(os.getpid())) in before
    assert kernel.kdamonds[0].targets == ["7", "9", str(PID)]
    assert damon.read() == (of(7, 9, PID, schemes=(scheme(),)),)
    assert damon.apply([of(9, PID, schemes=(scheme(),))])[0].effort is Effort.COMMIT
    assert kernel.kdamonds[0].targets == ["9", str(PID)]


def test_a_target_can_be_called_obsolete(kernel):
    damon = started(kernel, of(7, 8))
    gone = replace(of(7, 8).context, targets=(Target(7, is_obsolete=True), Target(8)))
    damon.apply([KdamondSpec(gone)])
    assert kernel.kdamonds[0].targets == ["8"]
    assert damon.running() == (of(8),)


def test_an_older_kernel_says_what_a_process_that_goes_costs(kernel):
    kernel.version = (6, 18)
    damon = started(kernel, of(7, 8, 9))
    kernel.kill(8)
    done = damon.apply([of(7, 9)])
    assert "begin anew" in done[0].note
    assert kernel.kdamonds[0].targets == ["7", "9"]


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


def test_regions_show_the_hits_of_probes(kernel):
    kernel.regions = [Region(0, 4096, 3, 1, (5, 6)), Region(4096, 8192, 0, 9, (0, 20))]
    attrs = MonitoringAttrs(probes=(Probe(), Probe()))
    ranges = ((0, 8192),)
    damon = started(
        kernel, spec(Scheme(Action.STAT), operations=Operations.PADDR, attrs=attrs, ranges=ranges)
    )
    assert damon.regions(0) == tuple(kernel.regions)


def test_regions_of_several_targets_come_target_by_target(kernel):
    kernel.regions = [Region(4096, 8192, 0, 9), Region(0, 4096, 3, 1)]
    damon = started(kernel, of(7, 8, schemes=(Scheme(Action.STAT),)))
    assert damon.regions(0) == tuple(kernel.regions)


def test_statistics_of_newer_kernels_are_counted_as_nothing_by_older_ones(kernel):
    kernel.version = (6, 12)
    damon = started(kernel, spec(scheme()))
    kernel.stats[0] = {"stats/nr_tried": "4"}
    stats = damon.stats(0)[0]
    assert (stats.nr_tried, stats.nr_snapshots, stats.sz_ops_filter_passed_bytes) == (4, 0, 0)


def test_what_was_not_started_has_nothing_to_show(kernel):
    tree = Tree(kernel)
    with pytest.raises(RuntimeError, match="call start first"):
        Damon(tree, Ledger(tree)).stats(0)

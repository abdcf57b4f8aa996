"""Several kdamonds: started, changed with the least writes, and read."""

from __future__ import annotations

import errno
import os
from dataclasses import replace

import pytest

from damon_tuner.errors import DamonBusyError, KernelRejectedError
from damon_tuner.kernel_iface.host import (
    Action,
    Intervals,
    IntervalsGoal,
    KdamondSpec,
    MonitoringAttrs,
    Operations,
    Probe,
    Region,
    Scheme,
    Target,
)
from damon_tuner.kernel_iface.sysfs.applied import Effort
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import (
    ADMIN,
    CONTEXT,
    KDAMOND,
    PID,
    SCHEMES,
    STATE,
    FakeKernel,
    Fault,
    failure,
)
from .kdamond_specs import (
    PSI_GOAL,
    RESET_US,
    USER_GOAL,
    crowded_kernel,
    of,
    scheme,
    spec,
    started,
    words,
)


@pytest.fixture
def kernel() -> FakeKernel:
    return crowded_kernel()


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


def test_one_that_is_refused_does_not_take_the_others_back(kernel):
    damon = started(kernel, spec(scheme()), of(7, schemes=(scheme(),)))
    for age in (2, 3):
        wanted = (spec(scheme(min_age=age)), of(7, schemes=(scheme(min_age=age),)))
        damon.apply(wanted)
    kernel.clock_us += RESET_US
    kernel.write_faults.append(Fault(f"{ADMIN}/kdamonds/0/state", failure(errno.EINVAL)))
    with pytest.raises(KernelRejectedError):
        damon.flush()
    assert damon.flush() is None
    assert damon.running() == (spec(scheme(min_age=2)), wanted[1])


@pytest.mark.parametrize("count", ["1", "2"])
def test_kdamonds_of_somebody_else_are_not_staged_over(kernel, count):
    kernel.write(f"{ADMIN}/kdamonds/nr_kdamonds", count)
    kernel.write(f"{KDAMOND}/contexts/nr_contexts", "1")
    theirs = kernel.sysfs
    tree = Tree(kernel)
    with pytest.raises(DamonBusyError, match="in use"):
        Damon(tree, Ledger(tree)).start([spec(scheme())])
    assert kernel.sysfs == theirs

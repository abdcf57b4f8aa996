"""Every file of the real DAMON is known, takes what it should, and gives it back."""

from __future__ import annotations

import os

import pytest

from damon_tuner.benchmarks.kernel.files import (
    files_there,
    made,
    word_for,
    writable_files,
    written,
)
from damon_tuner.errors import DamonMissingError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Dest,
    Filter,
    FilterType,
    GoalMetric,
    GoalTuner,
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
    Scheme,
    Target,
    WatermarkMetric,
    Watermarks,
)
from damon_tuner.kernel_iface.sysfs import mapping
from damon_tuner.kernel_iface.sysfs.damon import Damon
from damon_tuner.kernel_iface.sysfs.feature_table import FEATURES
from damon_tuner.kernel_iface.sysfs.features import (
    Features,
    Presence,
    feature_statuses,
    word_feature,
)
from damon_tuner.kernel_iface.sysfs.kdamond import directory_of
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.occupants import NR_KDAMONDS
from damon_tuner.kernel_iface.sysfs.staging import Staging
from damon_tuner.kernel_iface.sysfs.tree import Tree

SELF = os.getpid()

READ_ONLY = {
    "pid",
    "contexts/0/avail_operations",
    *(
        f"contexts/0/schemes/0/{path}"
        for path in (*mapping.STATS.leaves, "tried_regions/total_bytes")
        if path != "stats/max_nr_snapshots"
    ),
}


@pytest.fixture
def known(tree: Tree, ledger: Ledger) -> set[str]:
    """One of everything is made; gives the files that a model of it has."""
    ledger.write(NR_KDAMONDS, "1")
    return made(tree)


def test_no_file_is_unknown_and_none_is_missing(known: set[str]) -> None:
    assert files_there() - READ_ONLY - {"state"} == known
    assert writable_files() == known | {"state"}


def test_every_file_takes_a_value_and_gives_it_back(tree: Tree, known: set[str]) -> None:
    outcomes = dict(written(tree, known))
    refused = {path for path, outcome in outcomes.items() if outcome == "refused"}
    assert [path for path in refused if word_feature(path, word_for(path)) is None] == []
    assert {path for path, outcome in outcomes.items() if outcome == "taken"} == known - refused
    assert len(known) >= 50
    print(f"{len(known) - len(refused)} files written and read back")


RICH = KdamondSpec(
    Context(
        Operations.FVADDR,
        MonitoringAttrs(
            Intervals(10_000, 200_000, 30_000_000),
            20,
            500,
            IntervalsGoal(400, 3, 5_000, 1_000_000),
            (
                Probe(
                    (
                        ProbeFilter(ProbeFilterType.ANON, matching=True, allow=True),
                        ProbeFilter(ProbeFilterType.MEMCG, allow=True, memcg_path="/a b"),
                    ),
                    3,
                ),
                Probe(),
            ),
        ),
        targets=(
            Target(SELF, ((4096, 8192), (8192, 65536))),
            Target(1),
            Target(2, is_obsolete=True),
        ),
        addr_unit=2,
        is_paused=True,
    ),
    (
        Scheme(
            Action.MIGRATE_COLD,
            AccessPattern(4096, 2**64 - 1, 1, 2, 3, 4),
            Quota(
                *(1, 2, 3, 4, 5, 6, 7, 8),
                GoalTuner.TEMPORAL,
                (
                    QuotaGoal(GoalMetric.NODE_MEMCG_USED_BP, 1, 2, 3, "/"),
                    QuotaGoal(GoalMetric.ACTIVE_MEM_BP, 4),
                    QuotaGoal(GoalMetric.SOME_MEM_PSI_US, 5),
                ),
            ),
            Watermarks(WatermarkMetric.FREE_MEM_RATE, 1, 500, 400, 200),
            250_000,
            (
                Filter(FilterType.ADDR, True, True, addr_start=1, addr_end=2),
                Filter(FilterType.TARGET, target=1),
                Filter(FilterType.MEMCG, True, memcg_path="/x/y"),
                Filter(FilterType.HUGEPAGE_SIZE, allow=True, min_bytes=3, max_bytes=4),
                Filter(FilterType.YOUNG),
            ),
            -1,
            (Dest(0, 3), Dest(1, 2)),
            17,
        ),
        Scheme(Action.STAT),
        *(Scheme(action) for action in Action),
    ),
    700,
)


def all_words() -> KdamondSpec:
    metrics = tuple(QuotaGoal(metric, 1) for metric in GoalMetric)
    filters = tuple(Filter(kind) for kind in mapping.CORE_FILTER_TYPES)
    filters += tuple(Filter(kind) for kind in FilterType if kind not in mapping.CORE_FILTER_TYPES)
    return KdamondSpec(
        Context(), (Scheme(Action.STAT, quota=Quota(goals=metrics), filters=filters),)
    )


@pytest.mark.parametrize(
    "spec", [RICH, all_words(), KdamondSpec(Context())], ids=["rich", "words", "plain"]
)
def test_a_model_comes_back_from_the_kernels_files(
    tree: Tree, ledger: Ledger, damon: Damon, spec: KdamondSpec
) -> None:
    ledger.write(NR_KDAMONDS, "1")
    features = Features.probed(tree, directory_of(0))
    try:
        files = mapping.kdamond_files(spec, features)
        Staging(tree, directory_of(0)).stage(files)
    except DamonMissingError as error:
        pytest.skip(str(error))
    assert damon.read() == (spec,)


@pytest.mark.usefixtures("known")
def test_the_table_says_what_this_kernel_has(tree: Tree) -> None:
    statuses = feature_statuses(tree)
    release = os.uname().release
    wrong = [s for s in statuses if s.is_expected and s.presence is Presence.ABSENT]
    assert wrong == [], release
    assert {s.feature for s in statuses} == set(FEATURES)
    if release.startswith("7.3"):
        assert {s.presence for s in statuses} == {Presence.PRESENT}

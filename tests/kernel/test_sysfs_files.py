"""Every file of the real DAMON is known, takes what it should, and gives it back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner.errors import DamonMissingError, KernelRejectedError
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
from damon_tuner.kernel_iface.sysfs.staging import COUNTERS, Staging
from damon_tuner.kernel_iface.sysfs.tree import Tree

KDAMOND = Path("/", directory_of(0))
SELF = os.getpid()
WHOLE = ((1 << 20, 64 << 20),)

# One of every directory there is.
EVERYTHING = KdamondSpec(
    Context(
        Operations.PADDR,
        MonitoringAttrs(probes=(Probe((ProbeFilter(ProbeFilterType.ANON),)),)),
        ranges=WHOLE,
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

# The folder of older kernels, with a filter of its own.
OLD_FILTERS = "contexts/0/schemes/0/filters"

READ_ONLY = {
    "pid",
    "contexts/0/avail_operations",
    *(
        f"contexts/0/schemes/0/{path}"
        for path in (*mapping.STATS.leaves, "tried_regions/total_bytes")
        if path != "stats/max_nr_snapshots"
    ),
}

# What to write, by the end of the path; every other file takes a number.
WORDS = {
    "/operations": "fvaddr",
    "/action": "pageout",
    "/probes/0/filters/0/type": "memcg",
    "/core_filters/0/type": "target",
    "/ops_filters/0/type": "young",
    "/filters/0/type": "target",
    "/filters/1/type": "target",
    "/matching": "Y",
    "/allow": "Y",
    "/pause": "Y",
    "/obsolete_target": "Y",
    "path": "/a/b c",
    "/watermarks/metric": "free_mem_rate",
    "/target_metric": "node_mem_free_bp",
    "/goal_tuner": "temporal",
    "/addr_unit": "8",
}
NUMBER = "7"


def as_this_kernel_has_it(spec: KdamondSpec, features: Features) -> KdamondSpec:
    """Without what an older kernel lacks."""
    scheme = spec.schemes[0]
    has = features.has
    below = "contexts/0/schemes/0"
    return replace(
        spec,
        context=spec.context
        if has("contexts/0/monitoring_attrs/probes")
        else replace(spec.context, attrs=replace(spec.context.attrs, probes=())),
        schemes=(replace(scheme, dests=scheme.dests if has(f"{below}/dests") else ()),),
    )


def staged(tree: Tree, ledger: Ledger) -> set[str]:
    """Make one of everything, and return the files that a model of it has."""
    ledger.write(NR_KDAMONDS, "1")
    features = Features.probed(tree, directory_of(0))
    files = mapping.kdamond_files(as_this_kernel_has_it(EVERYTHING, features), features)
    Staging(tree, directory_of(0)).stage(files)
    known = set(files)
    if f"{OLD_FILTERS}/0/type" not in known:
        tree.write(f"{directory_of(0)}/{OLD_FILTERS}/nr_filters", "1")
        prefix = "contexts/0/schemes/0/ops_filters/0/"
        names = [path.removeprefix(prefix) for path in known if path.startswith(prefix)]
        known |= {f"{OLD_FILTERS}/0/{name}" for name in names}
    return known


def found_files() -> set[str]:
    return {str(path.relative_to(KDAMOND)) for path in KDAMOND.rglob("*") if path.is_file()}


def test_no_file_is_unknown_and_none_is_missing(tree: Tree, ledger: Ledger) -> None:
    known = staged(tree, ledger)
    files = found_files()
    assert files - READ_ONLY - {"state"} == known
    writable = {path for path in files if (KDAMOND / path).stat().st_mode & 0o200}
    assert writable == known | {"state"}


def test_every_file_takes_a_value_and_gives_it_back(tree: Tree, ledger: Ledger) -> None:
    known = staged(tree, ledger)
    leaves = {path for path in known if path.rpartition("/")[2] not in COUNTERS}
    for path in leaves:
        full = f"{directory_of(0)}/{path}"
        text = next((word for end, word in WORDS.items() if path.endswith(end)), NUMBER)
        feature = word_feature(path, text)
        assert tree.read(full) != text, path
        try:
            tree.write(full, text)
        except KernelRejectedError:
            assert feature is not None, path
            continue
        assert tree.read(full) == text, path
    counters = sorted(known - leaves, key=lambda path: -path.count("/"))
    for path in counters:
        full = f"{directory_of(0)}/{path}"
        count = "0" if path.endswith("nr_contexts") else "2"
        tree.write(full, count)
        assert tree.read(full) == count, path
    assert len(leaves) > 60
    print(f"{len(known)} files written and read back")


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


def test_the_table_says_what_this_kernel_has(tree: Tree, ledger: Ledger) -> None:
    staged(tree, ledger)
    statuses = feature_statuses(tree)
    release = os.uname().release
    wrong = [s for s in statuses if s.is_expected and s.presence is Presence.ABSENT]
    assert wrong == [], release
    assert {s.feature for s in statuses} == set(FEATURES)
    if release.startswith("7.3"):
        assert {s.presence for s in statuses} == {Presence.PRESENT}

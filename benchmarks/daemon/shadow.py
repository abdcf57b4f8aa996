"""How near the shadow account comes: the same load, once paged out and once only on paper."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from damon_tuner import _core
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.daemon.shadow import ShadowAccount
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules import STATIC_POLICIES, FixedRule

# Left out: idle_vm, whose memory itself shrinks when it is paged out.
FAMILIES = ("phases", "idle", "kv", "scan", "diurnal", "oltp", "graph", "growth")
_SEEDS = (3, 4, 5)
_ROUNDS, _WARM = 60, 20
_INTERVAL_S = 5.0


def shadow_figures() -> Iterator[Figure]:
    """Compare the swapped share and the faults, on the mean of each run."""
    for name in ("pageout_30s", "pageout_5s"):
        runs = [
            _run(family, seed, STATIC_POLICIES[name]) for family in FAMILIES for seed in _SEEDS
        ]
        errors = [paper - real for real, paper, _ in runs]
        more = {
            "mean_absolute": statistics.fmean(map(abs, errors)),
            "worst": max(errors, key=abs),
            "acted_share": statistics.fmean(real for real, _, _ in runs),
            "faults_ratio_median": statistics.median(ratio for _, _, ratio in runs),
            "runs": len(runs),
        }
        yield Figure(
            f"daemon.shadow.swapped_error.{name}", statistics.fmean(errors), "share", more
        )


def _run(family: str, seed: int, policy: FixedRule) -> tuple[float, float, float]:
    acted, watched = (SimHost(_core.Spec(family), seed=seed, attrs=MONITORING) for _ in range(2))
    acted.start(policy.schemes)
    watched.start(())
    account = ShadowAccount()
    real: list[Snapshot] = []
    paper: list[Snapshot] = []
    for _ in range(_ROUNDS):
        acted.advance(_INTERVAL_S)
        watched.advance(_INTERVAL_S)
        real.append(acted.snapshot())
        paper.append(account.seen(watched.snapshot()))
        account.decide(policy.schemes)
    faults = [1 + run[-1].major_faults - run[_WARM].major_faults for run in (real, paper)]
    return _swapped_share(real), _swapped_share(paper), faults[1] / faults[0]


def _swapped_share(run: list[Snapshot]) -> float:
    late = run[_WARM:]
    return statistics.fmean(s.swapped_bytes / (s.resident_bytes + s.swapped_bytes) for s in late)

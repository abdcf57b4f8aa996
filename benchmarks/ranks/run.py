"""Plays the loads in a guest and in the simulator, and says how far the rankings agree."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from damon_tuner.benchmarks.fidelity.record import compile_load
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.kernel.played import LOAD
from damon_tuner.benchmarks.ranks import POLICIES, RESULT
from damon_tuner.benchmarks.ranks.patterns import PATTERNS
from damon_tuner.benchmarks.ranks.score import Outcome
from damon_tuner.benchmarks.ranks.simulated import GuestHost, play
from damon_tuner.benchmarks.ranks.tau import kendall_tau_b
from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import GuestSpec, run_in_guest
from damon_tuner.policies.policy_file import load_policy

SEEDS = (1, 2, 3, 4, 5, 6)

_GUEST = GuestSpec(memory_bytes=3 << 29, cpus=2, swap_bytes=1 << 30, counted_clock=True)
_POLICY = "/files/policy.safetensors"
_TIMEOUT_S = 3_600.0
_NOISE_STDEVS = 2.0


@dataclass(frozen=True, slots=True)
class Pair:
    """What one policy did to one load in the kernel, and in each seed of the simulator."""

    kernel: Outcome
    simulated: tuple[Outcome, ...]


def run_ranks(
    out: Path,
    policy: Path,
    budget: float,
    seconds: float,
    *,
    loads: Sequence[str] = tuple(PATTERNS),
    policies: Sequence[str] = POLICIES,
    write: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Play ``loads`` under each of ``policies`` in one guest, and leave the result in ``out``.

    Raises:
        GuestError: the guest could not run, or what ran in it failed.
        TunerError: ``policy`` is no policy, or there is no compiler.

    """
    load_policy(policy)
    with tempfile.TemporaryDirectory(prefix="damon-tuner-ranks-") as work:
        guest = run_in_guest(
            [
                *("python", "-m", "damon_tuner.benchmarks.ranks.inside"),
                *("--policy", _POLICY, "--budget", str(budget), "--seconds", str(seconds)),
                *("--loads", *loads, "--policies", *policies),
            ],
            _GUEST,
            out_dir=out,
            timeout_s=_TIMEOUT_S,
            extra_files={str(LOAD): compile_load(Path(work, LOAD.name)), _POLICY: policy},
            echo=write,
        )
    if guest.exit_status:
        raise GuestError("policies were not ranked: the guest says why above")
    path = out / RESULT
    about = {"kernel": guest.kernel_version, "budget": budget, "seconds": seconds}
    path.write_text(json.dumps(json.loads(path.read_text()) | about))


def read_ranks(out: Path, policy: Path) -> Iterator[Figure]:
    """Figures of what ``run_ranks`` has left in ``out``, if anything; ``policy`` is learned."""
    path = out / RESULT
    if path.exists():
        result = json.loads(path.read_text())
        yield from rank_figures(compared(result, policy), result)


def compared(result: Mapping[str, Any], policy: Path) -> dict[str, dict[str, Pair]]:
    """By load and policy: what the guest measured, and the same in the simulator."""
    guest = guest_host(result)
    budget, seconds = result["budget"], result["seconds"]
    return {
        load: {
            name: Pair(
                kernel,
                tuple(
                    play(PATTERNS[load], name, policy, budget, seconds, seed, guest)
                    for seed in SEEDS
                ),
            )
            for name, kernel in kernel_outcomes(phases).items()
        }
        for load, phases in result["played"].items()
    }


def guest_host(result: Mapping[str, Any]) -> GuestHost:
    """What a fault costs in the guest, and how much of that is counted as pressure."""
    phases = [phase for phases in result["played"].values() for phase in phases]
    lost_us = sum(phase["major_faults"] for phase in phases) * result["swap_in_us"]
    pressure_us = sum(phase["psi_some_us"] for phase in phases)
    return GuestHost(result["swap_in_us"], min(pressure_us / max(lost_us, 1.0), 1.0))


def kernel_outcomes(phases: Sequence[Mapping[str, Any]]) -> dict[str, Outcome]:
    """By policy; against nobody, in the same boot.

    Time lost is CPU time: faults on zram are the load's own, and its CPU is not shared.
    """
    by_policy = {phase["policy"]: phase for phase in phases}
    base = by_policy["none"]
    resident = fmean(base["resident_bytes"])
    return {
        name: Outcome(
            saving=1.0 - fmean(phase["resident_bytes"]) / resident,
            slowdown=(phase["cpu_s"] - base["cpu_s"]) / phase["at_s"],
            faults=phase["major_faults"],
        )
        for name, phase in by_policy.items()
    }


def rank_figures(
    pairs: Mapping[str, Mapping[str, Pair]], result: Mapping[str, Any]
) -> Iterator[Figure]:
    """``fidelity.policy_rank_tau``, over means of the loads, and of each load; and the scores."""
    about = {"kernel": result["kernel"], "seconds": result["seconds"], "budget": result["budget"]}
    names = list(next(iter(pairs.values())))
    means: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in names}
    deviations: dict[str, list[float]] = {name: [] for name in names}
    for load, by_policy in pairs.items():
        scores = {}
        for name, pair in by_policy.items():
            kernel = pair.kernel.score(result["budget"])
            each = [outcome.score(result["budget"]) for outcome in pair.simulated]
            scores[name] = kernel, fmean(each)
            means[name][0].append(kernel)
            means[name][1].append(fmean(each))
            deviations[name].append(stdev(each))
            yield Figure(f"fidelity.rank.{load}.{name}.score", kernel, "1", _told(pair, each))
        noise = {name: deviations[name][-1] for name in scores}
        yield _tau(f"fidelity.policy_rank_tau.{load}", scores, noise, about)
    overall = {name: (fmean(kernel), fmean(ours)) for name, (kernel, ours) in means.items()}
    noise = {name: fmean(each) for name, each in deviations.items()}
    more = {**about, "loads": list(pairs), **_host(guest_host(result))}
    yield _tau("fidelity.policy_rank_tau", overall, noise, more)


def _tau(
    name: str,
    scores: Mapping[str, tuple[float, float]],
    noise: Mapping[str, float],
    about: Mapping[str, object],
) -> Figure:
    """Tau of (kernel, simulator), and how many pairs chance could turn round."""
    kernel, ours = zip(*scores.values(), strict=True)
    nr_pairs = close = 0
    for left, right in combinations(scores, 2):
        apart = abs(scores[left][0] - scores[right][0])
        nr_pairs += 1
        close += apart <= _NOISE_STDEVS * (noise[left] ** 2 + noise[right] ** 2) ** 0.5
    more = {
        "policies": len(scores),
        "pairs": nr_pairs,
        "pairs_within_noise": close,
        "kernel_scores": {name: round(pair[0], 4) for name, pair in scores.items()},
        "simulator_scores": {name: round(pair[1], 4) for name, pair in scores.items()},
    }
    return Figure(name, kendall_tau_b(kernel, ours), "1", {**more, **about})


def _told(pair: Pair, scores: Sequence[float]) -> dict[str, object]:
    ours, real = pair.simulated, pair.kernel
    return {
        "simulator": fmean(scores),
        "simulator_stdev": stdev(scores),
        "saving": real.saving,
        "simulator_saving": fmean(o.saving for o in ours),
        "slowdown": real.slowdown,
        "simulator_slowdown": fmean(o.slowdown for o in ours),
        "faults": real.faults,
        "simulator_faults": fmean(o.faults for o in ours),
        "seeds": len(ours),
    }


def _host(guest: GuestHost) -> dict[str, object]:
    return {"swap_in_us": guest.swap_in_us, "pressure_visibility": guest.pressure_visibility}

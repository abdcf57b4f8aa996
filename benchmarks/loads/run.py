"""Boots a guest a load, has every policy run there, and reads what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from damon_tuner.benchmarks.loads import DEFAULT_SECONDS, LOADS, RESULT
from damon_tuner.benchmarks.loads.programs import guest_files
from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import GuestSpec, run_in_guest
from damon_tuner.policies.decision import CONTROL_INTERVAL_S
from damon_tuner.policies.policy_file import load_policy

POLICIES = ("none", "damon_reclaim", "goals_psi_consist", "learned")
WARM_UP_S = 10.0

# Its clock counts instructions: work does not depend on what else this machine does.
_GUEST = GuestSpec(memory_bytes=3 << 29, cpus=2, swap_bytes=1 << 30, counted_clock=True)
_POLICY = "/files/policy.safetensors"
_TIMEOUT_S = 3_600.0


def run_loads(
    out: Path,
    policy: Path,
    budget: float,
    *,
    seconds: float = DEFAULT_SECONDS,
    loads: Sequence[str] = LOADS,
    policies: Sequence[str] = POLICIES,
    write: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Measure ``policies`` on each of ``loads``, and leave a result for each below ``out``.

    Which policy is first is another one with each load.

    Raises:
        GuestError: a guest could not run, or what ran in it failed.
        TunerError: ``policy`` is no policy.

    """
    load_policy(policy)
    for load in loads:
        _run_load(load, out / load, policy, budget, seconds, in_turn(policies, load), write)


def in_turn(policies: Sequence[str], load: str) -> tuple[str, ...]:
    """The order in which ``policies`` run on ``load``."""
    first = LOADS.index(load) % len(policies)
    return (*policies[first:], *policies[:first])


def read_loads(out: Path) -> dict[str, dict[str, Any]]:
    """What ``run_loads`` has left below ``out``, by load; none is missing but what was not run."""
    return {
        load: json.loads((out / load / RESULT).read_text())
        for load in LOADS
        if (out / load / RESULT).exists()
    }


def _run_load(
    load: str,
    out: Path,
    policy: Path,
    budget: float,
    seconds: float,
    policies: Sequence[str],
    write: Callable[[str], None],
) -> None:
    guest = run_in_guest(
        [
            *("python", "-m", "damon_tuner.benchmarks.loads.inside", "--load", load),
            *("--policies", *policies, "--policy", _POLICY, "--budget", str(budget)),
            *("--warm-up", str(WARM_UP_S), "--seconds", str(seconds)),
            *("--interval", str(CONTROL_INTERVAL_S)),
        ],
        _GUEST,
        out_dir=out,
        timeout_s=_TIMEOUT_S,
        extra_files={**guest_files(load), _POLICY: policy},
        echo=write,
    )
    if guest.exit_status:
        raise GuestError(f"{load} was not measured: the guest says why above")
    path = out / RESULT
    about = {
        "kernel": guest.kernel_version,
        "budget": budget,
        "seconds": seconds,
        "took_s": guest.total_s,
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | about))
    write(f"{load}: {guest.total_s:.0f} s")

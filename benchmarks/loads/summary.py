"""Figures of what was measured on real loads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.loads.contenders import NONE

LEAST_WORK = 0.95
"""What is saved counts where at least this share of the work was done."""

# DAMON_RECLAIM looks for what was idle for two minutes, a goal's quota begins at a byte, and the
# guard lets knobs go step by step: savings are compared once each could begin.
_SETTLED_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Summary:
    """One policy on one load; ratios are against nobody managing it, in the same boot.

    ``saving`` is of the host's memory: what the compressed swap occupies is not saved.
    ``resident_saving`` is of the process's resident memory alone. Both are of the last fifth of
    the time, and so is ``settled_work``; work, faults and pressure are of all of it.
    """

    policy: str
    saving: float
    resident_saving: float
    work: float
    settled_work: float
    major_faults: int
    pressure: float
    fault_share: float
    """Of all the time, what faults take at the cost of one that was measured."""
    resident_bytes: float

    @property
    def saving_at_least_work(self) -> float:
        """What is saved, if the work is done; else nothing."""
        return self.saving if min(self.work, self.settled_work) >= LEAST_WORK else 0.0


def summarise(result: Mapping[str, Any]) -> list[Summary]:
    """All policies on one load."""
    raw = {phase["policy"]: _averages(phase["samples"]) for phase in result["phases"]}
    base = raw[NONE]
    return [
        Summary(
            policy,
            saving=1.0 - found["net"] / base["net"],
            resident_saving=1.0 - found["resident"] / base["resident"],
            work=found["rate"] / base["rate"],
            settled_work=found["settled_rate"] / base["settled_rate"],
            major_faults=int(found["faults"]),
            pressure=found["pressure"],
            fault_share=found["faults"] * result["swap_in_us"] * 1e-6 / found["seconds"],
            resident_bytes=found["resident"],
        )
        for policy, found in raw.items()
    ]


def load_figures(results: Mapping[str, Mapping[str, Any]]) -> Iterator[Figure]:
    """``kernel.loads.LOAD.POLICY.saving`` and ``.work``, and each policy's mean over loads."""
    at_work: dict[str, dict[str, float]] = {}
    for load, result in results.items():
        about = {
            "kernel": result["kernel"],
            "seconds": result["seconds"],
            "budget": result["budget"],
            "swap_in_us": result["swap_in_us"],
            "runs": 1,
        }
        for s in summarise(result):
            if s.policy == NONE:
                continue
            name = f"kernel.loads.{load}.{s.policy}"
            memory = {
                "resident_saving": s.resident_saving,
                "resident_bytes": round(s.resident_bytes),
            }
            yield Figure(f"{name}.saving", s.saving, "share", {**memory, **about})
            more = {
                "settled": s.settled_work,
                "major_faults": s.major_faults,
                "fault_share": s.fault_share,
                "pressure": s.pressure,
            }
            yield Figure(f"{name}.work", s.work, "share", {**more, **about})
            at_work.setdefault(s.policy, {})[load] = s.saving_at_least_work
        yield Figure(f"kernel.loads.{load}.restored", float(is_restored(result)), "yes", about)
    for policy, by_load in at_work.items():
        value = fmean(by_load.values())
        yield Figure(
            f"kernel.loads.{policy}.saving_at_95",
            value,
            "share",
            {"least_work": LEAST_WORK, "loads": by_load, "runs": 1},
        )


def is_restored(result: Mapping[str, Any]) -> bool:
    """Whether DAMON's files and the processes were as before, and every load lived."""
    survived = all(phase["survived"] for phase in result["phases"])
    return survived and not result["not_restored"] and not result["processes_differ"]


def _averages(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    first, last = samples[0], samples[-1]
    seconds = last["at_s"] - first["at_s"]
    settled = [s for s in samples if s["at_s"] - first["at_s"] >= _SETTLED_SHARE * seconds]
    return {
        "seconds": seconds,
        "resident": fmean(s["resident_bytes"] for s in settled),
        "net": fmean(s["resident_bytes"] + s["pool_bytes"] for s in settled),
        "rate": (last["done"] - first["done"]) / seconds,
        "settled_rate": (last["done"] - settled[0]["done"]) / (last["at_s"] - settled[0]["at_s"]),
        "faults": last["major_faults"] - first["major_faults"],
        "pressure": (last["psi_some_us"] - first["psi_some_us"]) / 1e6 / seconds,
    }

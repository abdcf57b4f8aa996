"""Boots the guests that measure what is claimed of the real kernel, and makes figures of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from damon_tuner.benchmarks.figure import Figure, repeated
from damon_tuner.benchmarks.kernel.boots import RESULT, Boot, boot
from damon_tuner.benchmarks.kernel.replay import decode_times_s
from damon_tuner.benchmarks.kernel.tenant_figures import forecast_figures, tenant_figures
from damon_tuner.benchmarks.kernel.tenants import BUDGETS
from damon_tuner.kernel_iface.guest import GuestSpec
from damon_tuner.kernel_iface.guest.matrix import suite_guest

DEFAULT_OUT = Path("out/kernel-figures")
SERIES = "7.3"

_INSIDE = "damon_tuner.benchmarks.kernel.inside"
_TIMEOUT_S = 900.0
_GIB = 1 << 30


BOOTS = {
    "memory": Boot(("blocks", "files", "actions"), suite_guest(SERIES)),
    # without swap, nothing but demotion makes room on the fast node
    "tiers": Boot(
        ("tiering", "tiering_pair"), GuestSpec(SERIES, memory_bytes=_GIB, slow_bytes=_GIB)
    ),
    "thp": Boot(("thp",), GuestSpec(SERIES, memory_bytes=3 * _GIB // 2, swap_bytes=_GIB)),
    # without swap, a process that finds no memory is killed
    "power": Boot(("power",), GuestSpec(SERIES, memory_bytes=2 * _GIB, movable_bytes=_GIB)),
    # processes that are given their CPUs; each takes minutes
    "tenants": Boot(
        ("tenants",),
        GuestSpec(SERIES, memory_bytes=3 * _GIB // 2, cpus=2, swap_bytes=_GIB, counted_clock=True),
        plays=True,
        timeout_s=2_400.0,
    ),
    "forecast": Boot(
        ("forecast",),
        GuestSpec(SERIES, memory_bytes=3 * _GIB // 2, cpus=2, swap_bytes=_GIB, counted_clock=True),
        plays=True,
        timeout_s=2_400.0,
    ),
    "kills": Boot(("kills",), GuestSpec(SERIES, memory_bytes=_GIB, swap_bytes=_GIB >> 1)),
    "monitor": Boot(
        ("monitor", "record"),
        GuestSpec(SERIES, memory_bytes=_GIB, cpus=1, swap_bytes=_GIB >> 1, counted_clock=True),
    ),
}


def measure(out: Path, names: Sequence[str], write: Callable[[str], None]) -> None:
    """Boot the named guests, one after another; each leaves its results below ``out``.

    Raises ``GuestError`` when one could not run, or its measurement failed.
    """
    for name in names:
        boot(BOOTS[name], _INSIDE, out / name, _TIMEOUT_S, write)


def read_figures(out: Path) -> Iterator[Figure]:
    """Make figures of every result that ``measure`` has left below ``out``."""
    for name in BOOTS:
        path = out / name / RESULT
        if path.exists():
            measured = json.loads(path.read_text())
            for what, make in _FIGURES.items():
                if what in measured:
                    yield from make(measured[what], measured["kernel"])
            if "monitor" in measured:
                yield from _monitor(measured, path.parent)


def _files(found: dict[str, Any], kernel: str) -> Iterator[Figure]:
    more = {"of": found["files"], "failed": found["failed"], "kernel": kernel}
    yield Figure("kernel.sysfs.files", found["written"], "files", more)


def _actions(found: list[dict[str, Any]], kernel: str) -> Iterator[Figure]:
    for tried in found:
        more = {
            "counted": "sz_tried" if tried["action"] == "stat" else "sz_applied",
            "effect": tried["effect"] or None,
            "effect_bytes": tried["effect_bytes"],
            "after_s": round(tried["seconds"], 2),
            "ok": tried["ok"],
            "missing": tried["missing"] or None,
            "kernel": kernel,
        }
        name = f"kernel.actions.{tried['operations']}.{tried['action']}"
        yield Figure(name, tried["counted_bytes"], "bytes", more)


def _tiering(runs: list[dict[str, Any]], kernel: str) -> Iterator[Figure]:
    yield repeated(
        "kernel.tiering.fast_share",
        [run["fast_share"] for run in runs],
        "share",
        reached_s=[run["reached_s"] for run in runs],
        before=[run["before"] for run in runs],
        hot_bytes=runs[0]["hot_bytes"],
        cold_bytes=[run["cold_bytes"] for run in runs],
        promoted_bytes=[run["promoted_bytes"] for run in runs],
        demoted_bytes=[run["demoted_bytes"] for run in runs],
        kernel=kernel,
    )


def _tiering_pair(found: dict[str, Any], kernel: str) -> Iterator[Figure]:
    """One tenant's plan promotes, the other's demotes: what neither asked for stays."""
    after = found["after"]
    left_alone = min(after["promotes"]["cold"], 1.0 - after["demotes"]["hot"])
    more = {**found, "kernel": kernel}
    yield Figure("kernel.tiering.pair.promoted", after["promotes"]["hot"], "share", more)
    yield Figure("kernel.tiering.pair.demoted", 1.0 - after["demotes"]["cold"], "share", more)
    yield Figure("kernel.tiering.pair.left_alone", left_alone, "share", more)


def _thp(found: dict[str, Any], kernel: str) -> Iterator[Figure]:
    more = {"took_s": found["took_s"], "used_bytes": found["used_bytes"], "kernel": kernel}
    for what, who in (("huge", "hot"), ("huge", "sparse"), ("resident", "sparse")):
        name = f"{what}_bytes"
        before, after = found["before"][who][name], found["after"][who][name]
        yield Figure(f"kernel.thp.{who}.{what}", after, "bytes", {"before": before, **more})


def _power(found: dict[str, Any], kernel: str) -> Iterator[Figure]:
    grown, energy = found["grown"], found["energy"]
    refused = sum(grown["refusals"].values()) + (grown["got_bytes"] < grown["wanted_bytes"])
    names = ("rested_s", "spare_bytes", "failed_blocks", "last_failure", "clocks")
    more = {name: found[name] for name in names}
    yield Figure(
        "kernel.power.offline", found["offline_bytes"], "bytes", {**more, "kernel": kernel}
    )
    yield Figure("kernel.power.refusals", refused, "allocations", {**grown, "kernel": kernel})
    yield Figure(
        "kernel.power.back",
        found["offline_bytes"] - found["offline_after_bytes"],
        "bytes",
        {"all": found["back_online"], "kernel": kernel},
    )
    yield Figure("kernel.power.saved", energy["saved_j"], "J", {**energy, "kernel": kernel})


def _blocks(found: dict[str, Any], kernel: str) -> Iterator[Figure]:
    done = found["restored"] and found["offline_bytes"] == found["seen_offline_bytes"] > 0
    yield Figure("kernel.blocks.restored", float(done), "bool", {**found, "kernel": kernel})


def _kills(found: dict[str, Any], kernel: str) -> Iterator[Figure]:
    more = {key: value for key, value in found.items() if key not in ("figure", "value", "unit")}
    yield Figure(found["figure"], found["value"], found["unit"], {**more, "kernel": kernel})


def _monitor(measured: dict[str, Any], folder: Path) -> Iterator[Figure]:
    """What was measured on the guest's clock, and on this machine's CPU by the same code.

    Both decode the same recording, which says how many times slower the guest is.
    """
    kernel = measured["kernel"]
    times_s, nr_regions = decode_times_s(folder)
    slower = measured["record"]["decode_s"] / median(times_s)
    for cost in measured["monitor"]:
        more = {
            "regions": cost["nr_regions"],
            "snapshots": cost["nr_snapshots"],
            "guest_slower": slower,
            "kernel": kernel,
        }
        by, share, snapshot_ms = cost["regions_by"], cost["share"], cost["snapshot_s"] * 1e3
        yield Figure(
            f"kernel.monitor.cpu_share.{by}",
            share / slower,
            "share",
            {
                "in_guest": share,
                "kdamond_in_guest": cost["kdamond_share"],
                "interval_s": 5,
                **more,
            },
        )
        yield Figure(
            f"kernel.monitor.snapshot.{by}",
            snapshot_ms / slower,
            "ms",
            {"in_guest": snapshot_ms, **more},
        )
    yield repeated(
        "kernel.monitor.decode",
        [time_s * 1e3 for time_s in times_s],
        "ms",
        regions=nr_regions,
        kernel=kernel,
    )


def _tenants(found: dict[str, Any], kernel: str) -> Iterator[Figure]:
    return tenant_figures(found, BUDGETS, kernel)


_FIGURES: dict[str, Callable[[Any, str], Iterator[Figure]]] = {
    "tenants": _tenants,
    "forecast": forecast_figures,
    "files": _files,
    "actions": _actions,
    "tiering": _tiering,
    "tiering_pair": _tiering_pair,
    "thp": _thp,
    "power": _power,
    "blocks": _blocks,
    "kills": _kills,
}

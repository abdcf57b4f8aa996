"""Boots the guests in which the daemon is measured, and makes figures of what they found."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random
from statistics import mean, median
from typing import Any

from damon_tuner.benchmarks.daemon.guest_cpu import INTERVAL_S
from damon_tuner.benchmarks.daemon.guest_power import Cut, judge
from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.kernel.boots import RESULT, Boot, boot
from damon_tuner.benchmarks.kernel.replay import decode_times_s
from damon_tuner.errors import GuestDiedError, GuestError
from damon_tuner.kernel_iface.guest import GuestSpec, run_in_guest
from damon_tuner.kernel_iface.guest.disk import make_disk

SERIES = "7.3"

_INSIDE = "damon_tuner.benchmarks.daemon.guest_inside"
_POWER = "power"
_TIMEOUT_S = 1800.0
_GIB = 1 << 30
_DISK_BYTES = 64 << 20

# One cut comes when some experience must have reached the disk, the others at any time.
_CUTS_AT_RANDOM = 5
_CUTS_S = (1.0, 25.0)
_LATE_CUT_S = (70.0, 80.0)


# On the counted clock no timer is late, and time in which nothing happens passes at once.
_COUNTED = GuestSpec(SERIES, memory_bytes=_GIB, cpus=1, swap_bytes=_GIB >> 1, counted_clock=True)

BOOTS = {
    "cpu": Boot(("cpu", "record"), _COUNTED),
    "faults": Boot(("foreign", "faults"), _COUNTED),
    "kills": Boot(("kills",), _COUNTED),
}
_POWER_GUEST = GuestSpec(SERIES, memory_bytes=_GIB, swap_bytes=_GIB >> 1)


def guest_figures(out: Path, write: Callable[[str], None]) -> Iterator[Figure]:
    """Measure the daemon in guests, which leave their results below ``out``, and make figures.

    ``write`` gets what is printed meanwhile. Raises ``GuestError`` when a guest could not run, or
    its measurement failed.
    """
    measure(out, (*BOOTS, _POWER), write)
    yield from read_guest_figures(out)


def measure(out: Path, names: tuple[str, ...], write: Callable[[str], None]) -> None:
    """Boot the named guests, one after another; raises what ``guest_figures`` raises."""
    for name in names:
        if name == _POWER:
            _measure_power(out / name, write)
            continue
        boot(BOOTS[name], _INSIDE, out / name, _TIMEOUT_S, write)


def read_guest_figures(out: Path) -> Iterator[Figure]:
    """Make figures of every result that lies below ``out``."""
    found = {name: path for name in (*BOOTS, _POWER) if (path := out / name / RESULT).exists()}
    measured = {name: json.loads(path.read_text()) for name, path in found.items()}
    kernel = next((each["kernel"] for each in measured.values()), "")
    if "cpu" in measured:
        yield from _cpu(measured["cpu"], out / "cpu")
    if "kills" in measured:
        yield from _kills(measured["kills"]["kills"], kernel)
    if "faults" in measured:
        cuts = measured.get(_POWER, {}).get("cuts")
        yield _faults(measured["faults"]["faults"], cuts, kernel)
        yield _foreign(measured["faults"]["foreign"], kernel)


def _cpu(measured: Mapping[str, Any], folder: Path) -> Iterator[Figure]:
    """On the guest's clock, and divided by how much longer the guest takes for the same code."""
    cost, kernel = measured["cpu"], measured["kernel"]
    times_s, _ = decode_times_s(folder)
    slower = measured["record"]["decode_s"] / median(times_s)
    shares = cost["shares"]
    more = {
        "tenants": cost["nr_tenants"],
        "regions": median(cost["nr_regions"]),
        "regions_min": min(cost["nr_regions"]),
        "regions_max": max(cost["nr_regions"]),
        "kernel": kernel,
    }
    yield Figure(
        "daemon.cpu_share",
        mean(shares) / slower,
        "share",
        {
            "min": min(shares) / slower,
            "max": max(shares) / slower,
            "runs": len(shares),
            "in_guest": mean(shares),
            "guest_slower": slower,
            "kdamonds_in_guest": cost["kdamonds_share"],
            "interval_s": INTERVAL_S,
            "swapped_bytes": cost["swapped_bytes"],
            "learned_share": cost["learned_share"],
            **more,
        },
    )
    own = {"uss_mib": cost["uss_bytes"] / (1 << 20), **more}
    yield Figure("daemon.guest.rss_mib", cost["rss_bytes"] / (1 << 20), "MiB", own)


def _kills(found: Mapping[str, Any], kernel: str) -> Iterator[Figure]:
    aside = ("figure", "value", "unit", "leases", "kernel")
    more = {key: value for key, value in found.items() if key not in aside}
    yield Figure(found["figure"], found["value"], found["unit"], {**more, "kernel": kernel})
    leases = found["leases"]
    left = leases["schemes_left"]
    told = {
        "of": left,
        "longest_s": leases["longest_s"],
        "stopped_after_s": leases["stopped_after_s"],
        "not_leased": leases["not_leased"],
        "kernel": kernel,
    }
    yield Figure("daemon.kill.leased", left - len(leases["not_leased"]), "schemes", told)


def _faults(
    found: list[Mapping[str, Any]], cuts: list[Mapping[str, Any]] | None, kernel: str
) -> Figure:
    passed = [each["name"] for each in found if each["survived"]]
    failed = {each["name"]: each["said"] for each in found if not each["survived"]}
    more: dict[str, object] = {}
    if cuts is not None:
        wrong = {f"power cut {n}": cut["wrong"] for n, cut in enumerate(cuts, 1) if cut["wrong"]}
        failed |= wrong
        passed += [f"power cut {n}" for n, cut in enumerate(cuts, 1) if not cut["wrong"]]
        more = {
            "power_cuts": len(cuts),
            "cut_after_s": [round(cut["after_s"], 1) for cut in cuts],
            "experience_lost_s": [round(cut["lost_s"], 1) for cut in cuts],
            "journals_left": sum(cut["left_journal"] for cut in cuts),
        }
    of = len(passed) + len(failed)
    told = {"of": of, "passed": passed, "failed": failed, **more, "kernel": kernel}
    return Figure("daemon.faults.survived", len(passed), "scenarios", told)


def _foreign(found: list[Mapping[str, Any]], kernel: str) -> Figure:
    refused = sum(each["refused"] for each in found)
    said = {each["name"]: each["said"] for each in found}
    return Figure(
        "daemon.foreign.refused",
        refused,
        "occupants",
        {"of": len(found), **said, "kernel": kernel},
    )


def _measure_power(out: Path, write: Callable[[str], None]) -> None:
    """Cut the power of one guest after another on the same disk; the last one ends by itself."""
    rng = Random(1)
    cuts_s = [rng.uniform(*_CUTS_S) for _ in range(_CUTS_AT_RANDOM)]
    cuts_s.insert(2, rng.uniform(*_LATE_CUT_S))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="damon-tuner-power-") as scratch:
        disk = Path(scratch, "disk")
        make_disk(disk, _DISK_BYTES)
        boots = [
            _powered(out, disk, cut_s, number, write)
            for number, cut_s in enumerate([*cuts_s, 0.0])
        ]
    cuts: list[Cut] = judge(boots)
    kernel = (out / "release").read_text()
    told = {"kernel": kernel, "cuts": [asdict(cut) for cut in cuts]}
    (out / RESULT).write_text(json.dumps(told))


def _powered(
    out: Path, disk: Path, cut_s: float, number: int, write: Callable[[str], None]
) -> list[Mapping[str, Any]]:
    """Boot once, and return what was told until the power was gone."""
    told: list[Mapping[str, Any]] = []

    def echo(line: str) -> None:
        if line.startswith('{"event"'):
            told.append(json.loads(line))
        else:
            write(line)

    # every other time the daemon finds the journal of the boot before
    how = "restore" if number % 2 else "start"
    words = ["python", "-m", "damon_tuner.benchmarks.daemon.guest_power", f"{cut_s:.3f}", how]
    write(f"boot {number + 1}: power off after {cut_s:.1f} s" if cut_s else "the last boot")
    try:
        result = run_in_guest(
            words, _POWER_GUEST, out_dir=out, timeout_s=_TIMEOUT_S, echo=echo, disk=disk
        )
    except GuestDiedError:
        # as was meant to be, once the daemon acted
        if cut_s and any(line["event"] == "decided" for line in told):
            return told
        raise
    if cut_s or result.exit_status:
        raise GuestError("measuring power cuts failed in the guest, which says why above")
    (out / "release").write_text(result.kernel_version)
    return told

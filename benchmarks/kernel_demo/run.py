"""Boot the guest, run the demo inside, and show what was measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damon_tuner.benchmarks.figure import Figure
from damon_tuner.benchmarks.kernel_demo.picture import draw_demo
from damon_tuner.errors import GuestError, TunerError
from damon_tuner.kernel_iface.guest import GuestSpec, run_in_guest
from damon_tuner.policies.policy_file import load_policy

RESULT = "demo.json"
PICTURE = "demo.png"
SETTLING_S = 20.0

# 512 of the guest's 1,024 MiB: free memory then lies where DAMON_RECLAIM's default watermarks
# (20 % to 50 % free) let it work at all.  Its clock counts instructions: work does not depend on
# what else this machine does.
_GUEST = GuestSpec(memory_bytes=1 << 30, swap_bytes=1 << 30, counted_clock=True)
_MAPPED_MIB, _HOT_MIB, _PERIOD_S, _PLACES = 512, 48, 60, 4
# Each hot page is then written about once in a sampling interval.  More would be no more to see,
# and sleep takes the emulator no time.
_PAUSE_US = 1600
_SOURCE = Path(__file__).parent / "moving_hot.c"


@dataclass(frozen=True, slots=True)
class PhaseSummary:
    """One policy's run; ratios are against no management in the same boot."""

    policy: str
    resident_bytes: float
    writes_per_s: float
    major_faults: float
    pressure: float
    decisions: int
    saving: float
    work: float


def run_demo(
    out: Path,
    policy: Path,
    budget: float,
    seconds: float,
    interval_s: float,
    write: Callable[[str], None] = lambda line: print(line, flush=True),
) -> dict[str, Any]:
    """Run the demo and write its result and picture to ``out``.

    Raises:
        GuestError: the guest could not run, or its DAMON did not see.

    """
    load_policy(policy)
    out.mkdir(parents=True, exist_ok=True)
    (out / RESULT).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="damon-tuner-demo-") as work:
        load = _compile(Path(work) / "moving_hot")
        command = [
            *("python", "-m", "damon_tuner.benchmarks.kernel_demo.inside"),
            *("--load", "/files/moving_hot", "--policy", "/files/policy.safetensors"),
            *("--budget", str(budget), "--seconds", str(seconds), "--interval", str(interval_s)),
            *("--mapped-mib", str(_MAPPED_MIB), "--hot-mib", str(_HOT_MIB)),
            *("--period", str(_PERIOD_S), "--places", str(_PLACES)),
            *("--pause-us", str(_PAUSE_US)),
        ]
        guest = run_in_guest(
            command,
            _GUEST,
            out_dir=out,
            timeout_s=3 * seconds + 300.0,
            extra_files={"/files/moving_hot": load, "/files/policy.safetensors": policy},
            echo=write,
        )
    if guest.exit_status:
        raise GuestError(f"the demo failed in the guest; its console is {guest.console_log}")
    result = read_demo(out)
    result |= {"kernel_version": guest.kernel_version, "budget": budget, "seconds": seconds}
    result["load"] = {
        "mapped_mib": _MAPPED_MIB,
        "hot_mib": _HOT_MIB,
        "period_s": _PERIOD_S,
        "places": _PLACES,
        "pause_us": _PAUSE_US,
    }
    (out / RESULT).write_text(json.dumps(result), encoding="utf-8")
    draw_demo(result, out / PICTURE)
    print_demo(result, write)
    write(f"\npicture {out / PICTURE}\nresult  {out / RESULT}")
    return result


def read_demo(out: Path) -> dict[str, Any]:
    """What an earlier demo wrote to ``out``."""
    try:
        result: dict[str, Any] = json.loads((out / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TunerError(f"{out} holds no demo: {error}; run damon-tuner kernel-demo") from None
    if "processes_differ" not in result:
        raise TunerError(f"the demo in {out} did not end; run damon-tuner kernel-demo again")
    return result


def summarise(result: Mapping[str, Any]) -> list[PhaseSummary]:
    """One line a policy, over the time after the first ``SETTLING_S`` seconds."""
    raw = [_averages(phase) for phase in result["phases"]]
    base = next(r for r in raw if r["policy"] == "none")
    return [
        PhaseSummary(
            **r,
            saving=1.0 - r["resident_bytes"] / base["resident_bytes"],
            work=r["writes_per_s"] / base["writes_per_s"],
        )
        for r in raw
    ]


def kernel_figures(result: Mapping[str, Any]) -> list[Figure]:
    """The demo's figures: saving and work of each policy, and whether all was restored."""
    # The load has a CPU to itself: what page-out costs a host whose CPUs are full is not in it.
    about = {
        "kernel": result["kernel_version"],
        "seconds": result["seconds"],
        "budget": result["budget"],
        "runs": 1,
        "load_has_own_cpu": 1,
        "clock": "instructions, a nanosecond each",
    }
    figures = [
        Figure("kernel.demo.damon_sees", float(result["proof"]["sees"]), "yes", about),
        Figure(
            "kernel.demo.writes_per_hot_page_s",
            result["proof"]["writes_per_hot_page_s"],
            "1/s",
            about,
        ),
        Figure("kernel.demo.swap_in_us", result["swap_in_us"], "us", about),
    ]
    for s in summarise(result):
        if s.policy == "none":
            continue
        suffix = "" if s.policy == "learned" else f".{s.policy}"
        more = {"policy": s.policy, "decisions": s.decisions, **about}
        figures += [
            Figure(f"kernel.demo.saving{suffix}", s.saving, "share", more),
            Figure(f"kernel.demo.work{suffix}", s.work, "share", more),
            Figure(f"kernel.demo.slowdown{suffix}", 1.0 - s.work, "share", more),
            Figure(f"kernel.demo.major_faults{suffix}", s.major_faults, "1", more),
            Figure(f"kernel.demo.pressure{suffix}", s.pressure, "share", more),
        ]
    left = {"not_restored": result["not_restored"], **about}
    return [*figures, Figure("kernel.demo.restored", float(is_restored(result)), "yes", left)]


def is_restored(result: Mapping[str, Any]) -> bool:
    """Whether every DAMON file, module parameter and process was as before."""
    survived = all(phase["load_survived"] for phase in result["phases"])
    return survived and not result["not_restored"] and not result["processes_differ"]


def print_demo(result: Mapping[str, Any], write: Callable[[str], None]) -> None:
    """A table for people."""
    proof = result["proof"]
    write(
        f"\nkernel {result['kernel_version']}: DAMON shows the hot part at "
        f"{proof['hot_nr_accesses']:.1f} of 20 accesses and the rest at "
        f"{proof['cold_nr_accesses']:.2f}; each hot page is written "
        f"{proof['writes_per_hot_page_s']:.0f} times a second; "
        f"a major fault costs {result['swap_in_us']:.0f} us"
    )
    write(
        f"{'policy':14} {'resident MiB':>13} {'saved':>8} {'work done':>10} {'slowdown':>9} "
        f"{'major faults':>13} "
        f"{'pressure':>9} {'decisions':>10}"
    )
    for s in summarise(result):
        write(
            f"{s.policy:14} {s.resident_bytes / 2**20:13.0f} {s.saving:8.1%} {s.work:10.1%} "
            f"{1.0 - s.work:9.1%} "
            f"{s.major_faults:13.0f} {s.pressure:9.2%} {s.decisions:10d}"
        )
    write("restored: " + ("everything, exactly" if is_restored(result) else "NO"))


def _averages(phase: Mapping[str, Any]) -> dict[str, Any]:
    samples: Sequence[Mapping[str, float]] = phase["samples"]
    settled = [s for s in samples if s["elapsed_s"] >= SETTLING_S] or samples[-1:]
    first, last = samples[0], samples[-1]
    elapsed_s = last["elapsed_s"] - first["elapsed_s"] or 1.0
    return {
        "policy": phase["policy"],
        "resident_bytes": sum(s["resident_bytes"] for s in settled) / len(settled),
        "writes_per_s": (last["writes"] - first["writes"]) / elapsed_s,
        "major_faults": last["major_faults"] - first["major_faults"],
        "pressure": (last["psi_some_us"] - first["psi_some_us"]) / 1e6 / elapsed_s,
        "decisions": len(phase["decisions"]),
    }


def _compile(program: Path) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        raise TunerError("the demo's load is a C program: install a C compiler (gcc)")
    # static, because the guest has only the libraries that Python needs
    command = [compiler, "-O2", "-static", "-o", str(program), str(_SOURCE)]
    if subprocess.run(command, check=False).returncode:
        raise TunerError("the demo's load was not compiled: install the C library (libc6-dev)")
    return program

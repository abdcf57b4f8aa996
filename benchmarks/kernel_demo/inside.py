"""The part of the demo that runs inside the guest: one load, several policies, in turn.

Writes ``demo.json`` to ``$DAMON_TUNER_OUT``. The load is pinned to CPU 1 and everything else to
CPU 0, so that what is measured is what page-out does to the load and not who got the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from damon_tuner.benchmarks.loads.contenders import contender
from damon_tuner.daemon.control import control
from damon_tuner.daemon.log_line import json_line, text_line
from damon_tuner.daemon.outcome import Outcome
from damon_tuner.kernel_iface.host import Context
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.swap_in import measure_swap_in_us
from damon_tuner.policies.decision import MONITORING, Policy

PHASES = ("none", "damon_reclaim", "learned")
_LOAD_CPU = 1
_OUR_CPU = 0
_NEVER_S = 1e9


class Load:
    """The running load, what it last said of itself, and what the kernel says of it."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        os.sched_setaffinity(self.pid, {_LOAD_CPU})
        self.writes = 0
        self.hot = (0, 0)
        self._read_report()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while self._read_report():
            pass

    def _read_report(self) -> bool:
        assert self._process.stdout is not None
        words = self._process.stdout.readline().split()
        if len(words) != 4:
            return False
        self.writes = int(words[1])
        self.hot = (int(words[2]), int(words[3]))
        return True

    def sample(self, elapsed_s: float) -> dict[str, float]:
        """Resident and swapped memory, work, faults and pressure at this moment."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        kib = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if "kB" in line}
        stat = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        pressure = Path("/proc/pressure/memory").read_text().split("total=")[1].split()[0]
        return {
            "elapsed_s": elapsed_s,
            "resident_bytes": int(kib["VmRSS"]) * 1024,
            "swapped_bytes": int(kib["VmSwap"]) * 1024,
            "writes": self.writes,
            "major_faults": int(stat[9]),
            "psi_some_us": int(pressure),
        }

    def alive(self) -> bool:
        """Whether the load still runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the load."""
        self._process.kill()
        self._process.wait()


@contextmanager
def running(command: list[str]) -> Iterator[Load]:
    """A load that has filled its memory; it is ended on leaving."""
    load = Load(command)
    try:
        yield load
    finally:
        load.stop()


class Sampler(threading.Thread):
    """Samples a load once a second until it is told to stop."""

    def __init__(self, load: Load) -> None:
        super().__init__(daemon=True)
        self.samples: list[dict[str, float]] = []
        self._load = load
        self._finished = threading.Event()

    def run(self) -> None:
        """Sample at whole seconds after the start."""
        started = time.monotonic()
        while True:
            elapsed_s = time.monotonic() - started
            try:
                self.samples.append(self._load.sample(elapsed_s))
            except (OSError, KeyError):
                # the load has ended: whoever manages it says so
                return
            if self._finished.wait(1.0 - elapsed_s % 1.0):
                return

    def finish(self) -> list[dict[str, float]]:
        """Stop, and return the samples."""
        self._finished.set()
        self.join()
        return self.samples


def prove_that_damon_sees(
    command: list[str], pages: int, timeout_s: float = 60.0
) -> dict[str, Any]:
    """Watch a load whose hot part stands still, until DAMON shows it hot and the rest cold."""
    with running(command) as load, SysfsHost(Context(pid=load.pid, attrs=MONITORING)) as host:
        host.start(())
        pin_kdamond()
        before, started = load.writes, time.monotonic()
        while True:
            host.advance(3.0)
            heat = _heat(host, load.hot)
            elapsed_s = time.monotonic() - started
            sees = heat["hot"] >= 5.0 and heat["cold"] <= 1.0
            if sees or elapsed_s > timeout_s:
                rate = (load.writes - before) / elapsed_s
                return {
                    "sees": sees,
                    "hot_nr_accesses": heat["hot"],
                    "cold_nr_accesses": heat["cold"],
                    "nr_regions": heat["regions"],
                    "writes_per_s": rate,
                    "writes_per_hot_page_s": rate / pages,
                }


def _heat(host: SysfsHost, hot: tuple[int, int]) -> dict[str, float]:
    """Byte-weighted mean ``nr_accesses`` inside and outside of the hot range."""
    snapshot = host.snapshot()
    sums = {"hot": 0.0, "cold": 0.0}
    sizes = {"hot": 0, "cold": 0}
    for region in snapshot.regions:
        inside = max(0, min(region.end, hot[1]) - max(region.start, hot[0]))
        for part, size in (("hot", inside), ("cold", region.end - region.start - inside)):
            sums[part] += region.nr_accesses * size
            sizes[part] += size
    means = {part: sums[part] / max(sizes[part], 1) for part in sums}
    return {**means, "regions": len(snapshot.regions)}


def pin_kdamond() -> None:
    """Keep DAMON's thread off the load's CPU."""
    pid = int(Path("/sys/kernel/mm/damon/admin/kdamonds/0/pid").read_text())
    os.sched_setaffinity(pid, {_OUR_CPU})


def run_phase(
    name: str, policy: Policy | None, load: Load, args: argparse.Namespace, swap_in_us: float
) -> dict[str, Any]:
    """Let ``policy`` manage ``load`` for the time asked, or nobody when it is ``None``."""
    decisions: list[dict[str, Any]] = []

    def on_step(step: Outcome) -> None:
        if not decisions:
            pin_kdamond()
        decisions.append(json.loads(json_line(step)))
        print(f"[{name}] {text_line(step)}", flush=True)

    sampler = Sampler(load)
    sampler.start()
    if policy is None:
        time.sleep(args.seconds)
    else:
        host = SysfsHost(Context(pid=load.pid, attrs=MONITORING), swap_in_us=swap_in_us)
        control(host, policy, on_step=on_step, interval_s=args.interval, duration_s=args.seconds)
    return {
        "policy": name,
        "samples": sampler.finish(),
        "decisions": decisions,
        "load_survived": load.alive(),
    }


def processes() -> list[str]:
    """Names of all processes and of DAMON's threads, without the short-lived kernel threads."""
    names = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            if (folder / "cmdline").read_bytes() or name.startswith("kdamond"):
                names.append(name)
        except OSError:
            continue
    return sorted(names)


def main() -> int:
    """Prove that DAMON sees, run every phase, and write down what was measured."""
    parser = argparse.ArgumentParser(description="Run the demo inside the guest.")
    parser.add_argument("--load", required=True, help="the load's program")
    parser.add_argument("--policy", type=Path, required=True)
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True, help="for each phase")
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--mapped-mib", type=int, required=True)
    parser.add_argument("--hot-mib", type=int, required=True)
    parser.add_argument("--period", type=float, required=True, help="seconds between moves")
    parser.add_argument("--places", type=int, required=True)
    parser.add_argument("--pause-us", type=int, required=True, help="after each burst of writes")
    args = parser.parse_args()
    out = Path(os.environ["DAMON_TUNER_OUT"]) / "demo.json"
    os.sched_setaffinity(0, {_OUR_CPU})

    def load_command(period_s: float) -> list[str]:
        shape = (args.mapped_mib, args.hot_mib, period_s, args.places, args.pause_us)
        return [args.load, *map(str, shape)]

    settings_before, processes_before = damon_settings(), processes()
    pages = args.hot_mib * 256
    result: dict[str, Any] = {"proof": prove_that_damon_sees(load_command(_NEVER_S), pages)}
    print(f"proof: {json.dumps(result['proof'])}", flush=True)
    if not result["proof"]["sees"]:
        print("DAMON does not see the hot part of the load: nothing measured here would count")
        out.write_text(json.dumps(result))
        return 1
    swap_in_us = measure_swap_in_us()
    result["swap_in_us"] = swap_in_us
    result["phases"] = []
    for name in PHASES:
        policy = contender(name, args.policy, args.budget)
        with running(load_command(args.period)) as load:
            result["phases"].append(run_phase(name, policy, load, args, swap_in_us))
    changed = {path for path, value in (settings_before.items() ^ damon_settings().items())}
    result["not_restored"] = sorted(changed)
    result["processes_differ"] = processes() != processes_before
    out.write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""A fake host with control groups, and a daemon on it whose time is the fake kernel's."""

from __future__ import annotations

import json
import os
import selectors
import signal
from collections.abc import Callable
from pathlib import Path

from damon_tuner.daemon.service import Service
from damon_tuner.kernel_iface.host import Region

from ..sysfs.fake_kernel import FakeKernel

MIB = 1 << 20
CGROUPS = "sys/fs/cgroup"
REGIONS = [
    Region(0, 64 * MIB, 0, 5_000),
    Region(64 * MIB, 96 * MIB, 0, 1_000),
    Region(96 * MIB, 128 * MIB, 18, 40),
]


class FakeHost(FakeKernel):
    """Half a gibibyte of memory, swap, and units that hold processes."""

    def __init__(self, version: str = "7.3") -> None:
        super().__init__(version)
        self.regions = list(REGIONS)
        self.spawn(os.getpid())
        self.files[f"{CGROUPS}/cgroup.controllers"] = "cpu io memory pids"
        self.files["proc/meminfo"] = (
            "MemTotal: 524288 kB\nMemFree: 200000 kB\nZswap: 0 kB\n"
            "SwapTotal: 524288 kB\nSwapFree: 500000 kB\nHugePages_Total: 0\n"
        )
        self.files["proc/vmstat"] = "pgmajfault 77\nworkingset_refault_anon 0\n"

    def spawn(self, pid: int, *, state: str = "S", start: int = 100) -> None:
        super().spawn(pid, state=state, start=start)
        self.files[f"proc/{pid}/status"] = "Name:\ta\nVmRSS:\t 131072 kB\nVmSwap:\t 0 kB"

    def put(self, cgroup: str, *pids: int) -> None:
        """Have these processes, and no others, in a control group."""
        self.files[f"{CGROUPS}/{cgroup}/cgroup.procs"] = "\n".join(map(str, pids))
        for pid in pids:
            if f"proc/{pid}/stat" not in self.files:
                self.spawn(pid)
            self.files[f"proc/{pid}/cgroup"] = f"0::/{cgroup}"

    def remove(self, cgroup: str) -> None:
        del self.files[f"{CGROUPS}/{cgroup}/cgroup.procs"]

    def faults(self, pid: int, count: int) -> None:
        """A process had so many major faults since it began."""
        words = self.files[f"proc/{pid}/stat"].split(") ")
        fields = words[-1].split()
        fields[9] = str(count)
        self.files[f"proc/{pid}/stat"] = ") ".join([*words[:-1], " ".join(fields)])

    def works(self, pid: int, ticks: int) -> None:
        """A process has used so many clock ticks of CPU since it began."""
        words = self.files[f"proc/{pid}/stat"].split(") ")
        fields = words[-1].split()
        fields[11] = str(ticks)
        self.files[f"proc/{pid}/stat"] = ") ".join([*words[:-1], " ".join(fields)])

    def pass_time(self, seconds: float) -> None:
        """Nothing happens by itself here."""

    def schemes_of(self, kdamond: int = 0) -> list[str]:
        """The actions that a kdamond runs."""
        committed = self.kdamonds[kdamond].committed if self.kdamonds else None
        if committed is None:
            return []
        count = int(committed["schemes/nr_schemes"])
        return [committed[f"schemes/{index}/action"] for index in range(count)]


class Daemon:
    """A daemon on a fake host; ``run`` lets it live for some seconds of the host's time."""

    def __init__(self, folder: Path, host: FakeHost, text: str) -> None:
        self.folder = folder
        self.host = host
        self.lines: list[str] = []
        self.write: Callable[[str], None] = self.lines.append
        self.at: list[tuple[float, Callable[[], object]]] = []
        self.config = folder / "damon-tunerd.toml"
        self.configure(text)
        self._until_us = 0

    def configure(self, text: str) -> None:
        head = f'socket = "{self.folder}/run/socket"\nswap_in = "20us"\n'
        head += f'experience.folder = "{self.folder}/experience"\n'
        self.config.write_text(head + text)

    def service(self) -> Service:
        return Service(
            self.config,
            state_dir=self.folder / "state",
            kernel=self.host,
            write=lambda line: self.write(line),
            select=self._select,
        )

    def run(self, seconds: float, service: Service | None = None) -> Service:
        """Run until so many seconds have passed, and then stop it as systemd would."""
        service = service or self.service()
        self._until_us = self.host.clock_us + int(seconds * 1e6)
        service.run()
        return service

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Have ``call`` called when so many seconds have passed."""
        self.at.append((self.host.clock_us / 1e6 + seconds, call))

    def _select(self, selector: selectors.BaseSelector, timeout_s: float) -> None:
        for key, mask in selector.select(0):
            key.data(mask)
        end_us = self.host.clock_us + max(int(timeout_s * 1e6), 1)
        next_us = min((int(at_s * 1e6) + 1 for at_s, _ in self.at), default=end_us)
        now_us = max(min(end_us, next_us), self.host.clock_us)
        self.host.pass_time((now_us - self.host.clock_us) / 1e6)
        self.host.clock_us = now_us
        due = [each for each in self.at if each[0] <= self.host.clock_us / 1e6]
        self.at = [each for each in self.at if each not in due]
        for _, call in due:
            call()
        if self.host.clock_us >= self._until_us:
            os.kill(os.getpid(), signal.SIGTERM)

    def decisions(self) -> list[dict[str, object]]:
        """What was decided, where the log is JSON."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

"""A host on which processes use memory, are paged out, fault, come and go; and a moody kernel."""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass, field

from damon_tuner.kernel_iface.host import Region

from ..sysfs.fake_kdamond import FakeKdamond, failure
from .fake_host import FakeHost

MIB = 1 << 20
PAGE = 4096
_BASE = 1 << 32


@dataclass
class Load:
    """A process: part of its memory is hot, part used every ``period_s``, and the rest cold.

    ``out`` is how many bytes of each part are swapped.
    """

    rng: random.Random
    hot: int = 32 * MIB
    warm: int = 32 * MIB
    cold: int = 64 * MIB
    period_s: float = 30.0
    out: dict[str, float] = field(default_factory=lambda: {"hot": 0.0, "warm": 0.0, "cold": 0.0})
    faults: float = 0.0
    ticks: float = 0.0
    tried: float = 0.0
    idle_s: float = 100.0

    def page_out(self, quota_bytes: float, min_age_s: float) -> None:
        """Take the coldest first, as far as it is idle for long enough."""
        left = quota_bytes
        idle_s = {"cold": self.idle_s, "warm": self.period_s * 0.9}
        for part, size in (("cold", self.cold), ("warm", self.warm)):
            if idle_s[part] >= min_age_s:
                taken = min(left, size - self.out[part])
                self.out[part] += taken
                left -= taken
                self.tried += taken

    def live(self, seconds: float) -> None:
        """Use memory for a while; now and then what was cold is needed again."""
        self.ticks += 50.0 * seconds
        self.idle_s += seconds
        self._touch("hot", 1.0)
        self._touch("warm", min(seconds / self.period_s, 1.0))
        if self.rng.random() < seconds / 300.0:
            self._touch("cold", self.rng.uniform(0.1, 1.0))
            self.idle_s = 0.0

    def _touch(self, part: str, share: float) -> None:
        back = self.out[part] * share
        self.out[part] -= back
        self.faults += back / PAGE

    def regions(self) -> list[Region]:
        """What DAMON shows: the warm part is idle more often than not."""
        warm_age = int(self.rng.uniform(0.0, self.period_s) * 10)
        parts = [
            (self.hot, 15, 40),
            (self.warm, 0, warm_age),
            (self.cold, 0, int(self.idle_s * 10)),
        ]
        at, found = _BASE, []
        for size, nr_accesses, age in parts:
            found.append(Region(at, at + size, nr_accesses, age))
            at += size
        return found


class LivelyHost(FakeHost):
    """``busy`` is the chance that an access to DAMON finds it busy; ``busy_until_us`` all do."""

    def __init__(self, seed: int, busy: float = 0.0) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.busy = busy
        self.busy_until_us = 0
        self.loads: dict[int, Load] = {}
        self.pressure_us = 0.0
        self.spike_until_us = 0
        self.writes = _Forgetful()
        self.waits = _Forgetful()
        self.commits = _Forgetful()

    def start(self, pid: int, unit: str) -> Load:
        """Start a process in a unit of systemd."""
        self.put(f"system.slice/{unit}", pid)
        self.loads[pid] = Load(
            random.Random(self.rng.random()), period_s=self.rng.choice((10.0, 30.0, 120.0))
        )
        self._show(pid)
        return self.loads[pid]

    def end(self, pid: int, unit: str) -> None:
        """End a process, and its unit."""
        self.kill(pid)
        self.remove(f"system.slice/{unit}")
        del self.files[f"proc/{pid}/cgroup"]
        del self.loads[pid]

    def read(self, path: str) -> str:
        self._may_be_busy(path)
        return super().read(path)

    def write(self, path: str, text: str) -> None:
        self._may_be_busy(path)
        super().write(path, text)

    def regions_of(self, targets: list[str]) -> list[Region]:
        loads = (self.loads.get(int(target)) for target in targets)
        return [region for load in loads if load for region in load.regions()]

    def wait(self, seconds: float, pid: int | None = None) -> None:
        self.pass_time(seconds)
        super().wait(seconds, pid)

    def pass_time(self, seconds: float) -> None:
        """Let schemes page out, and processes go on."""
        for kdamond in self.kdamonds:
            self._run_schemes(kdamond, seconds)
        for pid, load in self.loads.items():
            load.live(seconds)
            self._show(pid)
        if self.clock_us < self.spike_until_us:
            self.pressure_us += 0.6e6 * seconds
        self.files["proc/pressure/memory"] = f"some avg10=0 total={1234 + int(self.pressure_us)}"

    def _run_schemes(self, kdamond: FakeKdamond, seconds: float) -> None:
        committed = kdamond.committed
        load = self.loads.get(int(kdamond.targets[0])) if committed and kdamond.targets else None
        if load is None or committed is None or committed["schemes/nr_schemes"] == "0":
            return
        if committed["schemes/0/action"] != "pageout":
            return
        quota = int(committed["schemes/0/quotas/bytes"]) or 1 << 40
        reset_ms = int(committed["schemes/0/quotas/reset_interval_ms"]) or 1_000
        min_age_s = int(committed["schemes/0/access_pattern/age/min"]) / 10
        load.page_out(quota * seconds * 1e3 / reset_ms, min_age_s)
        kdamond.stats[0]["stats/sz_tried"] = str(int(load.tried))

    def _show(self, pid: int) -> None:
        load = self.loads[pid]
        swapped = int(sum(load.out.values()))
        resident = load.hot + load.warm + load.cold - swapped
        self.files[f"proc/{pid}/status"] = (
            f"Name:\ta\nVmRSS:\t {resident >> 10} kB\nVmSwap:\t {swapped >> 10} kB"
        )
        fields = ["S", *"1 1 1 0 -1 0 11 0".split(), str(int(load.faults)), "0"]
        fields += [str(int(load.ticks)), "0", *"20 0 0 20 0 1 0".split(), str(pid), "0"]
        self.files[f"proc/{pid}/stat"] = f"{pid} (a) {' '.join(fields)}"

    def _may_be_busy(self, path: str) -> None:
        if path.startswith("sys/kernel/mm/damon"):
            is_busy = self.clock_us < self.busy_until_us
            if is_busy or (self.busy and self.rng.random() < self.busy):
                raise failure(errno.EBUSY)


class _Forgetful(list):
    """Keeps nothing: a day has too much of it."""

    def append(self, item: object) -> None:
        pass

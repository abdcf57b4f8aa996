"""A kernel in memory: DAMON's sysfs as Linux 7.3 does it, some of /proc, and virtual time."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from damon_tuner.kernel_iface.host import Region

from .fake_damon_files import (
    BOOLEANS,
    READ_ONLY,
    TEXTS,
    children_of,
    limits,
    words_of,
)
from .fake_kdamond import FakeKdamond, failure

ADMIN = "sys/kernel/mm/damon/admin"
NR_KDAMONDS = f"{ADMIN}/kdamonds/nr_kdamonds"
KDAMOND = f"{ADMIN}/kdamonds/0"
STATE = f"{KDAMOND}/state"
CONTEXT = f"{KDAMOND}/contexts/0"
SCHEMES = f"{CONTEXT}/schemes"
PID = 4242

HOST_FILES = {
    NR_KDAMONDS: "0",
    "sys/module/damon_stat/parameters/enabled": "N",
    "sys/module/damon_reclaim/parameters/enabled": "N",
    "sys/module/damon_lru_sort/parameters/enabled": "N",
    "sys/block/zram0/mm_stat": "  8192  2048  4096  0  4096  0  0  0  0\n",
    "sys/block/zram1/mm_stat": "  8192  2048  4096  0  4096  0  0  0  0\n",
    "sys/block/vda/size": "100\n",
    "proc/sys/kernel/random/boot_id": "b0071d00-0000-4000-8000-000000000001",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=999\n",
    "proc/meminfo": "MemTotal:  2000000 kB\nMemFree:  500000 kB\nZswap:  4 kB\n"
    "SwapTotal:  1000 kB\nSwapFree:  400 kB\nHugePages_Total:       0\n",
    "proc/vmstat": "pgmajfault 77\npswpout 5\n",
    "proc/stat": "cpu  10 1 2 500 6 3 4 0 0 0\ncpu0 10 1 2 500 6 3 4 0 0 0\n",
    "proc/iomem": "00001000-0009fbff : System RAM\n000a0000-000fffff : Reserved\n"
    "00100000-7ffdffff : System RAM\n  01000000-01ffffff : Kernel code\n"
    "100000000-13fffffff : dax0.0\n  100000000-13fffffff : System RAM (kmem)\n",
}


@dataclass
class Fault:
    """Raise ``error`` at the ``nth`` access (from 1) of a path that ends so, ``times`` times."""

    suffix: str
    error: BaseException
    nth: int = 1
    times: int = 1
    text: str | None = None
    seen: int = 0

    def strike(self, path: str, text: str) -> None:
        if not path.endswith(self.suffix) or self.text not in (None, text):
            return
        self.seen += 1
        if self.nth <= self.seen < self.nth + self.times:
            raise self.error


class FakeKernel:
    """Implements the ``Kernel`` protocol, as a Linux ``version`` does it.

    ``staged`` (the files) and ``committed`` (what the kdamond runs) are separate; ``stats`` of
    a running scheme and ``regions`` belong to the kdamond and are set by tests. What has no
    number is of kdamond 0. ``commits`` are the directories of the kdamonds that took new values.
    """

    def __init__(self, version: str = "7.3") -> None:
        major, minor = version.split(".")[:2]
        self.version = int(major), int(minor)
        self.files = dict(HOST_FILES)
        self.files["proc/sys/kernel/osrelease"] = version
        self.kdamonds: list[FakeKdamond] = []
        self.cgroups = {"/", "/tenants", "/tenants/a"}
        self.commits: list[str] = []
        self.regions = [Region(0, 4096, 3, 1), Region(4096, 8192, 0, 9)]
        self.write_faults: list[Fault] = []
        self.read_faults: list[Fault] = []
        self.writes: list[tuple[str, str]] = []
        self.before_write: Callable[[str, str], None] = lambda path, text: None
        self.locked: set[str] = set()
        self.clock_us = 0
        self.waits: list[tuple[float, int | None]] = []
        self.spawn(PID)

    # The protocol.

    def read(self, path: str) -> str:
        for fault in self.read_faults:
            fault.strike(path, "")
        if path not in self.files:
            raise failure(errno.ENOENT)
        return self.files[path] + "\n"

    def lock(self, path: str) -> Callable[[], None]:
        if path in self.locked:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        self.locked.add(path)
        return lambda: self.locked.discard(path)

    def write(self, path: str, text: str) -> None:
        self.before_write(path, text)
        for fault in self.write_faults:
            fault.strike(path, text)
        if path not in self.files:
            raise failure(errno.ENOENT)
        self.writes.append((path, text))
        self._store(path, text)

    def names(self, path: str) -> list[str]:
        if not self.exists(path):
            raise failure(errno.ENOENT)
        below = (name[len(path) + 1 :] for name in self.files if name.startswith(f"{path}/"))
        return list({name.split("/")[0] for name in below})

    def exists(self, path: str) -> bool:
        return any(name == path or name.startswith(f"{path}/") for name in self.files)

    def now_us(self) -> int:
        return self.clock_us

    def wait(self, seconds: float, pid: int | None = None) -> None:
        self.waits.append((seconds, pid))
        self.clock_us += int(seconds * 1e6)

    # What tests do to it.

    def spawn(self, pid: int, *, state: str = "S", start: int = 100) -> None:
        fields = [state, *"1 1 1 0 -1 0 11 0 12 0 30 20 0 0 20 0 1 0".split(), str(start), "0"]
        self.files[f"proc/{pid}/stat"] = f"{pid} (a) b ( c) {' '.join(fields)}"
        self.files[f"proc/{pid}/status"] = "Name:\t(a) b\nVmRSS:\t    800 kB\nVmSwap:\t  20 kB"

    def kill(self, pid: int, *, reaped: bool = True) -> None:
        """End a process; a kdamond ends when all that it watches is reaped."""
        del self.files[f"proc/{pid}/stat"], self.files[f"proc/{pid}/status"]
        if not reaped:
            self.spawn(pid, state="Z")
            self.files[f"proc/{pid}/status"] = "Name:\tgone"
        else:
            for kdamond in self.kdamonds:
                if kdamond.watches_nobody():
                    kdamond.end()

    def end_kdamond(self) -> None:
        self.kdamonds[0].end()

    @property
    def running(self) -> bool:
        return any(kdamond.committed is not None for kdamond in self.kdamonds)

    @property
    def committed(self) -> dict[str, str] | None:
        return self.kdamonds[0].committed if self.kdamonds else None

    @property
    def stats(self) -> list[dict[str, str]]:
        return self.kdamonds[0].stats

    @stats.setter
    def stats(self, stats: list[dict[str, str]]) -> None:
        self.kdamonds[0].stats = stats

    def modules_run(self) -> bool:
        modules = ("damon_stat", "damon_reclaim", "damon_lru_sort")
        enabled = (self.files.get(f"sys/module/{name}/parameters/enabled") for name in modules)
        return "Y" in enabled

    @property
    def sysfs(self) -> dict[str, str]:
        """Everything outside /proc: what has to be the same after ``stop``."""
        return {path: text for path, text in self.files.items() if not path.startswith("proc/")}

    def regions_of(self, targets: list[str]) -> list[Region]:
        """What a kdamond sees of the processes that it watches."""
        return self.regions

    # The kernel's side.

    def _store(self, path: str, text: str) -> None:
        directory, _, name = path.rpartition("/")
        if name in READ_ONLY:
            raise failure(errno.EACCES)
        if name == "state" and path.startswith(ADMIN):
            return self.kdamonds[int(directory.rpartition("/")[2])].command(text)
        if name == "enabled":
            return self._enable(path, text)
        if name == "nr_kdamonds" and self.running:
            raise failure(errno.EBUSY)
        self.files[path] = self._taken(path, name, text)
        made = children_of(path, self.version)
        if made is not None:
            self._populate(directory, name, int(text, 0), made)
        if name == "nr_kdamonds":
            numbers = range(int(text, 0))
            self.kdamonds = [FakeKdamond(self, f"{directory}/{number}") for number in numbers]

    def _taken(self, path: str, name: str, text: str) -> str:
        """What the file shows after ``text`` was written."""
        words = words_of(path, self.version)
        if words is not None:
            if text not in words:
                raise failure(errno.EINVAL)
            return text
        if name in TEXTS:
            return text.strip()
        if name in BOOLEANS:
            if text[:1] not in tuple("YyNn01"):
                raise failure(errno.EINVAL)
            return "Y" if text[0] in "Yy1" else "N"
        return str(self._number(name, text))

    def _number(self, name: str, text: str) -> int:
        try:
            number = int(text, 0)
        except ValueError:
            raise failure(errno.EINVAL) from None
        least, beyond = limits(name)
        if number >= beyond and beyond > 2**30:
            raise failure(errno.ERANGE)
        if not least <= number < beyond:
            raise failure(errno.EINVAL)
        return number

    def _populate(self, directory: str, counter: str, count: int, made: dict[str, str]) -> None:
        for path in list(self.files):
            if path.startswith(f"{directory}/") and path != f"{directory}/{counter}":
                del self.files[path]
        for index in range(count):
            for name, default in made.items():
                self.files[f"{directory}/{index}/{name}"] = default

    def _enable(self, path: str, text: str) -> None:
        if text in "Yy1" and self.running:
            raise failure(errno.EBUSY)
        self.files[path] = "Y" if text in "Yy1" else "N"

"""A kernel in memory: DAMON's sysfs as Linux 7.3 does it, some of /proc, and virtual time."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

from damon_tuner.kernel_iface.host import Region

from .fake_damon_files import BOOLEANS, CHILDREN, READ_ONLY, WORDS

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


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


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
    """Implements the ``Kernel`` protocol.

    ``staged`` (the files) and ``committed`` (what the kdamond runs) are separate; ``stats`` of
    a running scheme and ``regions`` belong to the kdamond and are set by tests.
    """

    def __init__(self) -> None:
        self.files = dict(HOST_FILES)
        self.committed: dict[str, str] | None = None
        self.was_on = False
        self.stats: list[dict[str, str]] = []
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
        """End a process; the kdamond that watches it ends when it is reaped."""
        del self.files[f"proc/{pid}/stat"], self.files[f"proc/{pid}/status"]
        if not reaped:
            self.spawn(pid, state="Z")
            self.files[f"proc/{pid}/status"] = "Name:\tgone"
        elif self.running and self.committed.get("targets/0/pid_target") == str(pid):
            self.end_kdamond()

    def end_kdamond(self) -> None:
        self.committed = None
        self.files[STATE] = "off"
        self.files[f"{KDAMOND}/pid"] = "-1"

    @property
    def running(self) -> bool:
        return self.committed is not None

    @property
    def sysfs(self) -> dict[str, str]:
        """Everything outside /proc: what has to be the same after ``stop``."""
        return {path: text for path, text in self.files.items() if not path.startswith("proc/")}

    # The kernel's side.

    def _store(self, path: str, text: str) -> None:
        directory, _, name = path.rpartition("/")
        if name in READ_ONLY:
            raise failure(errno.EACCES)
        if name == "state":
            return self._command(text)
        if name == "enabled":
            return self._enable(path, text)
        if name == "nr_kdamonds" and self.running:
            raise failure(errno.EBUSY)
        self._validate(name, text)
        self.files[path] = text
        if name == "nr_kdamonds":
            self.was_on = False
        if name in CHILDREN:
            self._populate(directory, name, int(text, 0))

    def _validate(self, name: str, text: str) -> None:
        if name in WORDS:
            valid = text in WORDS[name]
        elif name in BOOLEANS:
            valid = text[:1] in "YyNn01"
        else:
            valid = self._is_number(text) and (name != "nr_contexts" or int(text, 0) < 2)
        if not valid:
            raise failure(errno.EINVAL)

    def _is_number(self, text: str) -> bool:
        try:
            number = int(text, 0)
        except ValueError:
            return False
        if number >= 2**64:
            raise failure(errno.ERANGE)
        return number >= 0

    def _populate(self, directory: str, counter: str, count: int) -> None:
        for path in list(self.files):
            if path.startswith(f"{directory}/") and path != f"{directory}/{counter}":
                del self.files[path]
        for index in range(count):
            for name, default in CHILDREN[counter].items():
                self.files[f"{directory}/{index}/{name}"] = default

    def _enable(self, path: str, text: str) -> None:
        if text in "Yy1" and self.running:
            raise failure(errno.EBUSY)
        self.files[path] = "Y" if text in "Yy1" else "N"

    def _command(self, word: str) -> None:
        if word == "on":
            return self._switch_on()
        if word == "clear_schemes_tried_regions":
            return self._clear_regions()
        if not self.was_on:
            raise failure(errno.EINVAL)
        if word == "off":
            return self.end_kdamond()
        handlers = {
            "commit": self._commit,
            "update_schemes_stats": self._update_stats,
            "update_schemes_effective_quotas": lambda: None,
            "update_schemes_tried_regions": self._update_regions,
        }
        if word not in handlers:
            raise failure(errno.EINVAL)
        if not self.running:
            raise failure(errno.ECANCELED)
        return handlers[word]()

    def _switch_on(self) -> None:
        modules = ("damon_stat", "damon_reclaim", "damon_lru_sort")
        enabled = (self.files.get(f"sys/module/{name}/parameters/enabled") for name in modules)
        if self.running or "Y" in enabled:
            raise failure(errno.EBUSY)
        self.stats = []
        self._commit()
        self.was_on = True
        self.files[STATE] = "on"
        self.files[f"{KDAMOND}/pid"] = "99"

    def _commit(self) -> None:
        if self.files[f"{KDAMOND}/contexts/nr_contexts"] != "1":
            raise failure(errno.EINVAL)
        prefix = f"{CONTEXT}/"
        staged = {p[len(prefix) :]: t for p, t in self.files.items() if p.startswith(prefix)}
        number = {path: int(text, 0) for path, text in staged.items() if text.isdecimal()}
        intervals = "monitoring_attrs/intervals"
        bounds = "monitoring_attrs/nr_regions"
        if (
            number[f"{intervals}/sample_us"] > number[f"{intervals}/aggr_us"]
            or not 3 <= number[f"{bounds}/min"] <= number[f"{bounds}/max"]
            or (staged["operations"] == "vaddr" and not self._target_lives(staged))
        ):
            raise failure(errno.EINVAL)
        self.committed = staged
        count = number["schemes/nr_schemes"]
        # Statistics stay with the index, whatever scheme is there now.
        self.stats = [*self.stats[:count], *({} for _ in range(count - len(self.stats)))]

    def _target_lives(self, staged: dict[str, str]) -> bool:
        return f"proc/{staged.get('targets/0/pid_target')}/stat" in self.files

    def _update_stats(self) -> None:
        for index, stats in enumerate(self.stats):
            for name, text in stats.items():
                self.files[f"{SCHEMES}/{index}/{name}"] = text

    def _clear_regions(self) -> None:
        for path in list(self.files):
            if "/tried_regions/" in path and not path.endswith("total_bytes"):
                del self.files[path]

    def _update_regions(self) -> None:
        """Show every region below each scheme whose access pattern is open."""
        self._clear_regions()
        for index in range(len(self.stats)):
            if self.files[f"{SCHEMES}/{index}/access_pattern/sz/max"] == "0":
                continue
            for order, region in enumerate(self.regions):
                directory = f"{SCHEMES}/{index}/tried_regions/{order}"
                for name in ("start", "end", "nr_accesses", "age"):
                    self.files[f"{directory}/{name}"] = str(getattr(region, name))

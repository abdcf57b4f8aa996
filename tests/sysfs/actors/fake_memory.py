"""A fake kernel whose memory blocks, clocks and control groups do what the real ones do."""

from __future__ import annotations

import errno
import struct

from ..fake_kernel import FakeKernel, failure

MIB = 1 << 20
BLOCK_BYTES = 128 * MIB
BLOCKS = "sys/devices/system/memory"
UNCORE = "sys/devices/system/cpu/intel_uncore_frequency"
DEVFREQ = "sys/class/devfreq"
GROUP = "sys/fs/cgroup/app.slice/db.service"
PRESSURE = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0 avg60=0 avg300=0 total=0"
_PAGES = BLOCK_BYTES // 4096
_FREE = 1 << 10


class FakeWrite:
    """Ends with ``result`` when polled, or never while that is None; takes effect on success."""

    def __init__(self, kernel: MemoryKernel, path: str, text: str, timeout_s: float) -> None:
        self.kernel, self.path, self.text = kernel, path, text
        self.deadline_us = kernel.clock_us + int(timeout_s * 1e6)
        self.result = kernel.slow_results.get(path, 0)
        self.ended: int | None = None

    def poll(self) -> int | None:
        if self.ended is None and self.result is not None:
            self.end(self.result)
        if self.ended is None and self.kernel.clock_us >= self.deadline_us:
            self.end(errno.ETIMEDOUT)
        return self.ended

    def cancel(self, wait_s: float) -> int | None:
        if self.ended is None and not self.kernel.stubborn:
            self.end(errno.EINTR)
        return self.ended

    def end(self, result: int) -> None:
        self.ended = result
        self.kernel.underway.remove(self)
        if result == 0:
            self.kernel.write(self.path, self.text)
        elif self.path.endswith("reclaim"):
            self.kernel.reclaim(int(self.text.split()[0]) // 4)


class MemoryKernel(FakeKernel):
    """Blocks 0 and 1 are the kernel's, 4 to 7 are movable; memory is free unless ``used`` says."""

    def __init__(self) -> None:
        super().__init__()
        self.files |= {
            f"{BLOCKS}/block_size_bytes": "8000000",
            "proc/meminfo": "",
            "proc/self/cgroup": "0::/system.slice/damon-tuner.service",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory",
            "sys/fs/cgroup/cgroup.subtree_control": "memory",
        }
        for number, zone in {0: "none", 1: "Normal", 4: "Movable", 5: "Movable"}.items():
            self.add_block(number, zone)
        self.add_block(6, "Movable")
        self.add_block(7, "Movable")
        self.used = dict.fromkeys(range(8), 0.0)
        self.shows_page_flags = True
        self.free_bytes = 1 << 40
        self.total_bytes = 1 << 41
        self.slow_results: dict[str, int | None] = {}
        self.stubborn = False
        self.unwritable: dict[str, int] = {}
        self.underway: list[FakeWrite] = []
        self.started: list[str] = []
        self.waited(0)

    def add_block(self, number: int, zone: str) -> None:
        folder = f"{BLOCKS}/memory{number}"
        self.files[f"{folder}/state"] = "online"
        self.files[f"{folder}/valid_zones"] = zone
        self.files[f"{folder}/node0/meminfo"] = ""

    def add_group(self, folder: str = GROUP, current_bytes: int = 400 * MIB) -> None:
        self.files |= {
            f"{folder}/memory.current": str(current_bytes),
            f"{folder}/memory.min": "0",
            f"{folder}/memory.low": "0",
            f"{folder}/memory.reclaim": "",
            f"{folder}/memory.pressure": PRESSURE.format(0),
        }

    def add_clock(self, folder: str, **files: object) -> None:
        self.files |= {f"{folder}/{name}": str(text) for name, text in files.items()}

    def zone(self, number: int) -> str:
        return self.files[f"{BLOCKS}/memory{number}/valid_zones"]

    def states(self) -> dict[int, str]:
        return {n: self.files[state(n)] for n in range(8) if state(n) in self.files}

    def waited(self, total_us: int, path: str = "proc/pressure/memory") -> None:
        self.files[path] = PRESSURE.format(total_us)

    # The protocol.

    def read(self, path: str) -> str:
        if path == "proc/meminfo":
            total, free = self.total_bytes >> 10, self.free_bytes >> 10
            lines = (f"MemTotal: {total} kB", f"MemFree: {free} kB")
            self.files[path] = "\n".join((*lines, "SwapTotal: 0 kB", "SwapFree: 0 kB"))
        return super().read(path)

    def read_at(self, path: str, offset_bytes: int, size_bytes: int) -> bytes:
        if not self.shows_page_flags:
            raise failure(errno.ENOENT)
        first = offset_bytes // 8
        used = self.used[first // _PAGES] * _PAGES
        flags = [
            0 if page % _PAGES < used else _FREE for page in range(first, first + size_bytes // 8)
        ]
        return struct.pack(f"={len(flags)}Q", *flags)

    def open_to_write(self, path: str) -> None:
        if path in self.unwritable:
            raise failure(self.unwritable[path])

    def start_write(self, path: str, text: str, timeout_s: float) -> FakeWrite:
        if path not in self.files:
            raise failure(errno.ENOENT)
        self.open_to_write(path)
        self.started.append(path)
        self.underway.append(FakeWrite(self, path, text, timeout_s))
        return self.underway[-1]

    # The kernel's side.

    def reclaim(self, size_bytes: int) -> None:
        path = f"{GROUP}/memory.current"
        self.files[path] = str(max(0, int(self.files[path]) - size_bytes))

    def _store(self, path: str, text: str) -> None:
        if path.startswith(f"{BLOCKS}/"):
            self._store_state(path, text)
        elif path.endswith("/memory.reclaim"):
            self.reclaim(int(text.split()[0]))
        elif path.startswith((UNCORE, DEVFREQ)):
            self.files[path] = text
        else:
            super()._store(path, text)

    def _store_state(self, path: str, text: str) -> None:
        online = text != "offline"
        if online == (self.files[path] == "online"):
            return
        self.files[path] = "online" if online else "offline"
        # What the kernel would choose is not where the block was.
        zones = {"offline": "Normal Movable", "online_movable": "Movable", "online": "Normal"}
        self.files[path.replace("/state", "/valid_zones")] = zones[text]
        self.free_bytes += BLOCK_BYTES if online else -BLOCK_BYTES
        self.total_bytes += BLOCK_BYTES if online else -BLOCK_BYTES


def state(number: int) -> str:
    return f"{BLOCKS}/memory{number}/state"

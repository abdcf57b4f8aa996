"""What a load does to a host that nobody manages, in all detail: only a simulator can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from damon_tuner import _core
from damon_tuner.benchmarks.clairvoyant.cells import CellCounter, Cells, Floats
from damon_tuner.envs.batch import NR_TRUTH, EpisodeConfig, SimBatch
from damon_tuner.envs.workload_file import Workload
from damon_tuner.kernel_iface.host import MonitoringAttrs
from damon_tuner.training.evaluate import begin_episodes

PAGE_BYTES = 4096
PAGES_PER_HUGE_PAGE = 512
_TICK_US = 100_000
"""Loads change at multiples of it, and never in between."""

_TRUTH = {name: i for i, name in enumerate(_core.TRUTH_NAMES)}


@dataclass(frozen=True, slots=True)
class Record:
    """An episode of one host with one tenant, unmanaged.

    ``parameters`` is what was drawn. The arrays have shape (ticks,), a tenth of a second each:
    threads that were busy, the busy share of the host's CPUs, and pages of blocks that hold any.
    ``first_touch_us`` is the least that first touches take, without huge pages and with them.
    """

    parameters: Mapping[str, float]
    has_twin: bool
    footprint_pages: float
    cells: Cells
    tick_s: float
    busy_threads: Floats
    load: Floats
    mapped_pages: Floats
    first_touch_us: tuple[float, float]
    cost_unmanaged_byte_s: float
    lost_unmanaged_us: float
    worked_us: float
    oom_kills: int

    @property
    def seconds(self) -> float:
        """Length of the episode."""
        return self.tick_s * len(self.load)


def record(
    workloads: Sequence[Workload],
    seeds: Sequence[int],
    *,
    config: EpisodeConfig | None = None,
    nr_threads: int = 1,
    on_step: Callable[[], object] = lambda: None,
) -> list[Record]:
    """Record the episodes that ``evaluate`` runs: every seed of the first workload, and so on.

    ``on_step`` is called once a control interval.

    Raises:
        ValueError: the config has several tenants a host.

    """
    config = config or EpisodeConfig()
    if config.tenants != 1:
        raise ValueError(f"the bound is for one tenant a host, not for {config.tenants}")
    # DAMON is not looked at here, so it does as little as it can
    attrs = MonitoringAttrs(config.attrs.intervals, min_nr_regions=3, max_nr_regions=3)
    config = replace(config, workloads=tuple(workloads), attrs=attrs)
    grid = [(w, seed) for w in range(len(workloads)) for seed in seeds]
    batch = SimBatch(config, len(grid), nr_threads)
    begin_episodes(batch, grid, budget=1.0)
    recorders = [_Recorder(batch.core, host) for host in range(len(grid))]
    truth = np.zeros((len(grid), NR_TRUTH))
    ticks = round(config.interval_s * 1e6) // _TICK_US
    for _ in range(config.episode_steps):
        for _ in range(ticks):
            for recorder in recorders:
                recorder.look()
            batch.core.step(None, _TICK_US, None, truth)
            for recorder, row in zip(recorders, truth, strict=True):
                recorder.pass_tick(row)
        on_step()
    return [recorder.finish() for recorder in recorders]


class _Recorder:
    """Watches one host, tick by tick."""

    def __init__(self, core: _core.Batch, host: int) -> None:
        self._core, self._host = core, host
        self.parameters = core.parameters(host)
        self._is_file = np.frombuffer(core.file_blocks(host), dtype=np.bool_)
        nr_blocks = len(self._is_file)
        fast_pages = core.machine(host)["fast_bytes"] / PAGE_BYTES
        self._pages = fast_pages / self.parameters["memory_ratio"] / nr_blocks
        self._counter = CellCounter(self._is_file, self._pages)
        self._rates = np.zeros(nr_blocks, dtype=np.float32)
        self._touched = np.zeros(nr_blocks, dtype=np.float32)
        self._next = np.zeros((2, nr_blocks), dtype=np.float32)
        self._access_hz = 0.0
        self._mapped_pages = 0.0
        self._started = False
        self._first_touch_us = np.zeros(2)
        self._truth = np.zeros(NR_TRUTH)
        self._ticks: list[tuple[float, float, float]] = []

    def look(self) -> None:
        """Take in what the load does from now on."""
        rates, touched = self._next
        self._core.read_load(self._host, rates, touched)
        changed = np.flatnonzero((rates != self._rates) | (touched != self._touched))
        if not len(changed):
            return
        before = self._touched[changed].astype(np.float64)
        now = touched[changed].astype(np.float64)
        self._counter.change(
            changed,
            (self._rates[changed].astype(np.float64), before),
            (rates[changed].astype(np.float64), now),
        )
        if self._started:
            self._touch(changed, before, now)
        self._rates[changed], self._touched[changed] = rates[changed], touched[changed]
        self._access_hz = float(np.dot(rates.astype(np.float64), touched)) * self._pages
        self._mapped_pages = float(np.count_nonzero(self._touched)) * self._pages

    def pass_tick(self, truth: Floats) -> None:
        """Take in what the tick has cost."""
        self._started = True
        self._truth += truth
        busy = float(truth[_TRUTH["busy_us"]]) / _TICK_US
        cpus = self.parameters["threads"] * self.parameters["cpu_ratio"]
        load = min(busy / cpus, 1.0)
        us_per_access = busy * 1e6 / self._access_hz if self._access_hz > 1e-9 else 0.0
        self._counter.pass_time(_TICK_US * 1e-6, load, us_per_access)
        self._ticks.append((busy, load, self._mapped_pages))

    def finish(self) -> Record:
        total = {name: float(self._truth[i]) for name, i in _TRUTH.items()}
        busy, load, mapped = np.array(self._ticks).T
        return Record(
            parameters=self.parameters,
            has_twin=self._core.has_twin(self._host),
            footprint_pages=len(self._is_file) * self._pages,
            cells=self._counter.cells(),
            tick_s=_TICK_US * 1e-6,
            busy_threads=busy,
            load=load,
            mapped_pages=mapped,
            first_touch_us=(float(self._first_touch_us[0]), float(self._first_touch_us[1])),
            cost_unmanaged_byte_s=total["cost_unmanaged_byte_s"],
            lost_unmanaged_us=total["lost_unmanaged_us"],
            worked_us=max(total["busy_us"], _core.MIN_WORKED_SHARE * total["time_us"]),
            oom_kills=int(total["oom_kills"]),
        )

    def _touch(self, blocks: NDArray[np.intp], before: Floats, now: Floats) -> None:
        """A first touch costs a fault, unless a huge page holds the page already."""
        p = self.parameters
        base_us = np.maximum(now - before, 0.0) * self._pages * p["fault_us"]
        huge_us = np.where(
            before > 0.0, 0.0, self._pages / PAGES_PER_HUGE_PAGE * p["huge_fault_us"]
        )
        huge_us = np.where(self._is_file[blocks], base_us, np.minimum(base_us, huge_us))
        self._first_touch_us += base_us.sum(), huge_us.sum()

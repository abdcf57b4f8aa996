"""One kdamond of the fake kernel: what is staged in its files, and what it runs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .fake_kernel import FakeKernel

INTERVALS = "monitoring_attrs/intervals"
GOAL = f"{INTERVALS}/intervals_goal"
BOUNDS = "monitoring_attrs/nr_regions"
PAGE = 4096


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class FakeKdamond:
    """``committed`` are the files of the context that it runs; None while it is off."""

    def __init__(self, kernel: FakeKernel, directory: str) -> None:
        self.kernel = kernel
        self.directory = directory
        self.committed: dict[str, str] | None = None
        self.was_on = False
        self.stats: list[dict[str, str]] = []
        self.targets: list[str] = []

    @property
    def context(self) -> str:
        return f"{self.directory}/contexts/0"

    def command(self, word: str) -> None:
        if word == "on":
            return self._switch_on()
        if word == "clear_schemes_tried_regions":
            return self._clear_regions()
        if not self.was_on:
            raise failure(errno.EINVAL)
        if word == "off":
            return self.end()
        handlers = {
            "commit": self._commit_with_an_answer,
            "commit_schemes_quota_goals": self._commit_goals,
            "update_schemes_stats": self._update_stats,
            "update_schemes_effective_quotas": lambda: None,
            "update_schemes_tried_bytes": self._clear_regions,
            "update_schemes_tried_regions": self._update_regions,
        }
        if self.kernel.version >= (6, 15):
            handlers["update_tuned_intervals"] = self._update_intervals
        if word not in handlers:
            raise failure(errno.EINVAL)
        if self.committed is None:
            raise failure(errno.ECANCELED)
        return handlers[word]()

    def end(self) -> None:
        self.committed = None
        self.kernel.files[f"{self.directory}/state"] = "off"
        self.kernel.files[f"{self.directory}/pid"] = "-1"

    def tune(self, sample_us: int, aggr_us: int) -> None:
        """Change the running intervals, as the kernel does by itself where they have a goal."""
        self.committed[f"{INTERVALS}/sample_us"] = str(sample_us)
        self.committed[f"{INTERVALS}/aggr_us"] = str(aggr_us)

    def watches_nobody(self) -> bool:
        files = self.kernel.files
        return bool(self.committed and self.targets) and not any(
            f"proc/{pid}/stat" in files for pid in self.targets
        )

    def _switch_on(self) -> None:
        if self.committed is not None or self.kernel.modules_run():
            raise failure(errno.EBUSY)
        self.stats, self.targets = [], []
        self._commit()
        self.was_on = True
        self.kernel.files[f"{self.directory}/state"] = "on"
        self.kernel.files[f"{self.directory}/pid"] = str(99 + int(self.directory[-1]))

    def _commit_with_an_answer(self) -> None:
        """Older kernels drop the error."""
        try:
            self._commit()
        except OSError:
            if self.kernel.version >= (6, 15):
                raise

    def _commit(self) -> None:
        staged = self._staged()
        targets = self._checked(staged)
        self.committed = staged
        self.targets = targets
        count = int(staged["schemes/nr_schemes"])
        # Statistics stay with the index, whatever scheme is there now.
        self.stats = [*self.stats[:count], *({} for _ in range(count - len(self.stats)))]
        self.kernel.commits.append(self.directory)

    def _commit_goals(self) -> None:
        for path, text in self._staged().items():
            if "/quotas/goals/" in path:
                if path.endswith("/path") and text and text not in self.kernel.cgroups:
                    raise failure(errno.EINVAL)
                self.committed[path] = text
        self.kernel.commits.append(self.directory)

    def _staged(self) -> dict[str, str]:
        if self.kernel.files[f"{self.directory}/contexts/nr_contexts"] != "1":
            raise failure(errno.EINVAL)
        prefix = f"{self.context}/"
        files = self.kernel.files.items()
        return {path[len(prefix) :]: text for path, text in files if path.startswith(prefix)}

    def _checked(self, staged: dict[str, str]) -> list[str]:
        """The processes that are to be watched; raises what the kernel would."""
        number = {path: int(text) for path, text in staged.items() if text.isdecimal()}
        is_paddr = staged["operations"] == "paddr"
        self._check_attrs(number)
        if is_paddr and number["targets/nr_targets"] > 1:
            raise failure(errno.EINVAL)
        for index in range(number["targets/nr_targets"]):
            self._check_ranges(number, f"targets/{index}/regions")
        for index in range(number["schemes/nr_schemes"]):
            self._check_scheme(staged, f"schemes/{index}", is_paddr)
        return [] if is_paddr else self._matched(staged, number["targets/nr_targets"])

    def _check_attrs(self, number: dict[str, int]) -> None:
        sample_us, aggr_us = number[f"{INTERVALS}/sample_us"], number[f"{INTERVALS}/aggr_us"]
        is_tuned = number.get(f"{GOAL}/aggrs", 0)
        low, high = number.get(f"{GOAL}/min_sample_us", 0), number.get(f"{GOAL}/max_sample_us", 0)
        unit = max(PAGE // number.get("addr_unit", 1), 1)
        weights = [n for path, n in number.items() if "probes/" in path and path[-6:] == "weight"]
        if (
            sample_us > aggr_us
            or not 3 <= number[f"{BOUNDS}/min"] <= number[f"{BOUNDS}/max"]
            or (is_tuned and not low <= sample_us <= high)
            or unit & (unit - 1)
            or (any(weights) and aggr_us // max(sample_us, 1) > 255)
        ):
            raise failure(errno.EINVAL)

    def _check_ranges(self, number: dict[str, int], directory: str) -> None:
        before = 0
        for index in range(number[f"{directory}/nr_regions"]):
            start, end = number[f"{directory}/{index}/start"], number[f"{directory}/{index}/end"]
            if start // PAGE >= -(-end // PAGE) or start < before:
                raise failure(errno.EINVAL)
            before = end

    def _check_scheme(self, staged: dict[str, str], directory: str, is_paddr: bool) -> None:
        """A scheme that cannot be built is out of memory, whatever the reason."""
        for path in self._kinds(staged, f"{directory}/", "type"):
            below = path[: -len("type")]
            kind = staged[path]
            if (
                (kind == "memcg" and staged[f"{below}memcg_path"] not in self.kernel.cgroups)
                or (kind == "addr" and self._falls(staged, below, "addr_start", "addr_end"))
                or (kind == "hugepage_size" and self._falls(staged, below, "min", "max"))
            ):
                raise failure(errno.ENOMEM)
        for path in self._kinds(staged, f"{directory}/quotas/goals/", "target_metric"):
            below = path[: -len("target_metric")]
            if staged[f"{below}target_value"] == "0":
                continue
            if "memcg" in staged[path] and staged[f"{below}path"] not in self.kernel.cgroups:
                raise failure(errno.ENOMEM)
            if staged[path] == "node_eligible_mem_bp" and not is_paddr:
                raise failure(errno.EINVAL)

    def _kinds(self, staged: dict[str, str], prefix: str, name: str) -> Iterable[str]:
        return [p for p in staged if p.startswith(prefix) and p.rpartition("/")[2] == name]

    def _falls(self, staged: dict[str, str], below: str, low: str, high: str) -> bool:
        return int(staged[below + low]) > int(staged[below + high])

    def _matched(self, staged: dict[str, str], count: int) -> list[str]:
        """Old and new targets by index; every process is looked up, obsolete or not."""
        pids = [staged[f"targets/{index}/pid_target"] for index in range(count)]
        if any(f"proc/{pid}/stat" not in self.kernel.files for pid in pids):
            raise failure(errno.EINVAL)
        obsolete = [
            staged.get(f"targets/{index}/obsolete_target") == "Y" for index in range(count)
        ]
        if any(obsolete[len(self.targets) :]):
            raise failure(errno.EINVAL)
        return [pid for pid, is_gone in zip(pids, obsolete, strict=True) if not is_gone]

    def _update_stats(self) -> None:
        for index, stats in enumerate(self.stats):
            for name, text in stats.items():
                self.kernel.files[f"{self.context}/schemes/{index}/{name}"] = text

    def _update_intervals(self) -> None:
        for name in ("sample_us", "aggr_us"):
            path = f"{INTERVALS}/{name}"
            self.kernel.files[f"{self.context}/{path}"] = self.committed[path]

    def _clear_regions(self) -> None:
        for path in list(self.kernel.files):
            is_region = "/tried_regions/" in path and not path.endswith("total_bytes")
            if is_region and path.startswith(self.context):
                del self.kernel.files[path]

    def _update_regions(self) -> None:
        """Show every region below each scheme whose access pattern is open."""
        self._clear_regions()
        probes = int(self.committed.get("monitoring_attrs/probes/nr_probes", 0))
        for index in range(len(self.stats)):
            scheme = f"{self.context}/schemes/{index}"
            if self.kernel.files[f"{scheme}/access_pattern/sz/max"] == "0":
                continue
            for order, region in enumerate(self.kernel.regions_of(self.targets)):
                directory = f"{scheme}/tried_regions/{order}"
                for name in ("start", "end", "nr_accesses", "age"):
                    self.kernel.files[f"{directory}/{name}"] = str(getattr(region, name))
                self.kernel.files[f"{directory}/sz_filter_passed"] = "0"
                for probe, hits in enumerate(region.probe_hits[:probes]):
                    self.kernel.files[f"{directory}/probes/{probe}/hits"] = str(hits)

"""One worker thread of DAMON's and its only context."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from typing import Any

from damon_tuner.errors import DamonMissingError, KernelRejectedError, TunerError
from damon_tuner.kernel_iface.host import Intervals, KdamondSpec, Operations, Region, SchemeStats
from damon_tuner.kernel_iface.sysfs import mapping
from damon_tuner.kernel_iface.sysfs.applied import Applied, Effort, can_wait, effort_for, hold_us
from damon_tuner.kernel_iface.sysfs.codec import Files, Record, decode
from damon_tuner.kernel_iface.sysfs.features import Features
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.occupants import ADMIN
from damon_tuner.kernel_iface.sysfs.rules import broken_rules
from damon_tuner.kernel_iface.sysfs.staging import Staging
from damon_tuner.kernel_iface.sysfs.targets import hands_regions_on, passage, without_obsolete
from damon_tuner.kernel_iface.sysfs.tree import RefusedError, Tree
from damon_tuner.kernel_iface.sysfs.unlimited import as_good_as_unlimited, limited

# Came with the kernel that began to say whether a commit was taken.
_ANSWERS = "contexts/0/monitoring_attrs/intervals/intervals_goal"

_OBSOLETE = "contexts/0/targets/0/obsolete_target"
_INTERVALS = "contexts/0/monitoring_attrs/intervals"
_TUNED = [f"{_INTERVALS}/sample_us", f"{_INTERVALS}/aggr_us"]

_TELLING = re.compile(
    r"/nr_schemes$|/schemes/\d+/(action|access_pattern/age/min|quotas/bytes|stats/max_nr_snapshots)$"
)

_WALK_ATTEMPTS = 3

# How many of the files that a refused command stood for fit into its one-line error.
_NAMED_FILES = 8


def directory_of(index: int) -> str:
    """Return where the files of a kdamond are."""
    return f"{ADMIN}/kdamonds/{index}"


class Kdamond:
    """Sets worker ``index`` up, runs it, changes it, and reads its results.

    Methods raise what ``Tree`` raises, ``DamonMissingError`` naming the kernel that has what was
    asked for, and ``KernelRejectedError`` naming the value that was refused.
    """

    def __init__(self, tree: Tree, ledger: Ledger, features: Features, index: int) -> None:
        self._tree = tree
        self._ledger = ledger
        self._features = features
        self._directory = directory_of(index)
        self._staging = Staging(tree, self._directory)
        # What runs, and its files.
        self._spec = KdamondSpec()
        self._files: Files = {}
        self._committed_us: int | None = None
        # The schemes, by index, that have had a quota since they were there.
        self._had_quota: set[int] = set()

    @property
    def spec(self) -> KdamondSpec:
        """What runs."""
        return self._spec

    @property
    def pid(self) -> int:
        """The thread's process number; -1 when it has ended."""
        return int(self._tree.read(f"{self._directory}/pid"))

    def start(self, spec: KdamondSpec) -> None:
        """Stage everything and switch the worker on; the ledger knows the way back."""
        spec = _without_obsolete(spec)
        files = mapping.kdamond_files(spec, self._features)
        self._had_quota = limited(spec)
        self._tree.write(f"{self._directory}/contexts/nr_contexts", "1")
        self._require_operations(spec.context.operations)
        written = self._staging.stage(files)
        try:
            self._ledger.write(f"{self._directory}/state", "on")
        except RefusedError as error:
            raise self._rejected(error, spec, files, written) from error
        self._spec, self._files = spec, files

    def stop(self) -> None:
        """Switch the worker off, if it is on; raises ``NotRestoredError``."""
        self._ledger.put_back(f"{self._directory}/state")

    def apply(self, spec: KdamondSpec, *, is_urgent: bool = False) -> Applied:
        """Come to ``spec`` with the fewest writes, or leave what runs as it is.

        Where only values differ, a change waits until the quotas have had a reset interval to
        work with the one before, unless it ``is_urgent``.
        """
        spec, before = _without_obsolete(spec), self._spec
        wanted = self._wanted(spec)
        effort = effort_for(self._staging.changes(wanted))
        due_us = self._due_us(effort)
        if can_wait(self._spec, spec) and not is_urgent and self._tree.kernel.now_us() < due_us:
            return Applied(Effort.HELD_BACK, due_us=due_us)
        if effort is Effort.COMMIT:
            self._require_answer(spec)
        try:
            if effort is Effort.COMMIT:
                applied = self._commit(spec)
            else:
                applied = self._change(effort, spec, wanted)
        except TunerError as error:
            self._put_back(effort, error)
            raise
        self._spec, self._files = spec, self._staging.held()
        still_there = {index for index in self._had_quota if index < len(spec.schemes)}
        self._had_quota = still_there | limited(spec)
        if _frame(before) != _frame(spec):
            self._ledger.claim_kdamonds()
        return applied

    def regions(self, scheme: int = -1) -> tuple[Region, ...]:
        """Return the regions that match a scheme; takes up to one of its apply intervals.

        By address, or, with several targets, target by target.
        """
        number = range(len(self._spec.schemes))[scheme]
        directory = f"contexts/0/schemes/{number}/tried_regions"
        self._walk()
        names = self._tree.names(f"{self._directory}/{directory}")
        numbers = sorted(int(name) for name in names if name.isdecimal())
        found = [self._region(f"{directory}/{number}") for number in numbers]
        # A thousand regions are megabytes of kernel memory as long as their files exist.
        self.command("clear_schemes_tried_regions")
        if len(self._spec.context.targets) < 2:
            found.sort(key=lambda region: region.start)
        return tuple(found)

    def stats(self) -> tuple[SchemeStats, ...]:
        """Return the statistics of the schemes."""
        self.command("update_schemes_stats")
        self.command("update_schemes_effective_quotas")
        return tuple(
            self._decoded(mapping.STATS, f"contexts/0/schemes/{index}")
            for index in range(len(self._spec.schemes))
        )

    def tuned_intervals(self) -> Intervals:
        """Return the intervals in force, which a goal for them may have changed."""
        intervals = self._spec.context.attrs.intervals
        if not self._spec.context.attrs.intervals_goal.aggrs:
            return intervals
        self.command("update_tuned_intervals")
        found = self._staging.reread(_TUNED)
        self._files |= found
        sample_us, aggr_us = map(int, found.values())
        return replace(intervals, sample_us=sample_us, aggr_us=aggr_us)

    def differing(self) -> str | None:
        """Return what is most telling of each scheme's files and is not as it was staged."""
        files = {path: text for path, text in self._files.items() if _TELLING.search(path)}
        return next(iter(self._staging.differing(files)), None)

    def command(self, word: str) -> None:
        """Give the worker a command; says so when it does not run any more."""
        state = f"{self._directory}/state"
        try:
            self._tree.write(state, word)
        except (RefusedError, DamonMissingError) as error:
            if self._tree.read_if_present(state) == "on":
                raise
            raise KernelRejectedError(
                f"DAMON no longer runs ({error}): somebody else switched it off, or a change "
                "failed half way; stop and start again"
            ) from error

    def _due_us(self, effort: Effort) -> int:
        if self._committed_us is None or effort not in (Effort.GOALS, Effort.COMMIT):
            return 0
        return self._committed_us + hold_us(effort, self._spec)

    def _commit(self, spec: KdamondSpec) -> Applied:
        # A commit takes the intervals from the files, and would undo what the kernel has tuned.
        self.tuned_intervals()
        files = self._wanted(spec)
        before, after = self._spec.context.targets, spec.context.targets
        way = passage(before, after, os.getpid())
        note = ""
        if way is not None and self._features.has(_OBSOLETE):
            between = replace(spec, context=replace(spec.context, targets=way))
            passing = self._wanted(between)
            self._change(Effort.COMMIT, between, passing)
            # The kernel has dropped the obsolete ones: the next commit must not name them again.
            self._spec, self._files = spec, files
            return Applied(Effort.COMMIT, tuple(self._staging.stage(files)))
        if hands_regions_on(before, after):
            note = "the regions of targets that moved up begin anew"
        return replace(self._change(Effort.COMMIT, spec, files), note=note)

    def _change(self, effort: Effort, spec: KdamondSpec, files: Files) -> Applied:
        written = self._staging.stage(files)
        word = {Effort.GOALS: "commit_schemes_quota_goals", Effort.COMMIT: "commit"}.get(effort)
        if word is not None:
            try:
                self.command(word)
            except RefusedError as error:
                raise self._rejected(error, spec, files, written) from error
            if effort is Effort.COMMIT or hold_us(effort, self._spec):
                self._committed_us = self._tree.kernel.now_us()
        return Applied(effort, tuple(written))

    def _wanted(self, spec: KdamondSpec) -> Files:
        """What the files are to hold, given what runs."""
        schemes = tuple(
            as_good_as_unlimited(scheme) if index in self._had_quota else scheme
            for index, scheme in enumerate(spec.schemes)
        )
        tuned = self._with_tuned(replace(spec, schemes=schemes))
        return mapping.kdamond_files(tuned, self._features)

    def _with_tuned(self, spec: KdamondSpec) -> KdamondSpec:
        """Where the intervals tune themselves, keep them as tuned unless others are asked for."""
        attrs, before = spec.context.attrs, self._spec.context.attrs
        goal, held = attrs.intervals_goal, self._staging.held()
        if not (goal.aggrs and before.intervals_goal.aggrs) or attrs.intervals != before.intervals:
            return spec
        sample_us, aggr_us = (int(held[path]) for path in _TUNED)
        allowed_us = min(max(sample_us, goal.min_sample_us), goal.max_sample_us)
        if allowed_us != sample_us:
            sample_us, aggr_us = allowed_us, aggr_us // max(sample_us, 1) * allowed_us
        intervals = replace(attrs.intervals, sample_us=sample_us, aggr_us=aggr_us)
        attrs = replace(attrs, intervals=intervals)
        return replace(spec, context=replace(spec.context, attrs=attrs))

    def _put_back(self, effort: Effort, cause: TunerError) -> None:
        try:
            self._staging.stage(self._files)
            if effort is Effort.GOALS:
                # The goals of the schemes before the refused one were taken.
                self.command("commit_schemes_quota_goals")
        except TunerError as error:
            raise KernelRejectedError(
                f"{cause}; the old files did not come back: {error}"
            ) from cause

    def _walk(self) -> None:
        """Ask for all regions; the worker cancels a walk that crosses another command."""
        for _ in range(_WALK_ATTEMPTS - 1):
            try:
                return self.command("update_schemes_tried_regions")
            except RefusedError as error:
                if error.errno != errno.ECANCELED:
                    raise
        self.command("update_schemes_tried_regions")

    def _region(self, directory: str) -> Region:
        region: Region = self._decoded(mapping.REGION, directory)
        probes = range(len(self._spec.context.attrs.probes))
        hits = (self._read(f"{directory}/probes/{number}/hits") for number in probes)
        return replace(region, probe_hits=tuple(int(text or 0) for text in hits))

    def _decoded(self, record: Record, directory: str) -> Any:
        return decode(record, lambda path: self._read(f"{directory}/{path}"))

    def _read(self, path: str) -> str | None:
        absent = not self._features.has(path)
        return None if absent else self._tree.read(f"{self._directory}/{path}")

    def _require_operations(self, operations: Operations) -> None:
        available = self._tree.read(f"{self._directory}/contexts/0/avail_operations").split()
        if operations not in available:
            raise DamonMissingError(
                f"this kernel's DAMON cannot monitor {operations}, only {', '.join(available)}: "
                f"use a kernel built with CONFIG_DAMON_{operations.upper()}"
            )

    def _require_answer(self, spec: KdamondSpec) -> None:
        """Older kernels take a wrong commit without a word, and go on as before."""
        if self._features.has(_ANSWERS):
            return
        reasons = broken_rules(self._tree, spec)
        if reasons:
            raise KernelRejectedError(f"DAMON would not take this: {'; '.join(reasons)}")

    def _rejected(
        self, error: RefusedError, spec: KdamondSpec, files: Files, written: list[str]
    ) -> KernelRejectedError:
        reasons = [
            *broken_rules(self._tree, spec),
            *(f"{text} is not what was written" for text in self._staging.differing(files)),
        ]
        if reasons:
            return KernelRejectedError(f"{error}: {'; '.join(reasons)}")
        more = len(written) - _NAMED_FILES
        rest = f" and {more} more" if more > 0 else ""
        return KernelRejectedError(
            f"{error}; it was given {', '.join(written[:_NAMED_FILES])}{rest}"
        )


def _without_obsolete(spec: KdamondSpec) -> KdamondSpec:
    targets = without_obsolete(spec.context.targets)
    return replace(spec, context=replace(spec.context, targets=targets))


def _frame(spec: KdamondSpec) -> tuple[object, ...]:
    """What the ledger tells our kdamonds by."""
    context = spec.context
    attrs = context.attrs
    return context.operations, context.targets, attrs.min_nr_regions, attrs.max_nr_regions

"""DAMON's worker thread number 0, and its only context."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from damon_tuner.errors import DamonMissingError, KernelRejectedError, TunerError
from damon_tuner.kernel_iface.host import (
    AccessPattern,
    Action,
    Context,
    Operations,
    Region,
    Scheme,
    SchemeStats,
)
from damon_tuner.kernel_iface.sysfs import mapping
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.occupants import ADMIN, NR_KDAMONDS
from damon_tuner.kernel_iface.sysfs.staging import SchemeStaging
from damon_tuner.kernel_iface.sysfs.tree import RefusedError, Tree

# Shows every region: only a scheme's regions can be read, and only while it is active. It
# comes last, so that the other schemes have the indices that their owner gave them.
OBSERVER = Scheme(Action.STAT, AccessPattern())

_KDAMOND = f"{ADMIN}/kdamonds/0"
_CONTEXT = f"{_KDAMOND}/contexts/0"
_TARGET = f"{_CONTEXT}/targets/0"
_SCHEMES = f"{_CONTEXT}/schemes"
_STATE = f"{_KDAMOND}/state"

_WALK_ATTEMPTS = 3

# How many of the files that a refused command stood for fit into its one-line error.
_NAMED_FILES = 8


class Kdamond:
    """Sets the worker up, runs it, and reads its results.

    Methods raise what ``Tree`` raises, and ``KernelRejectedError`` naming what was staged.
    """

    def __init__(self, tree: Tree, ledger: Ledger) -> None:
        self._tree = tree
        self._ledger = ledger
        self._staging = SchemeStaging(tree, _SCHEMES)
        self._running: tuple[Scheme, ...] = ()

    def start(
        self, context: Context, ranges: tuple[tuple[int, int], ...], schemes: Sequence[Scheme]
    ) -> None:
        """Stage everything and switch the worker on; the ledger knows the way back."""
        self._ledger.write(NR_KDAMONDS, "1")
        self._tree.write(f"{_KDAMOND}/contexts/nr_contexts", "1")
        self._require_operations(context.operations)
        self._write_all(_CONTEXT, mapping.context_files(context))
        self._tree.write(f"{_CONTEXT}/targets/nr_targets", "1")
        self._write_all(_TARGET, mapping.target_files(context, ranges))
        wanted = (*schemes, OBSERVER)
        self._staging.resize(len(wanted))
        self._require_scheme_files()
        self._staging.stage(wanted)
        try:
            self._ledger.write(_STATE, "on")
        except RefusedError as error:
            setup = {**mapping.context_files(context), **mapping.target_files(context, ranges)}
            raise _rejected(error, [f"{path}={text}" for path, text in setup.items()]) from error
        self._running = wanted

    def apply(self, schemes: Sequence[Scheme]) -> None:
        """Replace the schemes with the fewest writes, or leave the old ones running.

        Raises:
            KernelRejectedError: names what the kernel refused; nothing has changed.
        """
        wanted = (*schemes, OBSERVER)
        if wanted == self._running:
            return
        before = self._running
        try:
            if len(wanted) > len(before):
                # The kernel matches schemes by index, and would hand the observer's statistics
                # to the scheme that takes its place: let it drop the observer first.
                self._commit(wanted[: len(before) - 1])
            self._commit(wanted)
        except TunerError as error:
            self._put_back(before, error)
            raise

    def regions(self) -> tuple[Region, ...]:
        """Return every region, by address; takes up to one aggregation interval."""
        directory = f"{_SCHEMES}/{len(self._running) - 1}/tried_regions"
        self._walk()
        found = [
            mapping.region_from(self._read_all(f"{directory}/{name}", mapping.REGION_FILES))
            for name in self._tree.names(directory)
            if name.isdecimal()
        ]
        # A thousand regions are megabytes of kernel memory as long as their files exist.
        self._command("clear_schemes_tried_regions")
        return tuple(sorted(found, key=lambda region: region.start))

    def stats(self) -> tuple[SchemeStats, ...]:
        """Return the statistics of the schemes, without the observer's."""
        self._command("update_schemes_stats")
        self._command("update_schemes_effective_quotas")
        return tuple(
            mapping.stats_from(self._read_all(f"{_SCHEMES}/{index}", mapping.STATS_FILES))
            for index in range(len(self._running) - 1)
        )

    def _require_operations(self, operations: Operations) -> None:
        available = self._tree.read(f"{_CONTEXT}/avail_operations").split()
        if operations not in available:
            raise DamonMissingError(
                f"this kernel's DAMON cannot monitor {operations}, only {', '.join(available)}: "
                f"use a kernel built with CONFIG_DAMON_{operations.upper()}"
            )

    def _require_scheme_files(self) -> None:
        for path, release in mapping.NEEDED_SCHEME_FILES.items():
            if not self._tree.exists(f"{_SCHEMES}/0/{path}"):
                raise DamonMissingError(
                    f"this kernel's DAMON has no {path} of a scheme: use Linux {release} or newer"
                )

    def _commit(self, schemes: tuple[Scheme, ...]) -> None:
        written = self._staging.stage(schemes)
        try:
            self._command("commit")
        except RefusedError as error:
            raise _rejected(error, written) from error
        self._running = schemes

    def _put_back(self, before: tuple[Scheme, ...], cause: TunerError) -> None:
        try:
            if self._running == before:
                self._staging.stage(before)
            else:
                self._commit(before)
        except TunerError as error:
            raise KernelRejectedError(
                f"{cause}; the old schemes did not come back: {error}"
            ) from cause

    def _command(self, word: str) -> None:
        try:
            self._tree.write(_STATE, word)
        except (RefusedError, DamonMissingError) as error:
            if self._tree.read_if_present(_STATE) == "on":
                raise
            raise KernelRejectedError(
                f"DAMON no longer runs ({error}): somebody else switched it off, or a change "
                "failed half way; stop and start again"
            ) from error

    def _walk(self) -> None:
        """Ask for all regions; the worker cancels a walk that crosses another command."""
        if self._running[-1:] != (OBSERVER,):
            raise KernelRejectedError("the schemes were lost in a failed change: apply them again")
        for _ in range(_WALK_ATTEMPTS - 1):
            try:
                return self._command("update_schemes_tried_regions")
            except RefusedError as error:
                if error.errno != errno.ECANCELED:
                    raise
        self._command("update_schemes_tried_regions")

    def _write_all(self, directory: str, files: mapping.Files) -> None:
        for path, text in files.items():
            self._tree.write(f"{directory}/{path}", text)

    def _read_all(self, directory: str, paths: dict[str, str]) -> mapping.Files:
        return {path: self._tree.read(f"{directory}/{path}") for path in paths}


def _rejected(error: RefusedError, written: list[str]) -> KernelRejectedError:
    more = len(written) - _NAMED_FILES
    rest = f" and {more} more" if more > 0 else ""
    return KernelRejectedError(f"{error}; it was given {', '.join(written[:_NAMED_FILES])}{rest}")

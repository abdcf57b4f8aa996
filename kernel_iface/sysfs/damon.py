"""DAMON through sysfs: several kdamonds, set up, changed and read as values."""

from __future__ import annotations

from collections.abc import Sequence

from damon_tuner.errors import KernelRejectedError, TakenOverError, TunerError
from damon_tuner.kernel_iface.host import Intervals, KdamondSpec, Region, SchemeStats
from damon_tuner.kernel_iface.sysfs.applied import Applied, Effort
from damon_tuner.kernel_iface.sysfs.claim import taken_over
from damon_tuner.kernel_iface.sysfs.codec import Read
from damon_tuner.kernel_iface.sysfs.features import Features
from damon_tuner.kernel_iface.sysfs.kdamond import Kdamond, directory_of
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.mapping import kdamond_spec
from damon_tuner.kernel_iface.sysfs.occupants import NR_KDAMONDS, require_unused
from damon_tuner.kernel_iface.sysfs.tree import Tree


class Damon:
    """All of DAMON's sysfs on one host.

    Every lasting change goes through ``ledger``, whose ``restore`` switches the kdamonds off and
    takes them away; nobody else may use DAMON meanwhile. Kdamonds are numbered from 0, in the
    order in which they were given.

    Methods raise what ``Tree`` raises, ``DamonMissingError`` for what this kernel lacks, and
    ``KernelRejectedError`` naming the value that was refused.
    """

    def __init__(self, tree: Tree, ledger: Ledger) -> None:
        self._tree = tree
        self._ledger = ledger
        self._features: Features | None = None
        self._kdamonds: list[Kdamond] = []
        self._held_back: dict[int, KdamondSpec] = {}

    @property
    def features(self) -> Features:
        """What this kernel offers; known from ``start`` on."""
        if self._features is None:
            raise RuntimeError("DAMON is not started: call start first")
        return self._features

    def start(self, kdamonds: Sequence[KdamondSpec]) -> None:
        """Take DAMON and run ``kdamonds``; if it fails, the ledger has what there is to undo."""
        self.take(len(kdamonds))
        for kdamond, spec in zip(self._kdamonds, kdamonds, strict=True):
            kdamond.start(spec)

    def take(self, count: int) -> None:
        """Have ``count`` kdamonds that are off; how many there are only stopping can change."""
        if count < 1:
            raise ValueError("give at least one kdamond")
        # Somebody's kdamonds, were they as many, would be staged over without a word.
        require_unused(self._tree)
        self._ledger.write(NR_KDAMONDS, str(count))
        self._features = Features.probed(self._tree, directory_of(0))
        self._kdamonds = [self._off(index) for index in range(count)]

    def start_one(self, kdamond: int, spec: KdamondSpec) -> None:
        """Run a kdamond that is off, beside the others; if it fails, it is off."""
        started = self._kdamonds[kdamond] = self._off(kdamond)
        # What it is told to monitor tells our kdamonds from others, and changes now.
        self._ledger.claim_kdamonds(in_change=True)
        try:
            started.start(spec)
        except BaseException:
            self.stop_one(kdamond)
            raise

    def stop_one(self, kdamond: int) -> None:
        """Switch a kdamond off, beside the others; raises ``NotRestoredError``."""
        self._held_back.pop(kdamond, None)
        self._at(kdamond).stop()
        self._kdamonds[kdamond] = self._off(kdamond)

    def apply(
        self, kdamonds: Sequence[KdamondSpec], *, is_urgent: bool = False
    ) -> tuple[Applied, ...]:
        """Come to ``kdamonds`` with the fewest writes; tells what each one took.

        A change of values may be held back (see :class:`Applied`); :meth:`flush` brings it. When
        the kernel rejects a change, all kdamonds run on as they were.

        Raises:
            ValueError: another number of kdamonds, which only stopping and starting can give.
        """
        if len(kdamonds) != len(self._kdamonds):
            raise ValueError(
                f"{len(self._kdamonds)} kdamonds run, not {len(kdamonds)}: stop and start again"
            )
        before = list(self.running())
        done: list[Applied] = []
        try:
            for kdamond, spec in zip(self._kdamonds, kdamonds, strict=True):
                done.append(kdamond.apply(spec, is_urgent=is_urgent))
        except TunerError as error:
            self._take_back(before[: len(done)], error)
            raise
        if [spec.context for spec in before] != [spec.context for spec in self.running()]:
            self._ledger.claim_kdamonds()
        self._held_back = {
            index: spec
            for index, spec in enumerate(kdamonds)
            if done[index].effort is Effort.HELD_BACK
        }
        return tuple(done)

    def apply_one(self, kdamond: int, spec: KdamondSpec, *, is_urgent: bool = False) -> Applied:
        """Do what ``apply`` does, for one kdamond; the others are left as they are."""
        self._held_back.pop(kdamond, None)
        before = self._at(kdamond).spec.context
        applied = self._at(kdamond).apply(spec, is_urgent=is_urgent)
        if applied.effort is Effort.HELD_BACK:
            self._held_back[kdamond] = spec
        elif before != spec.context:
            self._ledger.claim_kdamonds()
        return applied

    def flush(self) -> int | None:
        """Bring what was held back and is due; return when the next of it will be (``now_us``).

        What is refused is given up, and the rest stays for the next time.

        Raises:
            TakenOverError: somebody else has changed DAMON meanwhile; nothing was written.
        """
        if self._held_back:
            self.require_ours(with_schemes=True)
        next_us = []
        for index in tuple(self._held_back):
            spec = self._held_back.pop(index)
            applied = self._kdamonds[index].apply(spec)
            if applied.effort is Effort.HELD_BACK:
                self._held_back[index] = spec
                next_us.append(applied.due_us)
        return min(next_us, default=None)

    def require_ours(self, kdamond: int | None = None, *, with_schemes: bool = False) -> None:
        """Check that the kdamonds, or one of them, are as started here; a few reads each.

        With ``with_schemes``, what matters most of each scheme must also be as it was staged:
        whatever somebody else has staged, the next commit would put in force.

        Raises:
            TakenOverError: they are somebody else's now; says what differs.
        """
        claimed = self._ledger.claimed
        other = None if claimed is None else taken_over(self._tree, claimed, kdamond)
        if other is None and with_schemes:
            asked = self._kdamonds if kdamond is None else [self._at(kdamond)]
            other = next(filter(None, (each.differing() for each in asked)), None)
        if other is not None:
            raise TakenOverError(
                f"somebody else has changed DAMON ({other}): it is left alone; "
                "start again when they have finished"
            )

    def running(self) -> tuple[KdamondSpec, ...]:
        """Return what runs, as it was given; what is held back does not run."""
        return tuple(kdamond.spec for kdamond in self._kdamonds)

    def read(self) -> tuple[KdamondSpec, ...]:
        """Return what the files of every kdamond hold, whoever wrote them."""
        count = int(self._tree.read(NR_KDAMONDS))
        return tuple(kdamond_spec(self._reader(directory_of(index))) for index in range(count))

    def pid(self, kdamond: int) -> int:
        """Return the process number of a kdamond's thread; -1 when it has ended."""
        return self._at(kdamond).pid

    def stats(self, kdamond: int) -> tuple[SchemeStats, ...]:
        """Return what each scheme of a kdamond has done since it was started."""
        return self._at(kdamond).stats()

    def regions(self, kdamond: int, scheme: int = -1) -> tuple[Region, ...]:
        """Return the regions that a scheme matches, the last one by default.

        Blocks for up to one apply interval of the slowest scheme. A ``stat`` scheme with an open
        access pattern shows all regions; with several targets they come target by target.
        """
        return self._at(kdamond).regions(scheme)

    def tuned_intervals(self, kdamond: int) -> Intervals:
        """Return the intervals in force; where they tune themselves, as they are now."""
        return self._at(kdamond).tuned_intervals()

    def _off(self, index: int) -> Kdamond:
        return Kdamond(self._tree, self._ledger, self.features, index)

    def _reader(self, directory: str) -> Read:
        return lambda path: self._tree.read_if_present(f"{directory}/{path}")

    def _at(self, kdamond: int) -> Kdamond:
        if kdamond >= len(self._kdamonds):
            raise RuntimeError(f"kdamond {kdamond} is not started: call start first")
        return self._kdamonds[kdamond]

    def _take_back(self, before: Sequence[KdamondSpec], cause: TunerError) -> None:
        for kdamond, spec in zip(self._kdamonds, before, strict=False):
            try:
                kdamond.apply(spec, is_urgent=True)
            except TunerError as error:
                raise KernelRejectedError(
                    f"{cause}; another kdamond did not come back: {error}"
                ) from cause

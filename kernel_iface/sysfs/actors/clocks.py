"""Caps the clocks on the way to memory, where the host has any that can be capped."""

from __future__ import annotations

from dataclasses import dataclass

from damon_tuner.errors import (
    DamonMissingError,
    KernelRejectedError,
    NotRestoredError,
    TakenOverError,
    TunerError,
)
from damon_tuner.kernel_iface.sysfs.actors.actor import ActorStats
from damon_tuner.kernel_iface.sysfs.actors.back_off import BackOff
from damon_tuner.kernel_iface.sysfs.actors.capped_clock import CappedClock, capped_clocks
from damon_tuner.kernel_iface.sysfs.actors.pace import Allowance, Pace
from damon_tuner.kernel_iface.sysfs.actors.tally import Tally
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

_FULL_PERMILLE = 1_000
_USUAL_PACE = Pace(100, 1_000)

_NO_CLOCK = "no memory clock can be capped on this host"
_NO_CLOCK_AMD = (
    f"{_NO_CLOCK}: on AMD processors the firmware alone sets the fabric and memory clocks"
)
_NO_CLOCK_INTEL = (
    f"{_NO_CLOCK}: load the module intel_uncore_frequency (CONFIG_INTEL_UNCORE_FREQ_CONTROL); "
    "virtual machines have no such clock"
)
_NO_CLOCK_OTHER = (
    f"{_NO_CLOCK}: /sys/class/devfreq has no memory controller or interconnect; use a kernel "
    "with the devfreq driver of this board"
)


@dataclass(frozen=True, slots=True)
class ClocksRequest:
    """Cap every memory clock at a share of its highest frequency; 1000 caps nothing.

    A cap that was there before is never raised.
    """

    cap_permille: int
    floor_permille: int = 500
    """Never lower, whatever is asked for; nor lower than the hardware's and the host's minimum."""
    pace: Pace = _USUAL_PACE
    """In permille by which the caps fall; they rise at once."""

    def __post_init__(self) -> None:
        """Refuse what is no share (``ValueError``)."""
        for permille in (self.cap_permille, self.floor_permille):
            if not 0 <= permille <= _FULL_PERMILLE:
                raise ValueError("a clock's cap and floor are from 0 to 1000 permille")

    @property
    def key(self) -> str:
        """There is one actor for all clocks."""
        return "clocks"


class MemoryClocks:
    """Intel's uncore clocks and, by devfreq, those of memory controllers and interconnects."""

    def __init__(self, tree: Tree, ledger: Ledger, request: ClocksRequest) -> None:
        self._tree = tree
        self._ledger = ledger
        self._request = request
        self._permille = _FULL_PERMILLE
        self._clocks: tuple[CappedClock, ...] | None = None
        self._back_off: BackOff[str] = BackOff()
        self._allowance = Allowance()
        self._tally = Tally()

    @property
    def stats(self) -> ActorStats:
        """What it has done; each cap that was changed counts once, and there are no bytes."""
        return self._tally.stats(self._allowance.nr_exceeds)

    @property
    def cap_permille(self) -> int:
        """Where the caps are now, between 1000 and what was asked for."""
        return self._permille

    def check(self) -> None:
        """Refuse a host whose memory clocks cannot be capped."""
        found = capped_clocks(self._tree, self._ledger)
        if not found:
            raise DamonMissingError(_missing(self._tree))
        self._tree.require_writable(found[0].path)

    def apply(self, request: ClocksRequest) -> None:
        """Follow another request from now on; nothing changes before ``advance``."""
        self._request = request

    def advance(self, now_us: int) -> None:
        """Raise the caps, or lower them by as much as the pace allows."""
        wanted = max(self._request.cap_permille, self._request.floor_permille)
        if wanted >= self._permille:
            self._permille = wanted
        else:
            fall = self._allowance.left(self._request.pace, self._permille - wanted, now_us)
            self._allowance.charge(fall)
            self._permille -= fall
        for clock in self._found():
            if not self._back_off.rests(clock.path, now_us):
                self._set(clock, now_us)

    def release(self) -> None:
        """Put every cap back; raises ``NotRestoredError`` for those that stay."""
        self._permille = _FULL_PERMILLE
        left = []
        for clock in self._clocks or ():
            try:
                clock.put_back()
            except TunerError as error:
                left.append(str(error))
        if left:
            raise NotRestoredError("; ".join(left))

    def _found(self) -> tuple[CappedClock, ...]:
        if self._clocks is None:
            try:
                self._clocks = capped_clocks(self._tree, self._ledger)
            except TunerError as error:
                self._tally.failed(str(error))
        return self._clocks or ()

    def _set(self, clock: CappedClock, now_us: int) -> None:
        try:
            if clock.needs(self._permille):
                self._tally.tried()
                clock.set(self._permille)
                self._tally.applied()
        except TunerError as error:
            # Somebody else's cap is theirs for good, and hardware that refuses goes on refusing.
            hopeless = isinstance(error, TakenOverError | KernelRejectedError)
            self._back_off.failed(clock.path, now_us, for_good=hopeless)
            self._tally.failed(str(error))
        else:
            self._back_off.succeeded(clock.path)


def _missing(tree: Tree) -> str:
    vendor = tree.read_if_present("proc/cpuinfo") or ""
    if "AuthenticAMD" in vendor:
        return _NO_CLOCK_AMD
    return _NO_CLOCK_INTEL if "GenuineIntel" in vendor else _NO_CLOCK_OTHER

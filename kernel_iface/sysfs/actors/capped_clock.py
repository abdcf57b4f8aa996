"""One clock and its cap: which values it takes, and whose cap it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from damon_tuner.errors import KernelRejectedError, TakenOverError
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.clocks import DEVFREQ, UNCORE, Clock, clocks
from damon_tuner.kernel_iface.sysfs.observe.table import number, whole
from damon_tuner.kernel_iface.sysfs.tree import Tree

# The hardware counts in these steps, and the kernel drops what is between them.
_UNCORE_STEP_KHZ = 100_000

_DIE = re.compile(r"package_\d+_die_\d+")


class CappedClock:
    """Sets the cap of one clock through the ledger; frequencies are in the unit of its files.

    ``steps`` are all values that the kernel keeps as they are, in rising order.
    """

    def __init__(self, tree: Tree, ledger: Ledger, path: str, steps: Sequence[int]) -> None:
        self.path = path
        self._tree = tree
        self._ledger = ledger
        self._steps = steps
        self._original = whole(tree.read(path), path)
        self._ours = self._original

    def needs(self, permille: int) -> bool:
        """Tell whether a cap at this share of the highest frequency differs from what is set."""
        return self._wanted(permille) != self._ours

    def set(self, permille: int) -> None:
        """Cap at a share of the highest frequency.

        Raises:
            TakenOverError: somebody else has set another cap meanwhile; it is left alone.
            KernelRejectedError: the kernel refused the cap, or did not keep it.
            TunerError: what else ``Tree`` raises.
        """
        held = whole(self._tree.read(self.path), self.path)
        if held != self._ours:
            raise TakenOverError(
                f"/{self.path} was {self._ours}, now {held}: left alone, because somebody else "
                "wrote there"
            )
        wanted = self._wanted(permille)
        if wanted == self._original:
            self.put_back()
            return
        self._ledger.write(self.path, str(wanted))
        self._ours = wanted
        self._require_kept(wanted)

    def put_back(self) -> None:
        """Set the cap that was found; raises ``NotRestoredError``."""
        self._ledger.put_back(self.path)
        self._ours = self._original

    def _wanted(self, permille: int) -> int:
        most = min(self._steps[-1] * permille // 1_000, self._original)
        if permille >= 1_000 or most == self._original:
            return self._original
        least = min(self._lowest(), self._original)
        fitting = [step for step in self._steps if least <= step <= most]
        return fitting[-1] if fitting else least

    def _lowest(self) -> int:
        """Return the lowest step that is not below the minimum that the host has set."""
        minimum = number(self._tree, self.path.replace("/max_freq", "/min_freq")) or 0
        return next((step for step in self._steps if step >= minimum), self._original)

    def _require_kept(self, wanted: int) -> None:
        held = whole(self._tree.read(self.path), self.path)
        if held == wanted:
            return
        # The ledger would take this value for somebody else's, and leave it.
        self._tree.write(self.path, str(self._original))
        self.put_back()
        raise KernelRejectedError(
            f"/{self.path} was given {wanted} and holds {held}: this clock is left alone"
        )


def capped_clocks(tree: Tree, ledger: Ledger) -> tuple[CappedClock, ...]:
    """Find the clocks of memory, each once; raises what ``Tree`` and ``clocks`` raise."""
    found = clocks(tree)
    # A die that is switched off may tell a highest frequency of 0.
    working = [c for c in found if c.kind == "uncore" and c.lowest_khz <= c.highest_khz]
    domains = _of_memory(tree, working)
    uncore = [
        CappedClock(
            tree,
            ledger,
            clock.cap_path,
            range(clock.lowest_khz, clock.highest_khz + 1, _UNCORE_STEP_KHZ),
        )
        for clock in domains
    ]
    devices = [clock.name for clock in found if clock.kind == "devfreq"]
    found_devices = (_device(tree, ledger, name) for name in devices)
    return (*uncore, *(device for device in found_devices if device is not None))


def _of_memory(tree: Tree, domains: list[Clock]) -> list[Clock]:
    """Choose one level: domains of memory where they are told apart, or else whole dies.

    A cap on a die is copied to each of its domains, so that both levels would fight.
    """
    fine = [
        clock
        for clock in domains
        if "memory" in (tree.read_if_present(f"{UNCORE}/{clock.name}/agent_types") or "").split()
    ]
    return fine or [clock for clock in domains if _DIE.fullmatch(clock.name)]


def _device(tree: Tree, ledger: Ledger, name: str) -> CappedClock | None:
    """Return a device, or None while it is capped by somebody else.

    The kernel shows the lowest of all caps, heat's among them, and hides which one is whose:
    putting back what was shown could cap the device for good.
    """
    path = f"{DEVFREQ}/{name}/available_frequencies"
    steps = sorted(whole(word, path) for word in tree.read(path).split())
    cap = f"{DEVFREQ}/{name}/max_freq"
    if number(tree, cap) != steps[-1]:
        return None
    return CappedClock(tree, ledger, cap, steps)

"""Whether tasks wait for memory more than they may: nothing is taken from them while they do."""

from __future__ import annotations

from damon_tuner.errors import DamonMissingError, TunerError
from damon_tuner.kernel_iface.sysfs.observe.pressure import pressure
from damon_tuner.kernel_iface.sysfs.tree import Tree

# Shorter looks would tell noise, and looks long ago nothing of now.
_SHORTEST_US = 1_000_000
_LONGEST_US = 300_000_000
_CALM_AFTER_US = 10_000_000


class Strain:
    """Watches one pressure file, such as ``proc/pressure/memory``."""

    def __init__(self, tree: Tree, path: str) -> None:
        self._tree = tree
        self._path = path
        self._before: tuple[int, int] | None = None
        self._permille: int | None = None
        self._strained_us: int | None = None

    def check(self) -> None:
        """Raise ``DamonMissingError`` where pressure is not measured."""
        if pressure(self._tree, self._path) is None:
            raise DamonMissingError(
                f"this kernel does not measure memory pressure (/{self._path}): "
                "boot with psi=1, or use a kernel built with CONFIG_PSI"
            )

    def calm(self, limit_permille: int, now_us: int) -> bool:
        """Tell whether waiting took at most so much of the time lately, and for a while before.

        What is not known yet is not calm: the first look has nothing to compare with.
        """
        self._look(now_us)
        if self._permille is None:
            return False
        if self._permille > limit_permille:
            self._strained_us = now_us
        return self._strained_us is None or now_us >= self._strained_us + _CALM_AFTER_US

    def _look(self, now_us: int) -> None:
        since_us = None if self._before is None else now_us - self._before[0]
        if since_us is not None and since_us < _SHORTEST_US:
            return
        try:
            found = pressure(self._tree, self._path)
        except TunerError:
            found = None
        self._permille = None
        if found is not None and self._before is not None and since_us and since_us < _LONGEST_US:
            waited_us = found.some_us - self._before[1]
            # A cgroup that was made again counts from 0: nothing is known of it.
            self._permille = waited_us * 1_000 // since_us if waited_us >= 0 else None
        self._before = None if found is None else (now_us, found.some_us)

"""What memory uses in energy, and what is saved of it: measured where there are meters.

Meters (powercap) tell what all DRAM of the host uses. What is saved is then the difference to
what it used at rest, with all memory online and at full clock, in the same run. Elsewhere both are
estimated from a host profile's milliwatts per GiB in each state.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from damon_tuner.kernel_iface.sysfs.observe.energy import DramEnergy
from damon_tuner.kernel_iface.sysfs.tree import Tree

PROFILES = Path(__file__).parent.parent / "envs" / "profiles"
_USUAL = PROFILES / "ddr4_power.toml"
_DEFAULTS = PROFILES / "defaults.toml"

_GIB = 1 << 30

# What is measured of the host at rest says something from then on.
_LEAST_PLAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class DramPower:
    """What memory draws by state, from a host profile."""

    profile: str
    standby_mw_per_gib: float
    powerdown_mw_per_gib: float
    self_refresh_mw_per_gib: float
    clock_power_share: float
    """How much of what is drawn follows the clock."""
    is_interleaved: bool
    """Ranks are: each block lies on all of them, and none can rest for one that is offline."""

    def used_w(self, total_bytes: int, offline_bytes: int = 0, clock_cap: float = 1.0) -> float:
        """Return the watts of memory that nobody accesses; ``total_bytes`` has what is offline.

        Memory that is offline refreshes itself. That holds for whole ranks, which a kernel does
        not know: less is saved where what is offline lies on ranks with memory that is not.
        """
        asleep_gib = 0.0 if self.is_interleaved else offline_bytes / _GIB
        awake_gib = total_bytes / _GIB - asleep_gib
        rest_mw = self.standby_mw_per_gib if self.is_interleaved else self.powerdown_mw_per_gib
        clock = 1.0 - self.clock_power_share * (1.0 - clock_cap)
        return (awake_gib * rest_mw * clock + asleep_gib * self.self_refresh_mw_per_gib) / 1e3


@dataclass(frozen=True, slots=True)
class EnergyReport:
    """Joules since an account was opened.

    ``source`` is ``powercap``, or the profile that they are estimated from. What was saved is None
    where it is measured and the host was not seen at rest for long enough.
    """

    used_j: float
    saved_j: float | None
    seconds: float
    source: str
    is_measured: bool

    def as_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


class _State(NamedTuple):
    time_us: int
    total_bytes: int
    offline_bytes: int
    clock_cap: float


class EnergyAccount:
    """Adds up energy; ask for it to ``look`` at least once an hour, and at every change."""

    def __init__(self, tree: Tree, power: DramPower) -> None:
        """Open the account; raises what :func:`dram_domains` does."""
        self._power = power
        self._meters = DramEnergy(tree)
        self._state: _State | None = None
        self._seconds = self._estimated_j = self._estimated_plain_j = 0.0
        self._metered_j: float | None = None
        # Seconds and joules by whether anything was done to save.
        self._measured = {False: [0.0, 0.0], True: [0.0, 0.0]}

    def look(
        self, now_us: int, total_bytes: int, offline_bytes: int, clock_cap: float = 1.0
    ) -> None:
        """Charge what has passed to the state before, and note the state now.

        ``total_bytes`` is all memory of the host, online or not. Raises what
        :meth:`DramEnergy.used_uj` does.
        """
        used_uj = self._meters.used_uj()
        metered_j = None if used_uj is None else used_uj / 1e6
        if self._state is not None:
            self._charge((now_us - self._state.time_us) / 1e6, self._state, metered_j)
        self._metered_j = metered_j
        self._state = _State(now_us, total_bytes, offline_bytes, clock_cap)

    def report(self) -> EnergyReport:
        """Return what was used and saved until the last look."""
        if self._metered_j is None:
            return EnergyReport(
                used_j=self._estimated_j,
                saved_j=self._estimated_plain_j - self._estimated_j,
                seconds=self._seconds,
                source=self._power.profile,
                is_measured=False,
            )
        plain_s, plain_j = self._measured[False]
        saving_s, saving_j = self._measured[True]
        saved_j = plain_j / plain_s * saving_s - saving_j if plain_s >= _LEAST_PLAIN_S else None
        return EnergyReport(plain_j + saving_j, saved_j, self._seconds, "powercap", True)

    def _charge(self, seconds: float, state: _State, metered_j: float | None) -> None:
        now = state.total_bytes, state.offline_bytes, state.clock_cap
        self._seconds += seconds
        self._estimated_j += seconds * self._power.used_w(*now)
        self._estimated_plain_j += seconds * self._power.used_w(state.total_bytes)
        if metered_j is not None:
            into = self._measured[state.offline_bytes > 0 or state.clock_cap < 1.0]
            into[0] += seconds
            into[1] += metered_j - (self._metered_j or 0.0)


def dram_power(path: Path | None = None) -> DramPower:
    """Return the power of a host profile's memory; what a profile does not say is the usual.

    Of a range, its middle. Raises ``OSError`` and ``ValueError`` where it cannot be read.
    """
    path = path or _USUAL
    constants = _constants(_DEFAULTS) | _constants(path)
    return DramPower(
        profile=path.stem,
        standby_mw_per_gib=constants["standby_mw_per_gib"],
        powerdown_mw_per_gib=constants["powerdown_mw_per_gib"],
        self_refresh_mw_per_gib=constants["self_refresh_mw_per_gib"],
        clock_power_share=constants["clock_power_share"],
        is_interleaved=constants["interleaved"] > 0.5,
    )


def _constants(path: Path) -> dict[str, float]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _middle(entry) for name, entry in table.get("profile", {}).items()}


def _middle(entry: Mapping[str, Any]) -> float:
    low, high = entry.get("range", (entry.get("value"), entry.get("value")))
    return (float(low) + float(high)) / 2.0

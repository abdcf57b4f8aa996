"""What a simulated host must have for a knob to do anything."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from damon_tuner import _core
from damon_tuner.envs.workload_file import Workload
from damon_tuner.errors import TunerError

_NEEDS: Mapping[str, tuple[str, str, str]] = {
    "tiering": ("slow_ratio", "slow memory", "cxl"),
    "thp": ("thp_mode", "huge pages", "thp_always"),
    "power": ("energy_price", "a price on energy", "ddr4_power"),
}
_DEFAULT_HIGH = {name: high for name, _, high, *_ in _core.PROFILE}


def require_hosts_for(groups: Collection[str], workloads: Collection[Workload]) -> None:
    """Refuse hosts of which none has what the knobs of a group act on (``TunerError``)."""
    for group, (parameter, what, profile) in _NEEDS.items():
        highs = [
            workload.profile.get(parameter, (0.0, _DEFAULT_HIGH[parameter]))[1]
            for workload in workloads
        ]
        if group in groups and not any(highs):
            raise TunerError(
                f"none of these hosts has {what}, which the knobs of {group} act on: "
                f"add --profile {profile}, or a profile of your own with {parameter} above 0"
            )

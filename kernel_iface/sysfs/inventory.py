"""Everything about DAMON that can be set on a host, to tell whether it is as it was."""

from __future__ import annotations

from pathlib import Path

_ADMIN = Path("sys/kernel/mm/damon/admin")
_MODULES = Path("sys/module")


def damon_settings(root: Path = Path("/")) -> dict[str, str]:
    """Path and content of every DAMON sysfs file and every settable module parameter."""
    files = [path for path in (root / _ADMIN).rglob("*") if path.is_file()]
    parameters = (root / _MODULES).glob("damon_*/parameters/*")
    files += [path for path in parameters if _is_setting(path)]
    return {str(path): path.read_text() for path in files}


def _is_setting(parameter: Path) -> bool:
    # The modules write down the memory that they chose to monitor when they are enabled.
    chosen = parameter.name.startswith("monitor_region_")
    return bool(parameter.stat().st_mode & 0o200) and not chosen

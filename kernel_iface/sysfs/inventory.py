"""Everything about DAMON that can be set on a host, to tell whether it is as it was."""

from __future__ import annotations

from pathlib import Path

_ADMIN = Path("sys/kernel/mm/damon/admin")
_MODULES = Path("sys/module")
_TRACES = Path("sys/kernel/tracing/instances")


def damon_settings(root: Path = Path("/")) -> dict[str, str]:
    """Path and content of every DAMON sysfs file, settable module parameter and trace instance."""
    files = [path for path in (root / _ADMIN).rglob("*") if path.is_file()]
    parameters = (root / _MODULES).glob("damon_*/parameters/*")
    files += [path for path in parameters if _is_setting(path)]
    settings = {str(path): path.read_text() for path in files}
    return settings | {str(path): "" for path in (root / _TRACES).glob("*")}


def _is_setting(parameter: Path) -> bool:
    # The modules write down the memory that they chose to monitor when they are enabled.
    chosen = parameter.name.startswith("monitor_region_")
    return bool(parameter.stat().st_mode & 0o200) and not chosen

"""The configuration in force, as TOML that loads to the same."""

from __future__ import annotations

from collections.abc import Iterator

from damon_tuner.daemon.config.kinds import FolderOrNone
from damon_tuner.daemon.config.layout import ROOT, TENANT, Table
from damon_tuner.daemon.config.model import Config
from damon_tuner.daemon.config.problems import Where, dotted


def describe(config: Config) -> str:
    """All of ``config``, defaults included; ``load_config`` reads it back to an equal one."""
    lines = list(_keys(config, ROOT))
    for name in ("limits", "breaker", "experience"):
        lines += _table((name,), getattr(config, name), ROOT.tables[name])
    for tenant in config.tenants:
        at = ("tenants", tenant.name)
        lines += _table(at, tenant, TENANT)
        for name, layout in TENANT.tables.items():
            if getattr(tenant, name) is not None:
                lines += _table((*at, name), getattr(tenant, name), layout)
    return "\n".join(lines) + "\n"


def _table(at: Where, values: object, layout: Table) -> Iterator[str]:
    yield ""
    yield f"[{dotted(at)}]"
    yield from _keys(values, layout)


def _keys(values: object, layout: Table) -> Iterator[str]:
    for name, key in layout.keys.items():
        value = getattr(values, key.field)
        is_unset = value is None and not isinstance(key.kind, FolderOrNone)
        # a score without a command has an empty one
        if not is_unset and not (name == "command" and not value):
            yield f"{name} = {key.kind.write(value)}"

"""What the files of a configuration say, key by key, and which file says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from damon_tuner.daemon.config.layout import ROOT, TENANT, TENANT_NAME, Table
from damon_tuner.daemon.config.problems import Problems, Where, dotted
from damon_tuner.daemon.config.words import shown
from damon_tuner.near import nearest

# by the header under which their keys stand
_TABLES = {
    **{name: table for name, table in ROOT.tables.items() if not table.each},
    "tenants.NAME": TENANT,
    "tenants.NAME.score": TENANT.tables["score"],
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked values by key; ``files`` has where each key and each table was last named."""

    problems: Problems
    values: dict[Where, Any] = field(default_factory=dict)
    files: dict[Where, Path] = field(default_factory=dict)

    def take(self, file: Path, raw: Mapping[str, Any]) -> None:
        """Check what ``file`` says, and let it win over what was taken before."""
        self._table(file, (), raw, ROOT)

    def fields(self, at: Where, table: Table) -> dict[str, Any]:
        """The fields that the keys of the table ``at`` set."""
        found = ((key.field, (*at, name)) for name, key in table.keys.items())
        return {name: self.values[where] for name, where in found if where in self.values}

    def set_of(self, at: Where, names: tuple[str, ...]) -> list[str]:
        """Which of these keys the table ``at`` has."""
        return [name for name in names if (*at, name) in self.values]

    def tenants(self) -> list[str]:
        """The names of the tenants, in the order in which they first come."""
        return [at[1] for at in self.files if len(at) == 2 and at[0] == "tenants"]

    def _table(self, file: Path, at: Where, raw: Mapping[str, Any], table: Table) -> None:
        self.files[at] = file
        for name, value in raw.items():
            where = (*at, name)
            try:
                if name in table.keys:
                    self.values[where] = table.keys[name].kind.read(value)
                    self.files[where] = file
                else:
                    self._table(file, where, *_inner(where, value, table))
            except ValueError as error:
                self.problems.add(file, where, str(error))


def _inner(where: Where, value: object, table: Table) -> tuple[dict[str, Any], Table]:
    """The table that ``value`` is, and what it may hold."""
    inner = table.each or table.tables.get(where[-1])
    if inner is None:
        raise ValueError(f"unknown key{_meant(where, table)}")
    if table.each and not TENANT_NAME.fullmatch(where[-1]):
        raise ValueError("not a name; write 1 to 64 of A-Z, a-z, 0-9 and ._@-")
    if not isinstance(value, dict):
        header = dotted((*where, "NAME") if inner.each else where)
        raise ValueError(f"{shown(value)} is not a table; write [{header}]")
    return value, inner


def _meant(where: Where, table: Table) -> str:
    """The end of a message: where the key belongs, else the nearest that is known here."""
    *at, name = where
    for inner_name, inner in table.tables.items():
        if name in inner.keys:
            return f"; it belongs in [{dotted((*at, inner_name))}]"
    if name in ROOT.keys:
        return "; it belongs to the top of the file, before the first [table]"
    for header, elsewhere in _TABLES.items():
        if name in elsewhere.keys:
            return f"; it belongs in [{header}]"
    return nearest(name[:64], table.known())

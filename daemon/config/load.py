"""From files to a ``Config``: every file is checked by itself, then later ones win key by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from damon_tuner.daemon.config.files import read_files
from damon_tuner.daemon.config.layout import MOST_TENANTS, ROOT, TENANT
from damon_tuner.daemon.config.model import (
    Breaker,
    Config,
    Experience,
    Limits,
    Mode,
    Score,
    TenantConfig,
)
from damon_tuner.daemon.config.problems import Problems, Where, dotted
from damon_tuner.daemon.config.settings import Settings

DEFAULT_PATH = Path("/etc/damon-tuner/damon-tunerd.toml")
_SELECTORS = ("pid", "pid_file", "unit", "cgroup")
_SOURCES = ("file", "command")


def load_config(path: Path) -> Config:
    """Read ``path``, and ``path.d/*.toml`` over it in the order of their names.

    Raises:
        ConfigError: something is wrong in any of the files; it holds every problem found.

    """
    problems = Problems()
    settings = Settings(problems)
    for file, raw in read_files(path, problems):
        settings.take(file, raw)
    _check_tenants(path, settings)
    problems.raise_if_any()
    return _config(settings)


def _check_tenants(main: Path, settings: Settings) -> None:
    names = settings.tenants()
    if len(names) > MOST_TENANTS:
        what = f"has {len(names)} tables; write at most {MOST_TENANTS}"
        settings.problems.add(main, ("tenants",), what)
        return
    seen: dict[tuple[str, Any], str] = {}
    for name in names:
        at = ("tenants", name)
        for where, what in (*_lacks(at, settings), *_doubles(at, settings, seen)):
            settings.problems.add(settings.files[where], where, what)


def _lacks(at: Where, settings: Settings) -> Iterator[tuple[Where, str]]:
    """What a tenant has too little or too much of; nothing where it might be just misspelt."""
    if not settings.problems.within(at):
        yield from _exactly_one(at, _SELECTORS, settings)
    score = (*at, "score")
    if score in settings.files and not settings.problems.within(score):
        yield from _exactly_one(score, _SOURCES, settings)
        if (*score, "floor") not in settings.values:
            yield score, "has no floor; write the least score that is good enough, floor = 100"


def _doubles(
    at: Where, settings: Settings, seen: dict[tuple[str, Any], str]
) -> Iterator[tuple[Where, str]]:
    """What another tenant is as well; patterns that overlap cannot be told."""
    for key in settings.set_of(at, _SELECTORS):
        other = seen.setdefault((key, settings.values[*at, key]), at[-1])
        if other != at[-1]:
            yield (*at, key), f"{dotted(('tenants', other))} has the same; leave one out"


def _exactly_one(
    at: Where, names: tuple[str, ...], settings: Settings
) -> Iterator[tuple[Where, str]]:
    found = settings.set_of(at, names)
    choice = f"{', '.join(names[:-1])} and {names[-1]}"
    if not found:
        yield at, f"names nothing; write exactly one of {choice}"
    elif len(found) > 1:
        yield (*at, found[-1]), f"{found[0]} is set as well; write exactly one of {choice}"


def _config(settings: Settings) -> Config:
    top = settings.fields((), ROOT)
    limits = Limits(**settings.fields(("limits",), ROOT.tables["limits"]))
    config = Config(
        **{**top, "mode": Mode(top.get("mode", Mode.SHADOW))},
        limits=limits,
        breaker=Breaker(**settings.fields(("breaker",), ROOT.tables["breaker"])),
        experience=Experience(**settings.fields(("experience",), ROOT.tables["experience"])),
    )
    tenants = tuple(_tenant(name, config, settings) for name in settings.tenants())
    return replace(config, tenants=tenants)


def _tenant(name: str, config: Config, settings: Settings) -> TenantConfig:
    at = ("tenants", name)
    own = settings.fields((*at, "limits"), TENANT.tables["limits"])
    score = settings.fields((*at, "score"), TENANT.tables["score"])
    fields = {
        "budget": config.budget,
        "slowdown_of": config.slowdown_of,
        **settings.fields(at, TENANT),
    }
    return TenantConfig(
        name=name,
        **fields,
        limits=replace(config.limits, **own),
        score=Score(**{"file": None, "command": (), **score}) if score else None,
    )

"""Configurations for the tests: the example file, and any that is right."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import strategies as st

import damon_tuner.daemon
from damon_tuner._core import KNOB_GROUPS
from damon_tuner.daemon.config import (
    Breaker,
    Config,
    Experience,
    Limits,
    Mode,
    Score,
    TenantConfig,
)
from damon_tuner.policies.decision import SLOWDOWN_OF
from damon_tuner.policies.rules import STATIC_POLICIES

EXAMPLE = Path(damon_tuner.daemon.__path__[0]) / "files" / "damon-tunerd.toml"
# what explains has one space behind the hash, a setting has none, an array's value four
_SETTING = re.compile(r"^#(?! \S|$)", re.MULTILINE)


def uncommented() -> str:
    """The example with all its settings in force."""
    return _SETTING.sub("", EXAMPLE.read_text(encoding="utf-8"))


def _floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high) | st.integers(1, 99).map(lambda n: low + (high - low) * n / 100)


_texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
_printable = st.text(st.characters(codec="utf-8"), max_size=12).map(
    lambda text: "".join(c for c in text if c.isprintable())
)
_parts = _printable.map(lambda text: text.replace("/", "")).filter(
    lambda part: part not in ("", ".", "..")
)
_cgroups = st.lists(_parts, min_size=1, max_size=3).map("/".join)
_paths = _cgroups.map(lambda path: Path("/", path))
_names = st.from_regex(r"[A-Za-z0-9._@-]{1,64}", fullmatch=True)
_units = st.from_regex(r"[A-Za-z0-9:_.\\@*?\[\]!-]{1,20}\.(service|scope)", fullmatch=True)
_budgets = _floats(1e-6, 1.0)
_slowdown_of = st.sampled_from(sorted(SLOWDOWN_OF))
_limits = st.builds(
    Limits,
    min_age_s=_floats(2.0, 3600.0),
    max_quota_bytes_per_s=_floats(4096.0, float(4 << 30)),
    max_age_division=_floats(1.01, 4.0),
)
_commands = st.tuples(_paths.map(str), _texts, _texts)
_timeouts = _floats(0.1, 60.0)
_floors = st.floats(-1e300, 1e300)
_scores = st.builds(Score, _paths, st.just(()), _floors, _timeouts) | st.builds(
    Score, st.none(), _commands, _floors, _timeouts
)
_selectors = st.one_of(
    st.tuples(st.just("pid"), st.integers(2, 1 << 22)),
    st.tuples(st.just("pid_file"), _paths),
    st.tuples(st.just("unit"), _units),
    st.tuples(st.just("cgroup"), _cgroups),
)


@st.composite
def _tenants(draw: st.DrawFn) -> tuple[TenantConfig, ...]:
    selectors = draw(st.lists(_selectors, unique=True, max_size=3))
    names = draw(st.lists(_names, unique=True, min_size=len(selectors), max_size=len(selectors)))
    return tuple(
        TenantConfig(
            name,
            **{key: value},
            budget=draw(_budgets),
            slowdown_of=draw(_slowdown_of),
            price=draw(_floats(0.001, 1000.0)),
            limits=draw(_limits),
            score=draw(st.none() | _scores),
        )
        for name, (key, value) in zip(names, selectors, strict=True)
    )


configs = st.builds(
    Config,
    mode=st.sampled_from(Mode),
    interval_s=_floats(0.5, 60.0),
    budget=_budgets,
    slowdown_of=_slowdown_of,
    max_tenants=st.integers(1, 32),
    policy=st.none() | _paths,
    fallback=st.sampled_from(list(STATIC_POLICIES)),
    knob_groups=st.lists(st.sampled_from(KNOB_GROUPS), min_size=1, unique=True).map(tuple),
    khugepaged=st.sampled_from(["alone", "tamed"]),
    protected_cgroups=st.lists(_cgroups, unique=True, max_size=3).map(tuple),
    tenants=_tenants(),
    limits=_limits,
    breaker=st.builds(
        Breaker,
        max_pressure=_floats(0.01, 1.0),
        min_swap_free=_floats(0.0, 1.0),
        min_fast_node_free=_floats(0.0, 1.0),
        max_refaults_per_s=_floats(1.0, 1e9),
    ),
    experience=st.builds(
        Experience, folder=st.none() | _paths, max_bytes=st.integers(1 << 20, 1 << 40)
    ),
    swap_in_us=st.none() | _floats(0.1, 1e6),
    disk_in_us=st.none() | _floats(0.1, 1e6),
    socket=_paths,
    metrics=st.none() | _paths,
    log=st.sampled_from(["text", "json"]),
)
"""Every configuration that can be written."""

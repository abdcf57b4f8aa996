"""What a policy was trained to see and to set; a policy file carries the hash of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from damon_tuner import _core

SCHEMA_VERSION = 2
"""Raised whenever a feature or a knob keeps its name but changes its meaning."""


@dataclass(frozen=True, slots=True)
class Schema:
    """Observation (F) and action (K) of policies of some knob groups; make it by ``schema_of``."""

    groups: tuple[str, ...]
    observation_names: tuple[str, ...]
    knob_names: tuple[str, ...]
    hash: str
    """SHA-256 over names, order and version of observation and knobs, in hexadecimal."""

    @property
    def nr_features(self) -> int:
        """F."""
        return len(self.observation_names)

    @property
    def nr_knobs(self) -> int:
        """K."""
        return len(self.knob_names)


def schema_of(groups: Collection[str]) -> Schema:
    """Return the schema of ``groups``, whose order does not matter.

    Raises:
        ValueError: one is none, or none of them has a knob.
    """
    return _schema_of(frozenset(groups), SCHEMA_VERSION)


@cache
def _schema_of(groups: frozenset[str], version: int) -> Schema:
    observation, knobs = _core.observation_names(groups), _core.knob_names(groups)
    about = {"version": version, "observation": observation, "knobs": knobs}
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    in_order = tuple(name for name in _core.KNOB_GROUPS if name in groups)
    return Schema(in_order, observation, knobs, digest)


DEFAULT_GROUPS = ("reclaim", "adaptive")
"""Those that policies are trained for where nothing else is said."""
WITHOUT_KNOBS = frozenset({"attributes", "adaptive"})
"""Groups that change what is seen, and what knobs are relative to, but set none of their own."""

RECLAIM = schema_of(("reclaim",))
"""That of policies which set page-out alone."""

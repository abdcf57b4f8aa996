"""What a policy was trained to see and to set; a policy file carries its hash."""

from __future__ import annotations

import hashlib
import json

from damon_tuner._core import KNOB_NAMES, OBSERVATION_NAMES

SCHEMA_VERSION = 1
"""Raised whenever a feature or a knob keeps its name but changes its meaning."""

KNOB_GROUPS = ("reclaim",)


def schema_hash() -> str:
    """SHA-256 over names, order and version of observation and knobs, in hexadecimal."""
    schema = {
        "version": SCHEMA_VERSION,
        "observation": OBSERVATION_NAMES,
        "knobs": KNOB_NAMES,
    }
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()

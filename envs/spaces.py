"""The spaces that every environment here shares."""

from __future__ import annotations

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from damon_tuner.policies.schema import Schema


def observation_space(schema: Schema) -> Space[NDArray[np.float32]]:
    """Features in the order of ``schema.observation_names``, each within [-1, 1]."""
    return spaces.Box(-1.0, 1.0, (schema.nr_features,), np.float32)


def action_space(schema: Schema) -> Space[NDArray[np.float32]]:
    """Knobs in the order of ``schema.knob_names``, each on a log scale from -1 to 1."""
    return spaces.Box(-1.0, 1.0, (schema.nr_knobs,), np.float32)

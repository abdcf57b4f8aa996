"""The spaces that every environment here shares."""

from __future__ import annotations

import numpy as np
from gymnasium import Space, spaces
from numpy.typing import NDArray

from damon_tuner.envs.batch import NR_FEATURES, NR_KNOBS


def observation_space() -> Space[NDArray[np.float32]]:
    """Features in the order of ``OBSERVATION_NAMES``, each within [-1, 1]."""
    return spaces.Box(-1.0, 1.0, (NR_FEATURES,), np.float32)


def action_space() -> Space[NDArray[np.float32]]:
    """Knobs in the order of ``KNOB_NAMES``, each on a log scale from -1 to 1."""
    return spaces.Box(-1.0, 1.0, (NR_KNOBS,), np.float32)

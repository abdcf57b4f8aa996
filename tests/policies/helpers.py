"""Policies made on the spot."""

from itertools import pairwise

import numpy as np

from damon_tuner import _core
from damon_tuner.policies.envelope import EVERYTHING
from damon_tuner.policies.policy_file import Policy, Tensor

NR_FEATURES = len(_core.OBSERVATION_NAMES)
NR_KNOBS = len(_core.KNOB_NAMES)


def tensor(values: np.ndarray) -> Tensor:
    array = np.ascontiguousarray(values, dtype="<f4")
    return Tensor(array.shape, array.tobytes())


def random_policy(seed: int = 0, hidden: tuple[int, ...] = (16, 8)) -> Policy:
    rng = np.random.default_rng(seed)
    sizes = (NR_FEATURES, *hidden, NR_KNOBS)
    return Policy(
        mean=tensor(rng.normal(size=NR_FEATURES)),
        scale=tensor(rng.uniform(0.5, 2.0, NR_FEATURES)),
        clip=10.0,
        layers=tuple(
            (tensor(rng.normal(size=(b, a)) / np.sqrt(a)), tensor(rng.normal(size=b) * 0.1))
            for a, b in pairwise(sizes)
        ),
        envelope=EVERYTHING,
        provenance={"made": "by a test"},
    )


def constant_policy(action: tuple[float, ...]) -> Policy:
    """A policy that answers ``action`` to everything."""
    return Policy(
        mean=tensor(np.zeros(NR_FEATURES)),
        scale=tensor(np.ones(NR_FEATURES)),
        clip=10.0,
        layers=((tensor(np.zeros((NR_KNOBS, NR_FEATURES))), tensor(np.array(action))),),
        envelope=EVERYTHING,
        provenance={},
    )

"""Policies made on the spot."""

from itertools import pairwise

import numpy as np

from damon_tuner.policies.envelope import everything
from damon_tuner.policies.policy_file import Policy, Tensor
from damon_tuner.policies.schema import RECLAIM, Schema

NR_FEATURES = RECLAIM.nr_features
NR_KNOBS = RECLAIM.nr_knobs


def tensor(values: np.ndarray) -> Tensor:
    array = np.ascontiguousarray(values, dtype="<f4")
    return Tensor(array.shape, array.tobytes())


def random_policy(
    seed: int = 0, hidden: tuple[int, ...] = (16, 8), schema: Schema = RECLAIM
) -> Policy:
    rng = np.random.default_rng(seed)
    sizes = (schema.nr_features, *hidden, schema.nr_knobs)
    return Policy(
        mean=tensor(rng.normal(size=schema.nr_features)),
        scale=tensor(rng.uniform(0.5, 2.0, schema.nr_features)),
        clip=10.0,
        layers=tuple(
            (tensor(rng.normal(size=(b, a)) / np.sqrt(a)), tensor(rng.normal(size=b) * 0.1))
            for a, b in pairwise(sizes)
        ),
        envelope=everything(schema),
        provenance={"made": "by a test"},
    )


def constant_policy(action: tuple[float, ...], schema: Schema = RECLAIM) -> Policy:
    """A policy that answers ``action`` to everything."""
    return Policy(
        mean=tensor(np.zeros(schema.nr_features)),
        scale=tensor(np.ones(schema.nr_features)),
        clip=10.0,
        layers=(
            (tensor(np.zeros((schema.nr_knobs, schema.nr_features))), tensor(np.array(action))),
        ),
        envelope=everything(schema),
        provenance={},
    )

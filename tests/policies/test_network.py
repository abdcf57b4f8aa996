"""The exported network answers as its arithmetic says, without NumPy or torch."""

import subprocess
import sys
import time
from array import array
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damon_tuner import _core
from damon_tuner.policies.policy_file import Policy, load_policy, save_policy

from .helpers import NR_FEATURES, NR_KNOBS, constant_policy, random_policy


def _by_hand(policy: Policy, x: np.ndarray) -> np.ndarray:
    def array_of(tensor: object) -> np.ndarray:
        return np.frombuffer(tensor.data, dtype="<f4").reshape(tensor.shape).astype(float)  # type: ignore[attr-defined]

    x = np.clip((x - array_of(policy.mean)) * array_of(policy.scale), -policy.clip, policy.clip)
    for i, (weight, bias) in enumerate(policy.layers):
        x = x @ array_of(weight).T + array_of(bias)
        if i + 1 < len(policy.layers):
            x = np.tanh(x)
    return np.tanh(x) if policy.output == "tanh" else np.clip(x, -1.0, 1.0)


@pytest.mark.parametrize("output", ["clip", "tanh"])
@pytest.mark.parametrize("hidden", [(), (1,), (64, 64), (5, 9, 3)])
def test_the_answer_is_the_networks(hidden: tuple[int, ...], output: str) -> None:
    policy = replace(random_policy(1, hidden), output=output)
    observations = np.random.default_rng(2).normal(size=(100, NR_FEATURES)).astype(np.float32)
    actions = np.zeros((100, NR_KNOBS), dtype=np.float32)
    policy.network().forward(observations, actions)
    assert np.allclose(actions, _by_hand(policy, observations), atol=1e-5)


def test_answers_are_clipped() -> None:
    actions = array("f", [0.0] * NR_KNOBS)
    network = constant_policy((3.0, -3.0)).network()
    network.forward(array("f", [0.0] * NR_FEATURES), actions)
    assert list(actions) == [1.0, -1.0]


def test_a_64_64_network_answers_in_microseconds() -> None:
    network = random_policy(0, (64, 64)).network()
    observation, action = array("f", [0.1] * NR_FEATURES), array("f", [0.0] * NR_KNOBS)
    best_s = min(_timed(network, observation, action) for _ in range(200))
    assert best_s < 100e-6


def _timed(network: _core.Network, observation: array, action: array) -> float:
    started = time.perf_counter()
    network.forward(observation, action)
    return time.perf_counter() - started


def test_deciding_imports_neither_numpy_nor_torch(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    save_policy(random_policy(), path)
    script = (
        "import sys, pathlib\n"
        "from damon_tuner.policies.policy_file import load_policy\n"
        "from damon_tuner.policies.decision import LearnedPolicy\n"
        "from damon_tuner.policies.rules import STATIC_POLICIES\n"
        "from damon_tuner.daemon import live\n"
        f"LearnedPolicy(load_policy(pathlib.Path({str(path)!r})).network(), 0.02)\n"
        "heavy = {'numpy', 'torch', 'gymnasium', 'stable_baselines3'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "sizes",
    [(), (3,), (3, 0), (3, 2000), (3,) * 12, "ab", (3, -1)],
)
def test_impossible_networks_are_refused(sizes: object) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        _core.Network(sizes, b"", b"", 1.0, [])  # type: ignore[arg-type]


def test_an_output_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no output relu: it is clip or tanh"):
        _core.Network((1, 1), bytes(4), bytes(4), 1.0, [bytes(4), bytes(4)], "relu")


def test_weights_of_the_wrong_size_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 6 floats"):
        _core.Network((3, 2), bytes(12), bytes(12), 1.0, [bytes(8), bytes(8)])
    with pytest.raises(IndexError):
        _core.Network((3, 2), bytes(12), bytes(12), 1.0, [])


def test_the_shipped_policy_loads() -> None:
    from damon_tuner.cli import PRETRAINED

    assert load_policy(PRETRAINED).provenance["algorithm"] == "PPO"

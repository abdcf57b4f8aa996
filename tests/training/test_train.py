"""Training repeats bit for bit, and what is exported answers as the agent does."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from damon_tuner.benchmarks.bench.entry import policy_entries
from damon_tuner.benchmarks.bench.plan import Plan
from damon_tuner.benchmarks.bench.run import compare
from damon_tuner.benchmarks.report import write_report
from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.workload_file import (
    TRAINING_FAMILIES,
    bundled_workload,
    load_workload,
)
from damon_tuner.errors import TunerError
from damon_tuner.policies.envelope import everything
from damon_tuner.policies.policy_file import load_policy
from damon_tuner.policies.schema import RECLAIM
from damon_tuner.training.algorithms import ALGORITHMS
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.envelope import measure_envelope
from damon_tuner.training.export import policy_from_sb3
from damon_tuner.training.hyperparams_file import bundled_hyperparams
from damon_tuner.training.run import export_run, train_and_save
from damon_tuner.training.train import Trained, provenance, train

from ..policies.helpers import random_policy
from .small import config_of

CONFIG = config_of("ppo")


@pytest.fixture(scope="module", params=list(ALGORITHMS))
def trained(request: pytest.FixtureRequest) -> Trained:
    return train(config_of(request.param), quiet=True)


def test_the_exported_network_answers_as_the_agent_predicts(trained: Trained) -> None:
    rng = np.random.default_rng(0)
    observations = rng.uniform(-1, 1, (1_000, RECLAIM.nr_features)).astype(np.float32)
    wanted, _ = trained.agent.predict(trained.env.normalize_obs(observations), deterministic=True)
    actions = np.zeros((1_000, RECLAIM.nr_knobs), dtype=np.float32)
    policy_from_sb3(trained.agent, trained.env, {}, everything()).network().forward(
        observations, actions
    )
    assert np.abs(actions - wanted).max() <= 1e-5


def test_the_same_configuration_gives_the_same_weights_whatever_the_threads(
    trained: Trained,
) -> None:
    again = train(replace(trained.config, nr_threads=1), quiet=True)
    first, second = (policy_from_sb3(t.agent, t.env, {}, everything()) for t in (trained, again))
    assert first == second
    assert trained.curve == again.curve


def test_another_seed_gives_other_weights(trained: Trained) -> None:
    other = train(replace(trained.config, seed=1), quiet=True)
    first, second = (policy_from_sb3(t.agent, t.env, {}, everything()) for t in (trained, other))
    assert first.layers != second.layers


def test_provenance_says_how_to_make_it_again(trained: Trained) -> None:
    about = provenance(trained)
    assert about["config"]["seed"] == CONFIG.seed
    assert about["config"]["torch_threads"] == 1
    hyperparams = trained.config.hyperparams
    assert about["algorithm"] == hyperparams.algorithm.upper()
    assert about["config"]["hyperparams"]["arguments"] == hyperparams.arguments
    assert about["config"]["episodes"]["budget"] == list(CONFIG.episodes.budget)
    assert about["steps"] == 512
    assert about["workloads"] == list(TRAINING_FAMILIES)
    json.dumps(about)


@pytest.mark.parametrize(
    ("algorithm", "steps", "small"),
    [
        ("ppo", 12_000, {"n_steps": 30, "batch_size": 120}),
        ("sac", 3_000, {"learning_starts": 640, "batch_size": 128}),
        ("tqc", 3_000, {"learning_starts": 640, "batch_size": 128}),
    ],
)
def test_training_learns_to_save_memory_within_the_budget(
    algorithm: str, steps: int, small: dict[str, int]
) -> None:
    """On a load that leaves most memory alone, more reward at the end than at the start."""
    from damon_tuner.envs.workload_file import Workload

    easy = Workload("easy", "idle", {"wake_share": (0.001, 0.001), "footprint_bytes": (1e9, 1e9)})
    config = TrainConfig(
        episodes=EpisodeConfig(workloads=(easy,), budget=(0.05, 0.05), episode_s=300.0),
        hyperparams=bundled_hyperparams(algorithm).changed(n_envs=16, n_timesteps=steps, **small),
        nr_threads=2,
    )
    rewards = [reward for _, reward in train(config, quiet=True).curve]
    assert len(rewards) == pytest.approx(100, abs=10)
    assert np.mean(rewards[-10:]) > np.mean(rewards[:10]) + 0.05


@pytest.mark.parametrize("algorithm", ["ppo", "tqc"])
def test_a_run_on_disk_exports_the_same_policy_again(algorithm: str, tmp_path: Path) -> None:
    workload = tmp_path / "mine.toml"
    workload.write_text('family = "phases"\n[workload]\nfootprint_bytes = 6e8\n')
    saved = train_and_save(
        tmp_path / "out",
        steps=64,
        seed=4,
        workloads=[load_workload(workload)],
        hyperparams=config_of(algorithm).hyperparams,
    )
    assert saved.policy.provenance["workloads"] == ["mine"]
    assert load_policy(saved.path) == saved.policy
    assert saved.policy.envelope != everything()
    export_run(tmp_path / "out" / "run", tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.path.read_bytes()


def test_a_policy_of_other_knobs_is_trained_saved_and_compared(tmp_path: Path) -> None:
    groups = ("reclaim", "thp", "power", "prediction")
    profile = {"thp_mode": (1.0, 1.0), "energy_price": (0.1, 0.1)}
    workloads = [replace(bundled_workload("phases"), profile=profile)]
    saved = train_and_save(tmp_path, 64, 0, workloads, groups)
    loaded = load_policy(saved.path)
    assert loaded == saved.policy
    assert set(loaded.schema.groups) == set(groups)
    export_run(tmp_path / "run", tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == saved.path.read_bytes()
    learned = policy_entries(f"learned={saved.path}")
    compared = compare(Plan({"mine": workloads}, learned, (0.02,), seeds=1, episode_s=60.0))
    assert np.isfinite([compared.rows[0]["saving"], compared.rows[0]["slowdown"]]).all()
    page = tmp_path / "report.html"
    write_report(page, compared, loaded, workloads[0], saved.curve)
    assert "huge_min_samples_share" in page.read_text()


def test_knobs_without_a_host_that_has_them_are_refused_before_training(tmp_path: Path) -> None:
    for group, profile in (("tiering", "cxl"), ("thp", "thp_always"), ("power", "ddr4_power")):
        with pytest.raises(TunerError, match=f"--profile {profile}"):
            train_and_save(tmp_path / "out", 1, groups=(group,))
    assert not (tmp_path / "out").exists()


def test_a_run_on_a_recording_says_which_it_was(tmp_path: Path) -> None:
    (tmp_path / "load.cfg").write_text("a, 16M\n\nfirst\n1000\na, 1, 64, 1\n")
    workload = tmp_path / "mine.toml"
    workload.write_text('recording = "load.cfg"\n')
    saved = train_and_save(tmp_path / "out", steps=64, seed=4, workloads=[load_workload(workload)])
    trained_on = saved.policy.provenance["config"]["episodes"]["workloads"][0]["recording"]
    assert trained_on["format"] == "masim"
    assert trained_on["rows"]["shape"] == [1, 5]
    assert len(trained_on["rows"]["sha256"]) == 64


def test_the_envelope_holds_what_the_policy_sees_whatever_the_threads() -> None:
    network = random_policy().network()
    episodes = replace(CONFIG.episodes, budget=(0.02, 0.02))
    one, two = (measure_envelope(network, episodes, 3, nr_threads=n) for n in (1, 2))
    assert one == two != measure_envelope(network, episodes, 4)
    budget = RECLAIM.observation_names.index("budget_log")
    assert one.low[budget] == one.high[budget] == pytest.approx(math.log10(0.02) + 2.0)
    hot = RECLAIM.observation_names.index("hot_share")
    assert 0.0 == one.low[hot] < one.high[hot] < 1.0


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TunerError, match=r"is not a training run.*train again"):
        export_run(tmp_path, tmp_path / "p.safetensors")


def test_an_output_that_cannot_be_made_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TunerError, match="give another --out"):
        train_and_save(tmp_path / "file", steps=64)

"""``damon-tuner search-hyperparams``: what it writes, goes on with, and refuses."""

from pathlib import Path

import pytest

from damon_tuner.cli import main
from damon_tuner.training.hyperparams_file import (
    bundled_hyperparams,
    hyperparams_yaml,
    load_hyperparams,
)


@pytest.fixture
def argv(tmp_path: Path) -> list[str]:
    start = tmp_path / "start.yml"
    start.write_text(
        hyperparams_yaml(bundled_hyperparams("ppo").changed(n_envs=32, n_steps=30, batch_size=120))
    )
    return [
        "search-hyperparams",
        *("--hyperparams", str(start), "--out", str(tmp_path / "best.yml")),
        *("--steps", "32", "--seeds", "1", "--validate-on", "idle"),
    ]


def test_it_writes_a_file_to_train_with_and_goes_on(
    argv: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best, start = tmp_path / "best.yml", tmp_path / "start.yml"
    assert main([*argv, "--trials", "1"]) == 0
    assert capsys.readouterr().out.endswith(f": {best}\n")
    # one trial is the start, with its own number of steps
    assert load_hyperparams(best, "ppo") == load_hyperparams(start, "ppo")
    assert main([*argv, "--trials", "3", "--workers", "2"]) == 0
    assert load_hyperparams(best, "ppo").n_timesteps == 1_500_000
    assert main([*argv, "--trials", "3", "--steps", "64"]) == 1
    assert "of a search with other settings" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("validate_on", "message"),
    [
        # held out, so that nothing may be tuned on it
        ("diurnal", "diurnal is not trained on"),
        ("idel", "did you mean 'idle'"),
        ("kv,scan,phases,growth,idle,ml_epochs,build_farm", "nothing is left to train on"),
    ],
)
def test_families_that_cannot_be_judged_on_are_refused(
    argv: list[str], validate_on: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*argv, "--validate-on", validate_on]) == 1
    assert message in capsys.readouterr().err

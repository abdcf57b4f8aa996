"""A search begins with what there is, goes on where it was stopped, and keeps the best."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from damon_tuner.errors import HyperparamsError
from damon_tuner.policies.policy_file import Policy
from damon_tuner.training.algorithms import ALGORITHMS
from damon_tuner.training.config import TrainConfig
from damon_tuner.training.hyperparams_file import bundled_hyperparams
from damon_tuner.training.hyperparams_search import (
    Candidate,
    Found,
    search_hyperparams,
    value_of_candidate,
)
from damon_tuner.training.hyperparams_space import (
    SPACES,
    distributions,
    from_hyperparams,
    to_hyperparams,
)

from .small import tiny_config

CONFIG = TrainConfig()


@dataclass(frozen=True)
class Width:
    """Wide networks are good."""

    def __call__(self, policy: Policy) -> float:
        return float(policy.sizes[1])


def by_gae_lambda(
    function: Callable[[Candidate], float], candidates: Sequence[Candidate]
) -> Iterator[tuple[int, float]]:
    """Values without any training, the last one first, as other processes might."""
    assert function is value_of_candidate
    for index in reversed(range(len(candidates))):
        arguments = candidates[index].configs[0].hyperparams.arguments
        yield index, 1.0 - abs(arguments["gae_lambda"] - 0.8)


def search(folder: Path, trials: int, config: TrainConfig = CONFIG, **more: object) -> Found:
    arguments = {"storage": folder / "s.sqlite", "about": "a", "run_all": by_gae_lambda, **more}
    return search_hyperparams(config, Width(), trials=trials, **arguments)  # type: ignore[arg-type]


def test_it_begins_with_the_start_and_gets_better(tmp_path: Path) -> None:
    first = search(tmp_path, 1)
    assert first.nr_trials == 1
    assert first.value == first.start_value == pytest.approx(0.88)
    assert first.hyperparams.arguments == CONFIG.hyperparams.arguments
    best = search(tmp_path, 20)
    assert (best.nr_trials, best.start_value) == (20, first.value)
    assert best.value > 0.95
    assert best.hyperparams.arguments["gae_lambda"] == pytest.approx(0.8, abs=0.05)
    assert best.hyperparams.n_envs == CONFIG.hyperparams.n_envs


def test_it_goes_on_where_it_was_stopped_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = search(tmp_path / "whole", 12)
    told = []

    def stop_at_five(found: Found) -> None:
        told.append(found.nr_trials)
        if len(told) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", 12, on_trial=stop_at_five)

    def stop_within(*_: object) -> Iterator[tuple[int, float]]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", 12, run_all=stop_within)
    assert (
        search(tmp_path / "cut", 12, on_trial=lambda found: told.append(found.nr_trials)) == whole
    )
    assert told == list(range(1, 13))


def test_several_at_once_are_told_as_they_come(tmp_path: Path) -> None:
    assert search(tmp_path, 7, at_once=3).nr_trials == 7
    assert search(tmp_path, 3, at_once=3).nr_trials == 7


def test_another_search_is_not_gone_on_with(tmp_path: Path) -> None:
    search(tmp_path, 1)
    with pytest.raises(HyperparamsError, match="of a search with other settings"):
        search(tmp_path, 2, about="b")
    (tmp_path / "no.sqlite").write_text("no database\n" * 100)
    with pytest.raises(HyperparamsError, match="holds no search"):
        search(tmp_path, 1, storage=tmp_path / "no.sqlite")


def test_a_candidate_is_trained_with_each_seed(tmp_path: Path) -> None:
    config = tiny_config(net_arch=[12, 12])
    candidate = Candidate((config, replace(config, seed=1)), Width())
    assert value_of_candidate(candidate) == 12.0
    seen = []

    def look(
        function: Callable[[Candidate], float], candidates: Sequence[Candidate]
    ) -> Iterator[tuple[int, float]]:
        seen.extend(c.seed for c in candidates[0].configs)
        yield 0, 1.0

    search(tmp_path, 1, replace(CONFIG, seed=5), run_all=look, runs=3)
    assert seen == [5, 6, 7]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_bundled_ones_are_in_the_space_of_the_search(algorithm: str) -> None:
    bundled = bundled_hyperparams(algorithm)
    drawn = from_hyperparams(bundled)
    assert drawn.keys() == SPACES[algorithm].keys()
    for name, distribution in distributions(algorithm).items():
        assert distribution._contains(distribution.to_internal_repr(drawn[name])), name
    assert to_hyperparams(bundled, drawn) == bundled

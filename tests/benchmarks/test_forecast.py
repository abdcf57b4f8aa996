"""On simulated hosts the forecast is better than persistence, and names the right addresses."""

from functools import cache

import numpy as np
import pytest

from damon_tuner.benchmarks.forecast.cost import cost_figures
from damon_tuner.benchmarks.forecast.episode import AtHorizon, Episode, run_episode
from damon_tuner.benchmarks.forecast.run import _figures, _interval, forecast_figures, workloads
from damon_tuner.benchmarks.forecast.worth import worth_figures
from damon_tuner.envs.workload_file import Workload

# neither those that are reported nor those that constants were chosen on
SEEDS = range(5000, 5008)
NEAR, FAR = 0, 1


@cache
def episodes(name: str) -> tuple[Episode, ...]:
    return tuple(run_episode(workloads()[name], seed) for seed in SEEDS)


def change(name: str, horizon: int) -> float:
    """Of the working set's mean absolute error, from persistence to the forecast."""
    found = [episode.horizons[horizon] for episode in episodes(name)]
    return sum(h.error for h in found) / sum(h.persistence for h in found) - 1.0


def addresses(name: str, horizon: int) -> tuple[float, float, float]:
    """Precision, recall, and how likely an address is accessed anyway."""
    found = [episode.horizons[horizon] for episode in episodes(name)]
    right = sum(h.forecast_accessed for h in found)
    needed = sum(h.idle_accessed for h in found)
    return (
        right / sum(h.forecast_blocks for h in found),
        right / needed,
        needed / sum(h.idle_blocks for h in found),
    )


@pytest.mark.parametrize("horizon", [NEAR, FAR])
@pytest.mark.parametrize("name", ["phases_in_turn", "diurnal"])
def test_what_repeats_is_forecast(name: str, horizon: int) -> None:
    assert change(name, horizon) < -0.2
    precision, recall, chance = addresses(name, horizon)
    assert precision > max(0.6, 1.5 * chance)
    assert recall > 0.15
    assert np.mean([episode.strength for episode in episodes(name)]) > 0.25


@pytest.mark.parametrize("horizon", [NEAR, FAR])
@pytest.mark.parametrize("name", ["kv", "scan", "ml_epochs", "idle"])
def test_where_nothing_is_seen_to_repeat_the_other_rules_are_no_worse(
    name: str, horizon: int
) -> None:
    assert change(name, horizon) < 0.0


@pytest.mark.parametrize("name", ["phases_at_random", "kv", "scan", "idle", "growth"])
def test_where_nothing_repeats_no_address_is_forecast(name: str) -> None:
    assert np.mean([episode.strength for episode in episodes(name)]) < 0.12
    for horizon in (NEAR, FAR):
        found = [episode.horizons[horizon] for episode in episodes(name)]
        assert sum(h.forecast_blocks for h in found) < 0.02 * sum(h.idle_blocks for h in found)


def test_an_idle_host_needs_nothing_and_is_forecast_to_stay_so() -> None:
    quiet = {"wake_interval_s": (1e6, 1e6), "background_rate_hz": (1e-7, 1e-7)}
    episode = run_episode(Workload("quiet", "idle", quiet), 1, episode_s=900.0)
    for at in episode.horizons:
        assert at.idle_accessed < 1e-3 * at.idle_blocks
        assert at.forecast_blocks == 0.0


def test_figures_are_ratios_of_sums_with_their_intervals() -> None:
    def episode(scale: float) -> Episode:
        at = AtHorizon(
            error=0.1 * scale,
            persistence=0.2 * scale,
            class_error=0.01,
            class_persistence=0.02,
            forecast_blocks=10.0 * scale,
            forecast_accessed=8.0 * scale,
            idle_blocks=100.0 * scale,
            idle_accessed=16.0 * scale,
        )
        return Episode((at, at), 0.5)

    figures = {f.name: f for f in _figures("f", [episode(1.0), episode(3.0)])}
    error = figures["f.working_set_error_30s"]
    assert error.value == pytest.approx(0.2)
    assert error.more["persistence"] == pytest.approx(0.4)
    assert [error.more[k] for k in ("change", "change_low", "change_high")] == pytest.approx(
        [-0.5] * 3
    )
    assert error.more["low"] == pytest.approx(0.1)
    assert error.more["high"] == pytest.approx(0.3)
    precision = figures["f.address_precision_120s"]
    assert precision.value == pytest.approx(0.8)
    assert precision.more["chance"] == pytest.approx(0.16)
    assert figures["f.address_recall_120s"].value == pytest.approx(0.5)


def test_nothing_forecast_has_no_precision() -> None:
    nothing = AtHorizon(0.1, 0.1, 0.1, 0.1, 0.0, 0.0, 10.0, 0.0)
    figures = {f.name: f for f in _figures("f", [Episode((nothing, nothing), 0.0)])}
    assert np.isnan(figures["f.address_precision_30s"].value)
    assert '"value": null' in figures["f.address_precision_30s"].line()
    assert np.isnan(_interval(np.zeros(3), np.zeros(3))).all()


def test_a_step_is_cheap_enough_for_a_daemon() -> None:
    figures = {f.name: f.value for f in cost_figures()}
    # ten times what a quiet machine takes
    assert figures["forecast.history_update_us"] + figures["forecast.update_us"] < 100.0
    assert figures["forecast.history_memory"] + figures["forecast.memory"] < 80_000


def test_every_family_is_measured() -> None:
    of = {name: workloads()[name] for name in ("kv", "phases_in_turn")}
    names = {f.name for f in forecast_figures(of, seeds=(5000,))}
    assert len(names) == 2 * 12 + 5
    assert "forecast.kv.heat_error_120s" in names


def test_a_forecast_spares_faults_where_use_repeats_and_costs_nothing_elsewhere() -> None:
    of = {name: workloads()[name] for name in ("phases_in_turn", "kv")}
    found = {figure.name: figure for figure in worth_figures(of, SEEDS, episode_s=900.0)}
    assert found["forecast.phases_in_turn.worth_faults"].value < 0.9
    assert found["forecast.kv.worth_faults"].value == pytest.approx(1.0, abs=0.02)
    saving = found["forecast.kv.worth_saving"]
    assert saving.more["with"] == pytest.approx(saving.more["without"], abs=0.01)

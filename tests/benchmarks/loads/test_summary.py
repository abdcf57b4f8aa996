"""What was measured on a load becomes figures that count only savings with the work done."""

from typing import Any

import pytest

from damon_tuner.benchmarks.loads.summary import load_figures, summarise


def _phase(policy: str, resident: int, pool: int, rate: float, **more: Any) -> dict[str, Any]:
    """Ten samples a second apart; what is resident goes down at the end only."""
    samples = [
        {
            "at_s": 100.0 + second,
            "resident_bytes": 1000 if second < 8 else resident,
            "pool_bytes": 0 if second < 8 else pool,
            "done": rate * second,
            "major_faults": 10 * second if policy != "none" else 0,
            "psi_some_us": 1_000 * second,
        }
        for second in range(11)
    ]
    return {"policy": policy, "samples": samples, "survived": True, **more}


def _result(*phases: dict[str, Any]) -> dict[str, Any]:
    return {
        "kernel": "7.3.4",
        "seconds": 10.0,
        "budget": 0.02,
        "swap_in_us": 20.0,
        "phases": list(phases),
        "not_restored": [],
        "processes_differ": False,
    }


def test_what_the_compressed_swap_takes_is_not_saved() -> None:
    found = {
        s.policy: s
        for s in summarise(_result(_phase("a", 600, 300, 5.0), _phase("none", 1000, 0, 5.0)))
    }
    assert found["a"].resident_saving == pytest.approx(0.4)
    assert found["a"].saving == pytest.approx(0.1)
    assert found["a"].work == pytest.approx(1.0)
    assert found["a"].major_faults == 100
    # a hundred faults of 20 us in ten seconds
    assert found["a"].fault_share == pytest.approx(2e-4)


def test_a_saving_counts_with_the_work_done_only() -> None:
    result = _result(
        _phase("none", 1000, 0, 100.0),
        _phase("slow", 200, 0, 94.0),
        _phase("good", 700, 0, 96.0),
    )
    figures = {figure.name: figure.value for figure in load_figures({"redis": result})}
    assert figures["kernel.loads.redis.slow.saving"] == pytest.approx(0.8)
    assert figures["kernel.loads.slow.saving_at_95"] == 0.0
    assert figures["kernel.loads.good.saving_at_95"] == pytest.approx(0.3)
    assert figures["kernel.loads.redis.restored"] == 1.0
    assert "kernel.loads.none.saving_at_95" not in figures


def test_a_load_that_died_is_not_restored() -> None:
    result = _result(_phase("none", 1, 0, 1.0), _phase("a", 1, 0, 1.0) | {"survived": False})
    figures = {figure.name: figure.value for figure in load_figures({"batch": result})}
    assert figures["kernel.loads.batch.restored"] == 0.0

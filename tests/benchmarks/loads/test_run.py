"""Every load has its policies in an order of its own, and speaks as its driver expects."""

import sys

import pytest

from damon_tuner.benchmarks.loads import LOADS
from damon_tuner.benchmarks.loads.run import POLICIES, in_turn


def test_each_policy_is_first_once() -> None:
    orders = [in_turn(POLICIES, load) for load in LOADS]
    assert {order[0] for order in orders} == set(POLICIES)
    assert all(sorted(order) == sorted(POLICIES) for order in orders)


def test_work_is_added_up_after_the_word_to_begin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    from damon_tuner.benchmarks.loads.driver import drive

    monkeypatch.setattr(sys, "stdin", io.StringIO("go\n"))
    drive(7, iter([3, 4]))
    assert capsys.readouterr().out == "ready 7\ndone 3\ndone 7\n"

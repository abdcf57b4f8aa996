"""Managing a process of this host: what is refused before anything is touched, and the log."""

import json
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.daemon.live import choose_policy, manage_process
from damon_tuner.daemon.log_line import json_line, text_line
from damon_tuner.daemon.outcome import Outcome
from damon_tuner.errors import PolicyFileError, TunerError
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import LearnedPolicy, Policy
from damon_tuner.policies.policy_file import save_policy
from damon_tuner.policies.rules import RULES, STATIC_POLICIES

from ..policies.helpers import random_policy


def _step(policy: Policy) -> Outcome:
    host = SimHost(_core.Spec("phases"), seed=1)
    host.start(())
    snapshot = host.snapshot()
    return Outcome("web", 0.0, 0.02, snapshot, policy.decide(snapshot))


def test_a_decision_is_one_line_that_says_what_was_seen_and_set() -> None:
    line = text_line(_step(LearnedPolicy(random_policy().network(), 0.02)))
    assert "\n" not in line
    for word in ("resident", "swapped", "slowdown", "min_age", "quota"):
        assert word in line


def test_a_decision_as_json_can_be_read_back() -> None:
    learned = json.loads(json_line(_step(LearnedPolicy(random_policy().network(), 0.02))))
    assert learned["knobs"]["min_age_s"] > 0.0
    assert learned["resident_bytes"] > 0
    costs = {"swap_in_us", "disk_in_us", "disk_swapped_share", "swap_ins", "competing_us"}
    assert costs < set(learned)
    static = json.loads(json_line(_step(STATIC_POLICIES["pageout_5s"])))
    assert static["knobs"] == {}
    assert static["slowdown"] is None


@pytest.mark.parametrize("name", RULES)
def test_every_rule_can_be_chosen_for_a_process_and_its_decisions_read(name: str) -> None:
    policy = choose_policy(None, name, 0.02)
    host = SimHost(_core.Spec("phases"), seed=1)
    host.start(())
    for step in range(30):
        snapshot = host.snapshot()
        outcome = Outcome("web", 5.0 * step, 0.02, snapshot, policy.decide(snapshot))
        assert "\n" not in text_line(outcome)
        json.loads(json_line(outcome))
        host.apply(outcome.decision.schemes)
        host.advance(5.0)


def test_policies_are_chosen_by_file_or_by_name(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    save_policy(random_policy(), path)
    assert isinstance(choose_policy(path, None, 0.02), LearnedPolicy)
    assert choose_policy(None, "damon_reclaim", 0.02) is STATIC_POLICIES["damon_reclaim"]
    with pytest.raises(TunerError, match="known are none, damon_reclaim"):
        choose_policy(None, "reclaim", 0.02)


def test_a_bad_policy_is_refused_before_the_kernel_is_touched(tmp_path: Path) -> None:
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nonsense")
    with pytest.raises(PolicyFileError):
        manage_process(
            1,
            policy_path=bad,
            static=None,
            budget=0.02,
            interval_s=5.0,
            duration_s=1.0,
            swap_in_us=60.0,
            disk_in_us=None,
            as_json=False,
        )

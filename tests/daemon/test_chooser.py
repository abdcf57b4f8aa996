"""The learned policy decides as long as it can be trusted, within one guard for whoever does."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.daemon.chooser import Asked, Chooser, Trusted, no_policy, trusted_policy
from damon_tuner.errors import PolicyFileError
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING, GuardLimits
from damon_tuner.policies.envelope import Envelope, everything
from damon_tuner.policies.policy_file import save_policy
from damon_tuner.policies.rules import STATIC_POLICIES, within
from damon_tuner.policies.schema import RECLAIM

from ..policies.helpers import random_policy

FALLBACK = STATIC_POLICIES["pageout_30s"]


@pytest.fixture
def snapshots() -> list[Snapshot]:
    host = SimHost(_core.Spec("idle"), seed=1, attrs=MONITORING)
    host.start(())
    found = []
    for _ in range(30):
        host.advance(5.0)
        found.append(host.snapshot())
    return found


ALLOWED = within(FALLBACK.schemes, GuardLimits(), MONITORING.intervals)


def trusting(envelope: Envelope | None = None) -> Trusted:
    return Trusted(random_policy().network(), envelope or everything(), "random")


def chooser(policy: Trusted, limits: GuardLimits | None = None) -> Chooser:
    return Chooser(policy, FALLBACK, Asked(0.02, limits or GuardLimits()))


def test_a_policy_that_knows_what_it_sees_decides(snapshots):
    choosing = chooser(trusting())
    for snapshot in snapshots:
        assert choosing.decide(snapshot, ()).knobs
        assert not choosing.is_fallback


def test_outside_of_what_it_was_trained_on_the_static_one_decides_after_a_while(snapshots):
    names = RECLAIM.observation_names
    at = names.index("budget_log")
    low = tuple(0.9 if k == at else -1.0 for k in range(len(names)))
    choosing = chooser(trusting(Envelope(low, (1.0,) * len(names))))
    decisions = [choosing.decide(snapshot, ()) for snapshot in snapshots[:4]]
    assert [bool(decision.knobs) for decision in decisions] == [True, True, False, False]
    assert decisions[-1].schemes == ALLOWED
    assert choosing.reason == "outside of what the policy was trained on: budget_log"


def test_back_inside_the_policy_is_trusted_again_in_time(snapshots):
    names = RECLAIM.observation_names
    narrow = Envelope((0.9,) * len(names), (1.0,) * len(names))
    choosing = chooser(trusting(narrow))
    for snapshot in snapshots[:3]:
        choosing.decide(snapshot, ())
    assert choosing.is_fallback
    choosing.reconfigure(trusting(), FALLBACK, Asked(0.02, GuardLimits()))
    waited = 0
    for snapshot in snapshots[3:]:
        choosing.decide(snapshot, ())
        if not choosing.is_fallback:
            break
        waited += 1
    assert 5 < waited < 20


def test_without_a_policy_the_static_one_decides_and_says_why(snapshots):
    choosing = chooser(no_policy("/none", "it is missing"))
    decision = choosing.decide(snapshots[0], ())
    assert decision.schemes == ALLOWED
    assert decision.knobs == {}
    assert "nonsense" not in decision.reasons
    assert choosing.reason == "it is missing"


@pytest.mark.parametrize("policy", [trusting(), no_policy("/none", "gone")], ids=["own", "none"])
def test_what_trips_the_guard_stops_page_out_whoever_decides(snapshots, policy):
    choosing = chooser(policy)
    choosing.decide(snapshots[0], ())
    decision = choosing.decide(snapshots[1], ("swap",))
    assert {"swap", "hold"} <= set(decision.reasons)
    assert decision.hold_left_s == 10.0
    quotas = [scheme.quota.sz_bytes for scheme in decision.schemes]
    assert all(quota <= 4096 for quota in quotas)


def test_a_lasting_breach_stops_the_static_policy_too(snapshots):
    choosing, faults, decisions = chooser(no_policy("/none", "gone")), 0, []
    for snapshot in snapshots[:5]:
        # a tenth of a second of faults in five: over the budget, and far from the breaker
        faults += int(0.15e6 / snapshot.swap_in_us)
        busy = replace(
            snapshot, major_faults=faults, swap_ins=faults, cpu_time_us=snapshot.time_us
        )
        decisions.append(choosing.decide(busy, ()))
    assert [bool(decision.schemes) for decision in decisions] == [True, True, False, False, False]
    assert "breach" in decisions[2].reasons


def test_of_what_the_budget_is_can_change_without_a_gap(snapshots):
    """Faults that take 3 % of all the time, of a load that works a tenth of it."""
    choosing, faults, slowdowns = chooser(trusting()), 0, []
    for snapshot in snapshots[:6]:
        faults += int(0.15e6 / snapshot.swap_in_us)
        waits = replace(
            snapshot,
            major_faults=faults,
            swap_ins=faults,
            cpu_time_us=snapshot.time_us // 10,
        )
        slowdowns.append(choosing.decide(waits, ()).slowdown)
        if len(slowdowns) == 4:
            choosing.reconfigure(trusting(), FALLBACK, Asked(0.02, GuardLimits(), "time"))
    assert slowdowns[3] == pytest.approx(0.3, rel=0.01)
    assert slowdowns[4:] == pytest.approx([0.03] * 2, rel=0.01)


def test_limits_of_the_operator_hold(snapshots):
    choosing = chooser(trusting(), GuardLimits(min_age_s=200.0, max_quota_bytes_per_s=8192.0))
    for snapshot in snapshots:
        knobs = choosing.decide(snapshot, ()).knobs
        assert knobs["min_age_s"] >= 200.0
        assert knobs["quota_bytes_per_s"] <= 8192.0


def test_a_policy_file_is_named_with_its_checksum(tmp_path: Path):
    path = tmp_path / "p.safetensors"
    save_policy(random_policy(), path)
    trusted = trusted_policy(path)
    assert trusted.name == str(path)
    assert len(trusted.sha256) == 64


def test_a_policy_of_other_monitoring_is_refused(tmp_path: Path):
    path = tmp_path / "p.safetensors"
    other = replace(random_policy(), provenance={"monitoring": {"aggr_us": 1}})
    save_policy(other, path)
    with pytest.raises(PolicyFileError, match="trained with other monitoring"):
        trusted_policy(path)


def test_limits_of_the_operator_hold_for_the_static_policy_too(snapshots):
    limits = GuardLimits(min_age_s=3600.0, max_quota_bytes_per_s=4096.0)
    choosing = chooser(no_policy("/none", "gone"), limits)
    for name in ("pageout_5s", "damon_reclaim"):
        choosing.reconfigure(
            no_policy("/none", "gone"), STATIC_POLICIES[name], Asked(0.02, limits)
        )
        roomy = replace(snapshots[0], memory_total_bytes=10_000, memory_free_bytes=3_000)
        (scheme,) = choosing.decide(roomy, ()).schemes
        assert scheme.pattern.min_age == 36_000
        assert 0 < scheme.quota.sz_bytes * 1e3 / scheme.quota.reset_interval_ms <= 4096


def test_a_pipe_in_place_of_a_policy_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "policy")
    with pytest.raises(PolicyFileError, match="not a file"):
        trusted_policy(tmp_path / "policy")

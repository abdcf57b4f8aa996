"""One process whose policy sets more than its own schemes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from damon_tuner.envs.host_env import HostEnv
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Action, Context, Quota, Scheme
from damon_tuner.kernel_iface.plan import Plan, carry_out
from damon_tuner.kernel_iface.sysfs import SysfsHost

from ..actors.fake_memory import MIB
from ..fake_kernel import NR_KDAMONDS, PID
from .fake_tiers import DEMOTION, TierKernel

DEMOTE = Scheme(Action.MIGRATE_COLD, quota=Quota(sz_bytes=MIB, reset_interval_ms=1_000))
PLAN = Plan(
    (Scheme(Action.PAGEOUT),),
    replace(DEMOTE, action=Action.MIGRATE_HOT),
    DEMOTE,
    spare_bytes=128 * MIB,
    clock_cap=1.0,
)
GROUPS = ("reclaim", "tiering", "thp", "power")


def host_on(kernel: TierKernel, folder: Path, groups: tuple[str, ...] = GROUPS) -> SysfsHost:
    return SysfsHost(Context(pid=PID), kernel=kernel, state_dir=folder, groups=groups)


def test_a_whole_plan_is_carried_out_and_put_back(kernel: TierKernel, tmp_path: Path) -> None:
    kernel.spawn(PID)
    host = host_on(kernel, tmp_path)
    host.start(())
    carry_out(host, PLAN)
    actions = [scheme["action"] for scheme in kernel.running_schemes(0)]
    # a process is tiered by virtual address, beside its own schemes
    assert [action for action in actions if action != "stat"] == [
        "pageout",
        "migrate_hot",
        "migrate_cold",
    ]
    assert kernel.files[DEMOTION] == "true"
    began_us = kernel.now_us()
    host.advance(5.0)
    assert kernel.now_us() - began_us == pytest.approx(5_000_000, abs=1_000)
    assert host.snapshot().fast_total_bytes == 1_024 * MIB
    host.stop()
    assert kernel.files[NR_KDAMONDS] == "0"
    assert kernel.files[DEMOTION] == "false"


def test_a_host_that_was_not_told_of_groups_refuses_what_is_for_the_whole_host(
    kernel: TierKernel, tmp_path: Path
) -> None:
    kernel.spawn(PID)
    host = host_on(kernel, tmp_path, groups=())
    host.start(())
    try:
        carry_out(host, Plan(PLAN.schemes))
        with pytest.raises(TunerError, match="groups"):
            carry_out(host, PLAN)
        assert [scheme["action"] for scheme in kernel.running_schemes(0)][:1] == ["pageout"]
    finally:
        host.stop()


def test_an_environment_sets_all_groups_on_a_host(kernel: TierKernel, tmp_path: Path) -> None:
    kernel.spawn(PID)
    env = HostEnv(lambda: host_on(kernel, tmp_path), budget=0.02, groups=GROUPS)
    observation, _ = env.reset()
    assert observation.shape == env.observation_space.shape
    _, reward, terminated, _, info = env.step(env.action_space.sample())
    assert reward == pytest.approx(reward)
    assert not terminated
    assert "spare_share" in info["knobs"]
    env.close()
    assert kernel.files[DEMOTION] == "false"

"""Manage one process of this host: the policy, the kernel, and a line for every decision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from damon_tuner.daemon.chooser import trusted_policy
from damon_tuner.daemon.control import control
from damon_tuner.daemon.log_line import json_line, text_line
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Context
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.lease import lease_for
from damon_tuner.kernel_iface.sysfs.swap_in import measure_disk_in_us, measure_swap_in_us
from damon_tuner.policies.decision import MONITORING, LearnedPolicy, Policy
from damon_tuner.policies.rules import RULES


def manage_process(
    pid: int,
    *,
    policy_path: Path | None,
    static: str | None,
    budget: float,
    slowdown_of: str = "work",
    interval_s: float,
    duration_s: float | None,
    swap_in_us: float | None,
    disk_in_us: float | None,
    state_dir: Path | None = None,
    as_json: bool,
    write: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Run the control loop on ``pid`` until ``duration_s`` has passed or a signal arrives.

    Raises:
        TunerError: the policy, the kernel or the process is not as it must be; the host is as
            it was before.

    """
    policy = choose_policy(policy_path, static, budget, slowdown_of)
    context = Context(pid=pid, attrs=MONITORING)
    SysfsHost(context, state_dir=state_dir).check()
    host = SysfsHost(
        context,
        swap_in_us=swap_in_us or measure_swap_in_us(),
        # who says only what a fault costs says it of all
        disk_in_us=disk_in_us or (0.0 if swap_in_us else measure_disk_in_us()),
        state_dir=state_dir,
        lease_s=lease_for(interval_s),
        groups=_groups(policy, static),
    )
    describe = json_line if as_json else text_line
    control(
        host,
        policy,
        on_step=lambda step: write(describe(step)),
        tenant=f"process {pid}",
        budget=budget,
        interval_s=interval_s,
        duration_s=duration_s,
    )


def _groups(policy: Policy, static: str | None) -> tuple[str, ...]:
    """What the host must be told that it is for."""
    if static is not None:
        return RULES[static].groups
    return policy.schema.groups if isinstance(policy, LearnedPolicy) else ()


def choose_policy(
    path: Path | None, static: str | None, budget: float, slowdown_of: str = "work"
) -> Policy:
    """The learned policy of ``path``, or the rule of that name, made new for a tenant.

    A rule decides itself of what the budget is a share.
    """
    if static is not None:
        if static not in RULES:
            raise TunerError(f"no rule is called {static!r}; known are {', '.join(RULES)}")
        return RULES[static].policy(budget)
    if path is None:
        raise ValueError("give the path of a policy or the name of a rule")
    policy = trusted_policy(path)
    return LearnedPolicy(policy.network, budget, schema=policy.schema, slowdown_of=slowdown_of)

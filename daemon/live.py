"""Manage one process of this host: the policy, the kernel, and a line for every decision."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from damon_tuner.daemon.control import Step, control
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.host import Context
from damon_tuner.kernel_iface.sysfs import SysfsHost
from damon_tuner.kernel_iface.sysfs.lease import LEASE_S
from damon_tuner.kernel_iface.sysfs.swap_in import measure_swap_in_us
from damon_tuner.policies.decision import MONITORING, LearnedPolicy, Policy, monitoring
from damon_tuner.policies.policy_file import load_policy
from damon_tuner.policies.static import STATIC_POLICIES

_MIB = 1 << 20

# A decision that comes late must not let the schemes stop meanwhile.
_LEASED_INTERVALS = 6


def manage_process(
    pid: int,
    *,
    policy_path: Path | None,
    static: str | None,
    budget: float,
    interval_s: float,
    duration_s: float | None,
    swap_in_us: float | None,
    state_dir: Path | None = None,
    as_json: bool,
    write: Callable[[str], None] = lambda line: print(line, flush=True),
) -> None:
    """Run the control loop on ``pid`` until ``duration_s`` has passed or a signal arrives.

    Raises:
        TunerError: the policy, the kernel or the process is not as it must be; the host is as
            it was before.

    """
    policy = choose_policy(policy_path, static, budget)
    context = Context(pid=pid, attrs=MONITORING)
    SysfsHost(context, state_dir=state_dir).check()
    host = SysfsHost(
        context,
        swap_in_us=swap_in_us or measure_swap_in_us(),
        state_dir=state_dir,
        lease_s=max(LEASE_S, _LEASED_INTERVALS * interval_s),
    )
    describe = json_line if as_json else text_line
    control(
        host,
        policy,
        on_step=lambda step: write(describe(step)),
        interval_s=interval_s,
        duration_s=duration_s,
    )


def choose_policy(path: Path | None, static: str | None, budget: float) -> Policy:
    """The learned policy of ``path``, or the static one of that name."""
    if static is not None:
        if static not in STATIC_POLICIES:
            known = ", ".join(STATIC_POLICIES)
            raise TunerError(f"no static policy is called {static!r}; known are {known}")
        return STATIC_POLICIES[static]
    if path is None:
        raise ValueError("give the path of a policy or the name of a static one")
    policy = load_policy(path)
    trained_with = policy.provenance.get("monitoring", monitoring())
    if trained_with != monitoring():
        raise TunerError(
            f"{path} was trained with other monitoring ({trained_with}) than this release uses "
            f"({monitoring()}): train it again"
        )
    return LearnedPolicy(policy.network(), budget)


def text_line(step: Step) -> str:
    """One decision for people: what was seen, what was set, what the guard did."""
    s, d = step.snapshot, step.decision
    line = (
        f"{step.elapsed_s:7.1f}s resident {s.resident_bytes / _MIB:.0f} MiB "
        f"swapped {s.swapped_bytes / _MIB:.0f} MiB"
    )
    if d.knobs:
        line += (
            f" slowdown {d.slowdown:.2%} | min_age {d.knobs['min_age_s']:.1f} s "
            f"quota {d.knobs['quota_bytes_per_s'] / _MIB:.2f} MiB/s"
        )
    if d.reasons:
        line += f" (guard: {', '.join(d.reasons)})"
    return line


def json_line(step: Step) -> str:
    """One decision as a JSON object, without the regions."""
    s, d = step.snapshot, step.decision
    return json.dumps(
        {
            "elapsed_s": step.elapsed_s,
            "resident_bytes": s.resident_bytes,
            "swapped_bytes": s.swapped_bytes,
            "compressed_bytes": s.compressed_bytes,
            "major_faults": s.major_faults,
            "cpu_time_us": s.cpu_time_us,
            "psi_some_us": s.psi_some_us,
            "swap_in_us": s.swap_in_us,
            "nr_regions": len(s.regions),
            "knobs": dict(d.knobs),
            "guard": list(d.reasons),
            "slowdown": d.slowdown if d.knobs else None,
            "observation": list(d.observation),
            "action": list(d.action),
        }
    )

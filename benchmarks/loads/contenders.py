"""The policies that are compared in a real kernel, by name."""

from __future__ import annotations

from pathlib import Path

from damon_tuner.daemon.live import choose_policy
from damon_tuner.policies.decision import Policy

NONE, LEARNED = "none", "learned"


def contender(name: str, policy: Path, budget: float) -> Policy | None:
    """The rule of that name; nobody is ``None``, and ``learned`` is the file ``policy``.

    The budget is a share of all the time: what is measured is the work that gets done, of loads
    that sleep between bursts or wait for their clients.

    Raises ``TunerError`` for a name that there is not, or a file that is no policy.
    """
    if name == NONE:
        return None
    if name == LEARNED:
        return choose_policy(policy, None, budget, slowdown_of="time")
    return choose_policy(None, name, budget)

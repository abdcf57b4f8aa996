"""Who decides for a tenant: the learned policy, or, where it cannot be trusted, a static one."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from damon_tuner import _core
from damon_tuner._core import KNOB_GROUPS
from damon_tuner.daemon.watermarks import WatermarkSwitch
from damon_tuner.errors import PolicyFileError
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.kernel_iface.plan import Plan
from damon_tuner.policies.decision import Decision, GuardLimits, LearnedPolicy, monitoring
from damon_tuner.policies.envelope import Envelope, everything
from damon_tuner.policies.policy_file import parse_policy, read_policy
from damon_tuner.policies.rules import FixedRule, within
from damon_tuner.policies.schema import RECLAIM, WITHOUT_KNOBS, Schema

NONSENSE, HOLD, BREACH = "nonsense", "hold", "breach"

# One observation outside of what a policy knows may be a tenant that has just started.
_OUTSIDE_IN_A_ROW = 3

# Decisions of the static policy until the learned one is asked again.
_DISTRUSTED = 12

# How many features fit into a line of the log.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Trusted:
    """A policy as the daemon holds it: ``trouble`` says why there is only the static one."""

    network: _core.Network
    envelope: Envelope
    name: str
    sha256: str = ""
    trouble: str = ""

    @property
    def schema(self) -> Schema:
        """What it sees and sets."""
        return self.envelope.schema


def no_policy(name: str, trouble: str, schema: Schema = RECLAIM) -> Trusted:
    """Stand where a policy file could not be used: the answers are never numbers."""
    nr_in, nr_out = schema.nr_features, schema.nr_knobs
    zeros, ones = bytes(4 * nr_in), array("f", [1.0] * nr_in).tobytes()
    nonsense = array("f", [math.nan] * nr_out).tobytes()
    parameters = [bytes(4 * nr_in * nr_out), nonsense]
    network = _core.Network((nr_in, nr_out), zeros, ones, 1.0, parameters)
    return Trusted(network, everything(schema), name, trouble=trouble)


def trusted_policy(path: Path, allowed: Collection[str] = KNOB_GROUPS) -> Trusted:
    """Read a policy file; raises ``PolicyFileError``, also for monitoring that is not ours.

    And for one that sets knobs of other groups than those ``allowed``.
    """
    # Read once, so that what is checked is what is named.
    raw = read_policy(path)
    policy = parse_policy(path, raw)
    trained_with = policy.provenance.get("monitoring", monitoring())
    if trained_with != monitoring():
        raise PolicyFileError(
            f"{path} was trained with other monitoring ({trained_with}) than this release uses "
            f"({monitoring()}): train it again"
        )
    with_knobs = [group for group in policy.schema.groups if group not in WITHOUT_KNOBS]
    if more := [group for group in with_knobs if group not in allowed]:
        groups = ", ".join(f'"{group}"' for group in with_knobs)
        raise PolicyFileError(
            f"{path} also sets {', '.join(more)}, which is not allowed here: write "
            f"knob_groups = [{groups}], or use another policy"
        )
    return Trusted(policy.network(), policy.envelope, str(path), hashlib.sha256(raw).hexdigest())


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator asks of whoever decides for a tenant; the fields of ``LearnedPolicy``."""

    budget: float
    limits: GuardLimits
    slowdown_of: str = "work"


class Chooser:
    """Decides for one tenant, with one guard for whoever decides."""

    def __init__(self, policy: Trusted, fallback: FixedRule, asked: Asked) -> None:
        self._policy = policy
        self._fallback = fallback
        self._learned = _learned(policy, asked)
        self._limits = asked.limits
        self._switch = WatermarkSwitch()
        self._outside = self._distrusted = 0
        self.reason = ""

    @property
    def is_fallback(self) -> bool:
        """Whether the static policy took the last decision; ``reason`` says why."""
        return bool(self.reason)

    @property
    def slowdown_300s(self) -> float:
        """The share that faults cost, averaged over five minutes."""
        return self._learned.rates()["slowdown_300s"]

    def reconfigure(self, policy: Trusted, fallback: FixedRule, asked: Asked) -> None:
        """Go on with others; what the guard knows stays, unless other knobs are set."""
        is_same = policy.schema == self._policy.schema
        self._policy, self._fallback, self._limits = policy, fallback, asked.limits
        if not is_same:
            self._learned = _learned(policy, asked)
            return
        self._learned.set_network(policy.network)
        self._learned.set_budget(asked.budget, asked.slowdown_of)
        self._learned.set_limits(asked.limits)

    def decide(self, snapshot: Snapshot, tripped: Collection[str]) -> Decision:
        """Decide what to run until the next snapshot; ``tripped`` is what tripped the guard."""
        decision = self._learned.decide(snapshot, tripped)
        self.reason = self._distrust(decision)
        if not self.reason:
            return decision
        # The guard is the same whoever decides; a static policy knows no less than all of it.
        is_held = HOLD in decision.reasons or BREACH in decision.reasons
        allowed = within(self._fallback.schemes, self._limits, snapshot.intervals)
        schemes = () if is_held else self._switch.running(allowed, snapshot)
        reasons = tuple(reason for reason in decision.reasons if reason != NONSENSE)
        return replace(decision, plan=Plan(schemes), knobs={}, reasons=reasons)

    def _distrust(self, decision: Decision) -> str:
        """Say why the learned policy's decision is not to be carried out, if it is not."""
        if NONSENSE in decision.reasons:
            return self._policy.trouble or "the policy's answer is no number"
        outside = self._policy.envelope.outside(decision.observation)
        self._outside = self._outside + 1 if outside else 0
        if self._outside >= _OUTSIDE_IN_A_ROW:
            self._distrusted = _DISTRUSTED
        elif self._distrusted:
            self._distrusted -= 1
        if not self._distrusted:
            return ""
        named = ", ".join(outside[:_NAMED]) or "was until now"
        return f"outside of what the policy was trained on: {named}"


def _learned(policy: Trusted, asked: Asked) -> LearnedPolicy:
    return LearnedPolicy(
        policy.network,
        asked.budget,
        asked.limits,
        schema=policy.schema,
        slowdown_of=asked.slowdown_of,
    )

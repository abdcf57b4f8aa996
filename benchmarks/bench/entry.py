"""What competes: rules, learned policies, and settings that a search found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from damon_tuner.errors import TunerError
from damon_tuner.near import nearest
from damon_tuner.policies.policy_file import parse_policy, read_policy
from damon_tuner.policies.rules import RULES
from damon_tuner.policies.schema import RECLAIM
from damon_tuner.training.evaluate import Contender, FixedAction

LEARNED = "learned"
RULE, POLICY, SEARCHED, ORACLE = "rule", "policy", "searched", "oracle"
"""Kinds of entries. An oracle has a setting of its own for each workload, as no operator has."""

_NOBODY = "none"
_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Entry:
    """A contender that can be sent to a worker, and made again from its row.

    ``policy`` is a policy file's content; several entries of one name are training seeds of it.
    ``action`` is what was searched, () where nothing within the budget was better than nobody: an
    action, or where ``rule`` is one of the registry, the settings of its ``space`` in order.
    ``groups`` are the knob groups of what it does.
    """

    name: str
    kind: str
    groups: tuple[str, ...]
    training_seed: int = 0
    policy: bytes = field(default=b"", repr=False)
    action: tuple[float, ...] = ()
    rule: str = ""

    @property
    def policy_sha256(self) -> str:
        """By which a policy file is known; empty for what has none."""
        return hashlib.sha256(self.policy).hexdigest() if self.policy else ""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What a row says of it."""
        return {
            "contender": self.name,
            "kind": self.kind,
            "groups": list(self.groups),
            "training_seed": self.training_seed,
            "policy_sha256": self.policy_sha256,
            "action": list(self.action),
            "rule": self.rule,
        }

    def contender(self) -> Contender:
        """What ``evaluate`` takes.

        Raises:
            TunerError: no rule has this name, or the policy file is not one.

        """
        if self.kind == POLICY:
            return parse_policy(Path(self.name), self.policy).network()
        if self.kind == RULE:
            if self.name not in RULES:
                raise TunerError(f"no rule is called {self.name}: the results are of other code")
            return RULES[self.name]
        if not self.action:
            return RULES[_NOBODY]
        if self.rule:
            rule = RULES[self.rule]
            return rule.with_settings(dict(zip(rule.space, self.action, strict=True)))
        return FixedAction(self.action)


def rule_entries(names: Iterable[str] = tuple(RULES)) -> tuple[Entry, ...]:
    """Rules of the registry.

    Raises:
        TunerError: there is no rule of a name (the nearest known one is named).

    """
    entries = []
    for name in names:
        if name not in RULES:
            raise TunerError(f"no rule is called {name!r}{nearest(name, RULES)}")
        entries.append(Entry(name, RULE, RULES[name].groups or RECLAIM.groups))
    return tuple(entries)


def policy_entries(text: str, default_name: str = "") -> tuple[Entry, ...]:
    """Read ``[NAME=]PATH``: a policy file, or a folder with one for each training seed.

    Without a name it is ``default_name``, or that of the file or folder.

    Raises:
        TunerError: there is no policy file.

    """
    name, _, rest = text.rpartition("=")
    path = Path(rest)
    files = sorted(path.rglob(f"*{_SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise TunerError(f"{path} holds no policy file (*{_SUFFIX})")
    name = name or default_name or path.name.removesuffix(_SUFFIX)
    entries = []
    for seed, file in enumerate(files):
        raw = read_policy(file)
        groups = parse_policy(file, raw).schema.groups
        entries.append(Entry(name, POLICY, groups, seed, raw))
    return tuple(entries)


def all_groups(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The knob groups that any of them sets, sorted."""
    return tuple(sorted({group for entry in entries for group in entry.groups}))

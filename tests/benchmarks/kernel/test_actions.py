"""What the programs that measure inside the guest count as done."""

from __future__ import annotations

import pytest

from damon_tuner.benchmarks.kernel.actions import SUPPORTED, Tried
from damon_tuner.kernel_iface.host import Action


def test_every_action_is_tried_somewhere() -> None:
    assert {action for actions in SUPPORTED.values() for action in actions} == set(Action)


@pytest.mark.parametrize(
    ("counted", "effect", "seen", "ok"),
    [
        (4096, "", 0, True),
        (0, "", 0, False),
        (4096, "VmSwap", 2 << 20, True),
        (1 << 30, "VmSwap", 4096, False),
        (0, "VmSwap", 2 << 20, False),
    ],
)
def test_what_is_counted_must_be_seen_where_it_can_be(
    counted: int, effect: str, seen: int, ok: bool
) -> None:
    assert Tried("vaddr", "pageout", counted, effect, seen, 1.0).ok == ok

"""A part of every fault at every place; ``damon-tuner figures faults`` has them all."""

from __future__ import annotations

import pytest

from .faults import CONTEXTS, FAULTS, run_once


def test_a_run_without_a_fault_is_flawless() -> None:
    run, kernel = run_once(CONTEXTS["vaddr"])
    assert (run.raised, run.wrong) == ([], [])
    assert len(kernel.touches) > 400


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("context", CONTEXTS)
def test_a_fault_is_survived_and_nothing_is_left(context: str, kind: str) -> None:
    _, whole = run_once(CONTEXTS[context])
    # Another part for each fault, so that together they come to every place.
    first = 1 + list(FAULTS).index(kind)
    wrong = {}
    for nth in range(first, len(whole.touches) + 1, len(FAULTS)):
        run, _ = run_once(CONTEXTS[context], FAULTS[kind], nth)
        if run.wrong:
            wrong[nth, run.struck] = run.wrong
    assert wrong == {}

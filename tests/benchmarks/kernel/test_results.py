"""What the guests measured becomes figures."""

import json
from pathlib import Path

import pytest

from damon_tuner.benchmarks.kernel.actions import Tried
from damon_tuner.benchmarks.kernel.run import BOOTS, read_figures


@pytest.mark.parametrize(
    ("counted_bytes", "effect", "effect_bytes", "ok"),
    [
        (1, "VmSwap", 1 << 20, True),
        (1, "", 0, True),
        # DAMON counts what it walked: memory that stayed is no page-out
        (1 << 30, "VmSwap", 0, False),
        (0, "VmSwap", 1 << 20, False),
    ],
)
def test_an_action_counts_when_memory_shows_it(
    counted_bytes: int, effect: str, effect_bytes: int, ok: bool
) -> None:
    assert Tried("vaddr", "pageout", counted_bytes, effect, effect_bytes, 1.0).ok is ok


def test_results_become_figures(tmp_path: Path) -> None:
    results = {
        "kernel": "7.3.4",
        "files": {"files": 93, "written": 92, "failed": ["nr_x"]},
        "blocks": {"offline_bytes": 1, "seen_offline_bytes": 0, "restored": True},
    }
    folder = tmp_path / next(iter(BOOTS))
    folder.mkdir()
    (folder / "measured.json").write_text(json.dumps(results))
    figures = {figure.name: figure for figure in read_figures(tmp_path)}
    assert figures["kernel.sysfs.files"].value == 92
    assert figures["kernel.sysfs.files"].more["of"] == 93
    # nothing was seen offline, so that nothing was brought back
    assert figures["kernel.blocks.restored"].value == 0.0

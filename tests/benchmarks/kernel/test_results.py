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


def test_what_plans_did_becomes_figures(tmp_path: Path) -> None:
    def memory(resident: int, huge: int) -> dict[str, int]:
        return {"resident_bytes": resident, "huge_bytes": huge}

    results = {
        "kernel": "7.3.4",
        "tiering_pair": {
            "after": {
                "promotes": {"hot": 0.95, "cold": 1.0},
                "demotes": {"hot": 0.25, "cold": 0.4},
            }
        },
        "thp": {
            "took_s": 9.0,
            "used_bytes": 1,
            "before": {"hot": memory(9, 0), "sparse": memory(8, 8)},
            "after": {"hot": memory(9, 9), "sparse": memory(2, 1)},
        },
        "power": {
            **{"offline_bytes": 7, "offline_after_bytes": 0, "rested_s": 1.0, "spare_bytes": 1},
            **{"failed_blocks": 0, "last_failure": "", "clocks": "", "back_online": True},
            "grown": {
                **{"wanted_bytes": 9, "got_bytes": 4, "bytes_per_s": 1, "least_free_bytes": 0},
                "refusals": {"oom_kill": 1, "allocstall": 2},
            },
            "energy": {"saved_j": 0.5, "used_j": 2.0, "source": "ddr4_power", "seconds": 1.0},
        },
    }
    folder = tmp_path / next(iter(BOOTS))
    folder.mkdir()
    (folder / "measured.json").write_text(json.dumps(results))
    figures = {figure.name: figure for figure in read_figures(tmp_path)}
    # a quarter of what no plan was to promote was promoted
    assert figures["kernel.tiering.pair.left_alone"].value == 0.75
    assert figures["kernel.tiering.pair.demoted"].value == 0.6
    assert figures["kernel.thp.sparse.resident"].value == 2
    assert figures["kernel.thp.sparse.resident"].more["before"] == 8
    assert figures["kernel.power.back"].value == 7
    # killed for want of memory, twice made to wait, and without half of what it wanted
    assert figures["kernel.power.refusals"].value == 4
    assert figures["kernel.power.saved"].more["source"] == "ddr4_power"

"""A process of a real kernel, part of it hot and small, part of it huge and hardly used."""

from __future__ import annotations

import json

import pytest

from damon_tuner.benchmarks.kernel.load import Part, running
from damon_tuner.cli import main
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings
from damon_tuner.kernel_iface.sysfs.ledger import Ledger
from damon_tuner.kernel_iface.sysfs.observe.huge_pages import KHUGEPAGED

MIB = 1 << 20
HOT = Part(48 * MIB, hot=True, huge="later")
SPARSE = Part(64 * MIB, huge="always", pages_used=16)


@pytest.fixture
def _khugepaged_rests(ledger: Ledger) -> None:
    ledger.write(f"{KHUGEPAGED}/scan_sleep_millisecs", "600000")


@pytest.mark.usefixtures("_khugepaged_rests")
def test_what_is_hot_is_to_be_collapsed_and_what_is_bloat_to_be_split(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = damon_settings()
    with running([SPARSE, HOT], cpu=1) as load:
        assert main(["huge-pages", "--pid", str(load.pid), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert main(["huge-pages", "--pid", str(load.pid), "--seconds", "0"]) == 0
        assert "nothing advised" in capsys.readouterr().out
    assert damon_settings() == before
    assert found["huge_bytes"] >= SPARSE.size_bytes - 4 * MIB
    # 16 of 512 pages are used of each
    assert found["bloat_bytes"] >= 0.9 * found["huge_bytes"]
    advised = {"split": [0, 0], "collapse": [0, 0]}
    starts = dict(zip(("split", "collapse"), load.starts, strict=True))
    for region in found["regions"]:
        for advice, start in starts.items():
            if region["advice"] == advice:
                size = (SPARSE if advice == "split" else HOT).size_bytes
                is_right = start - 2 * MIB <= region["start"] < start + size
                advised[advice][not is_right] += region["advised_bytes"]
    print(advised)
    assert advised["split"][0] >= SPARSE.size_bytes / 2
    assert advised["collapse"][0] >= HOT.size_bytes / 2

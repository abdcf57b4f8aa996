"""damon-tunerd as a service: its hardened unit under a real systemd, on a real kernel.

The first run makes a small Debian with systemd in the guest's cache folder, which takes some
minutes; one boot for all tests takes about four. So they run only where they are asked for.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from damon_tuner.errors import GuestError

from .check_service import STEPS
from .debian import boot, make_disk

ASKED_BY = "DAMON_TUNER_TEST_SYSTEMD"
TIMEOUT_S = 1800.0

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get(ASKED_BY) != "1", reason=f"takes minutes: set {ASKED_BY}=1"),
    pytest.mark.skipif(os.geteuid() != 0, reason="debootstrap makes Debian's files as root only"),
    pytest.mark.skipif(
        not shutil.which("debootstrap"), reason="needs debootstrap: apt-get install debootstrap"
    ),
    pytest.mark.usefixtures("emulator"),
]

Lines = list[dict[str, Any]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    """What the guest told in one boot, a line for each step."""
    folder = tmp_path_factory.mktemp("service")
    console, results = folder / "console.log", folder / "results"
    disk = make_disk(folder, Path(__file__).with_name("check_service.py"))
    try:
        lines = _told(disk, console, results)
        # the emulator breaks one boot of twenty, and nothing has begun by then
        yield lines or _told(disk, console, results)
    finally:
        disk.unlink()


def _told(disk: Path, console: Path, results: Path) -> Lines:
    try:
        boot(disk, console, results, TIMEOUT_S)
    except GuestError as error:
        print(error)
    return [json.loads(line) for line in results.read_text().splitlines()]


@pytest.mark.parametrize("step", [step.__name__ for step in STEPS])
def test_the_service_under_systemd(step: str, told: Lines) -> None:
    found = [line for line in told if line.get("step") == step]
    assert found, f"the guest ended before this step, after {told[-1:]}"
    print(json.dumps(found[0]["figures"], indent=1), f"{found[0]['took_s']:.1f} s")
    journal = "".join(line.get("journal", "") for line in told)
    assert not found[0]["trouble"], f"{found[0]['trouble']}\n{journal}"

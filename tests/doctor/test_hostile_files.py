"""Whatever the files hold, and whatever error they give, there is a report."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from damon_tuner.kernel_iface.doctor import Finding, Status, as_json, as_text, examine
from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .good_host import GOOD_HOST, NUMBERS

NR_CHECKS = 17

GARBAGE = [
    b"",
    b"\n",
    b"\0",
    b"-1\n",
    b"[]\n",
    b"zzz\n",
    b"\xff\xfe\x1b[2J",
    b"9" * 5000,
    b"0-99999999999",
    b"Node 0 MemTotal\nUid:\n",
    b"Node 0 MemTotal: x kB\nUid: x\n",
    b"a b c d e\n" * 3,
    "\u0663 \u202e\n".encode(),
]


def report(findings: list[Finding]) -> None:
    assert len({(f.topic, f.name) for f in findings}) == len(findings) == NR_CHECKS
    text = as_text(findings)
    assert text.isascii()
    assert all(line.isprintable() for line in text.splitlines())
    assert len(json.loads(as_json(findings))["findings"]) == NR_CHECKS
    assert all(f.verdict.says for f in findings)
    for finding in findings:
        if finding.verdict.status is Status.MISSING:
            assert finding.verdict.means
            assert finding.verdict.remedy


@pytest.mark.parametrize("path", GOOD_HOST)
def test_garbage_in_any_one_file(root: Path, look: Callable[[], dict[str, Finding]], path: str):
    for garbage in GARBAGE:
        (root / path).write_bytes(garbage)
        report(list(look().values()))


@pytest.mark.parametrize("path", NUMBERS)
def test_garbage_for_a_number_is_never_taken_for_something_that_is_missing(
    root: Path, look: Callable[[], dict[str, Finding]], path: str
):
    (root / path).write_text("Filename\nzzz zzz zzz zzz\n")
    found = [f.verdict for f in look().values() if f.verdict.status is Status.UNKNOWN]
    assert found
    assert all(f"/{path} " in verdict.says for verdict in found)


@pytest.mark.parametrize("path", GOOD_HOST)
@pytest.mark.parametrize("kind", ["folder", "loop", "dangling", "gone"])
def test_something_else_in_a_files_place(
    root: Path, look: Callable[[], dict[str, Finding]], path: str, kind: str
):
    (root / path).unlink()
    if kind == "folder":
        (root / path / "inside").mkdir(parents=True)
    elif kind != "gone":
        (root / path).symlink_to(root / path if kind == "loop" else "nowhere")
    report(list(look().values()))


@pytest.mark.parametrize("folder", ["proc", "sys", "sys/kernel", "sys/devices", "sys/block"])
def test_whole_trees_that_are_not_there(
    root: Path, look: Callable[[], dict[str, Finding]], folder: str
):
    shutil.rmtree(root / folder)
    report(list(look().values()))
    (root / folder).write_text("a file\n")
    report(list(look().values()))


@pytest.mark.parametrize("garbage", [*GARBAGE, b"[" * 100_000 + b"\n"])
def test_garbage_for_a_journal(root: Path, look: Callable[[], dict[str, Finding]], garbage: bytes):
    (root / "state").mkdir(mode=0o700)
    (root / "state/journal").write_bytes(garbage)
    (root / "state/journal").chmod(0o600)
    findings = look()
    report(list(findings.values()))
    # a line that was never ended was never acted on
    expected = Status.MISSING if b"\n" in garbage else Status.OK
    assert findings["leftovers"].verdict.status is expected
    (root / "state/journal").chmod(0o666)
    assert look()["leftovers"].verdict.status is Status.UNKNOWN


class FailingKernel(LocalKernel):
    """The ``nth`` access gives an error."""

    def __init__(self, root: Path, number: int, nth: int) -> None:
        super().__init__(root)
        self.left = nth
        self.number = number

    def read(self, path: str) -> str:
        self._count()
        return super().read(path)

    def names(self, path: str) -> list[str]:
        self._count()
        return super().names(path)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise OSError(self.number, os.strerror(self.number))


ERRORS = ("EIO", "EACCES", "EPERM", "EBUSY", "EINVAL", "ENODEV", "ENOMEM", "EINTR", "ESTALE")


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_at_any_one_access(root: Path, error: str):
    nth = 0
    left = 0
    while left <= 0:
        nth += 1
        kernel = FailingKernel(root, getattr(errno, error), nth)
        report(list(examine(Tree(kernel, busy_timeout_s=0.0), root / "state")))
        left = kernel.left
    assert nth > 60


@pytest.mark.parametrize("seed", range(150))
def test_garbage_everywhere(root: Path, look: Callable[[], dict[str, Finding]], seed: int):
    chance = random.Random(seed)
    for path in chance.sample(sorted(GOOD_HOST), chance.randint(1, len(GOOD_HOST))):
        file = root / path
        match chance.randrange(4):
            case 0:
                file.write_bytes(chance.randbytes(chance.randrange(300)))
            case 1:
                held = bytearray(file.read_bytes() or b"x")
                held[chance.randrange(len(held))] = chance.randrange(256)
                file.write_bytes(held)
            case 2:
                file.write_bytes(chance.choice(GARBAGE))
            case 3:
                other = chance.choice(sorted(GOOD_HOST))
                file.write_text(GOOD_HOST[other])
    report(list(look().values()))

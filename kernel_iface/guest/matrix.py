"""The tests of the real kernel, on one kernel after another, as a table of what became of them."""

from __future__ import annotations

import argparse
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from damon_tuner.errors import GuestDiedError, GuestError
from damon_tuner.kernel_iface.guest.packages import offered
from damon_tuner.kernel_iface.guest.runner import run_in_guest
from damon_tuner.kernel_iface.guest.spec import GuestSpec

SERIES = ("6.12", "6.17", "6.18", "7.0", "7.1", "7.2", "7.3")
"""Between the first and the last, each brought DAMON files that the one before had not."""

_JUNIT = "junit.xml"
_TIMEOUT_S = 1500.0


def suite_guest(series: str) -> GuestSpec:
    """The machine of the tests: two tiers, blocks that can go offline, and swap."""
    return GuestSpec(
        kernel_series=series,
        memory_bytes=3 << 29,
        slow_bytes=1 << 30,
        movable_bytes=1 << 30,
        swap_bytes=1 << 30,
    )


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """What became of the tests on one kernel."""

    series: str
    release: str = ""
    """``uname -r``; empty where the kernel could not be had or did not run."""
    tests: int = 0
    failed: tuple[str, ...] = ()
    """Names of the tests that failed."""
    skipped: Counter[str] = field(default_factory=Counter)
    """How many tests gave each reason for not being run."""
    total_s: float = 0.0
    missing: str = ""
    """Why there is no result."""

    @property
    def ok(self) -> bool:
        """Whether every test passed, or said why it was not for this kernel."""
        return bool(self.tests) and not self.failed

    def row(self) -> str:
        """The result as one line of the table, skips' reasons in the lines after it."""
        if not self.tests:
            word = "FAILED" if self.failed else "not run"
            why = self.missing or "; ".join(self.failed)
            return f"{self.series:<6} {'-':<28} {word:<8} {why}"
        passed = self.tests - len(self.failed) - self.skipped.total()
        word = "passed" if self.ok else "FAILED"
        line = (
            f"{self.series:<6} {self.release:<28} {word:<8} {passed:>4} passed, "
            f"{len(self.failed)} failed, {self.skipped.total()} skipped, {self.total_s:.0f} s"
        )
        failed = [f"         failed: {name}" for name in self.failed]
        skipped = [f"         skipped {count}: {why}" for why, count in self.skipped.items()]
        return "\n".join((line, *failed, *skipped))


def run_suite(
    series: str, out_dir: Path, echo: Callable[[str], None] | None, select: Sequence[str] = ()
) -> SuiteResult:
    """Run ``tests/kernel`` on the newest kernel of ``series``; ``select`` goes to pytest.

    A guest that dies is booted again, on one thread: the emulator, translating on several, now and
    then breaks a kernel that patches itself, and a kernel that the tests break dies every time.

    Raises ``GuestError`` when the kernel cannot be had, or the guest dies again.
    """
    guest = suite_guest(series)
    try:
        return _run_once(guest, out_dir, echo, select)
    except GuestDiedError as error:
        if echo is not None:
            echo(f"{error}\nbooting again, on one thread")
    return _run_once(replace(guest, one_thread=True), out_dir, echo, select)


def _run_once(
    guest: GuestSpec, out_dir: Path, echo: Callable[[str], None] | None, select: Sequence[str]
) -> SuiteResult:
    pytest = ["python", "-m", "pytest", "tests/kernel", "-m", "kernel", "-v", *select]
    result = run_in_guest(
        ["sh", "-c", f'exec "$@" --junit-xml "$DAMON_TUNER_OUT/{_JUNIT}"', "sh", *pytest],
        guest,
        out_dir=out_dir,
        timeout_s=_TIMEOUT_S,
        echo=echo,
    )
    junit = out_dir / _JUNIT
    if not junit.exists():
        raise GuestError(f"pytest ended with status {result.exit_status} before it ran a test")
    return read_junit(junit, guest.kernel_series, result.kernel_version, result.total_s)


def read_junit(junit: Path, series: str, release: str, total_s: float) -> SuiteResult:
    """Count what pytest has written of each test."""
    cases = list(ElementTree.parse(junit).getroot().iter("testcase"))
    failed, skipped = [], Counter[str]()
    for case in cases:
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(case.attrib["name"])
        elif (skip := case.find("skipped")) is not None:
            skipped[skip.attrib["message"]] += 1
    return SuiteResult(series, release, len(cases), tuple(failed), skipped, total_s)


def main(arguments: list[str] | None = None) -> int:
    """Run the suite on every kernel of the list, print the table, return the status to exit."""
    options = _parser().parse_args(arguments)
    found = offered(options.series)
    results = []
    for series in options.series:
        if series in found:
            results.append(_tried(series, options.out / series, options.pytest))
        else:
            results.append(SuiteResult(series, missing="the Debian mirror has no such kernel"))
        print(results[-1].row(), flush=True)
    print("\nkernel  result")
    for result in results:
        print(result.row())
    ran = [result for result in results if result.release]
    lacking = [result.series for result in results if not result.release]
    if lacking:
        print(f"not found: {', '.join(lacking)}")
    return 0 if ran and all(result.ok for result in ran) else 1


def _tried(series: str, out_dir: Path, select: Sequence[str]) -> SuiteResult:
    try:
        return run_suite(series, out_dir, _print, select)
    except GuestError as error:
        return SuiteResult(series, release=series, failed=(str(error),))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m damon_tuner.kernel_iface.guest.matrix",
        description="Run tests/kernel in a guest, on one kernel after another.",
    )
    parser.add_argument(
        "--series", nargs="+", default=SERIES, metavar="SERIES", help="default: all known"
    )
    parser.add_argument("--out", type=Path, default=Path("out/kernels"), metavar="DIR")
    parser.add_argument("pytest", nargs="*", metavar="OPTION", help="for pytest, after --")
    return parser


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

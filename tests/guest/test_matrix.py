"""The table of kernels: what is a failure, and what is said of the rest."""

from pathlib import Path

import pytest

from damon_tuner.errors import GuestDiedError, GuestError
from damon_tuner.kernel_iface.guest import GuestSpec, matrix
from damon_tuner.kernel_iface.guest.matrix import SuiteResult, read_junit

JUNIT = """<testsuites><testsuite>
<testcase name="passes"/>
<testcase name="fails"><failure message="x"/></testcase>
<testcase name="breaks"><error message="x"/></testcase>
<testcase name="lacks"><skipped message="no such file"/></testcase>
</testsuite></testsuites>"""


def test_results_of_pytest_are_counted(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(JUNIT)
    result = read_junit(tmp_path / "junit.xml", "6.12", "6.12.9", 60.0)
    assert result.failed == ("fails", "breaks")
    assert not result.ok
    row = result.row()
    assert "1 passed, 2 failed, 1 skipped" in row
    assert "skipped 1: no such file" in row


def test_no_test_at_all_is_no_success() -> None:
    assert not SuiteResult("7.3", "7.3.4").ok


@pytest.mark.parametrize(("failed", "status"), [((), 0), (("one",), 1)], ids=["passed", "failed"])
def test_a_kernel_that_is_not_there_is_said(
    failed: tuple[str, ...],
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(matrix, "offered", lambda series: {"7.3"})
    monkeypatch.setattr(
        matrix, "run_suite", lambda series, *rest: SuiteResult(series, "7.3.4", 2, failed)
    )
    assert matrix.main(["--series", "9.9", "7.3"]) == status
    assert "not found: 9.9" in capsys.readouterr().out


@pytest.mark.parametrize(("deaths", "ok"), [(0, True), (1, True), (2, False)])
def test_a_guest_that_dies_is_booted_again_on_one_thread(
    deaths: int, ok: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_one_thread: list[bool] = []
    told: list[str] = []

    def run(guest: GuestSpec, *rest: object) -> SuiteResult:
        on_one_thread.append(guest.one_thread)
        if len(on_one_thread) <= deaths:
            raise GuestDiedError("the guest died")
        return SuiteResult("7.3", "7.3.4", 2)

    monkeypatch.setattr(matrix, "_run_once", run)
    if ok:
        assert matrix.run_suite("7.3", tmp_path, told.append).ok
        assert len(told) == deaths
    else:
        with pytest.raises(GuestDiedError):
            matrix.run_suite("7.3", tmp_path, told.append)
    assert on_one_thread == [False, True][: deaths + 1]


def test_a_guest_that_dies_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def die(*arguments: object) -> SuiteResult:
        raise GuestError("the guest died")

    monkeypatch.setattr(matrix, "offered", lambda series: {"7.3"})
    monkeypatch.setattr(matrix, "run_suite", die)
    assert matrix.main(["--series", "7.3"]) == 1
    assert "the guest died" in capsys.readouterr().out

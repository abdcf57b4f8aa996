"""Which packages are chosen, and what is said when something is missing; without booting."""

import os
import platform
import shutil
from pathlib import Path

import pytest

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import GuestSpec, emulator
from damon_tuner.kernel_iface.guest.apt import find_mirror
from damon_tuner.kernel_iface.guest.packages import has_modules, newest, newest_release
from damon_tuner.kernel_iface.guest.session import Session

needs_apt = pytest.mark.skipif(
    not (shutil.which("dpkg") and shutil.which("apt-get")),
    reason="needs dpkg and apt: run it on Debian",
)

NAMES = [
    *("linux-image-7.3.4+deb13-cloud-amd64", "linux-image-7.3.10+deb13-cloud-amd64"),
    *("linux-image-7.3.11~rc1+deb13-cloud-amd64-dbg", "linux-image-7.3.11+deb13-amd64"),
    *("linux-image-7.30.1+deb13-cloud-amd64", "linux-image-6.12.95+deb12-cloud-amd64"),
    *(
        "linux-image-6.12.107+deb13-cloud-amd64-unsigned",
        "linux-image-6.12.90+deb12.1-cloud-amd64",
    ),
    *("linux-image-6.1.0-37-cloud-amd64", "linux-image-cloud-amd64", "linux-base"),
]


@needs_apt
@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        (["7.3.4", "7.3.10", "7.3.9"], "7.3.10"),
        (["7.3.4+deb13", "7.3.4~rc2+deb13"], "7.3.4+deb13"),
        (["6.12.90+deb12", "6.12.90+deb12.1"], "6.12.90+deb12.1"),
    ],
)
def test_newest_is_in_debians_order(versions: list[str], expected: str) -> None:
    assert newest(versions) == expected
    assert newest(reversed(versions)) == expected


@needs_apt
@pytest.mark.parametrize(
    ("series", "release"),
    [
        ("7.3", "7.3.10+deb13-cloud-amd64"),
        ("7.3.4", "7.3.4+deb13-cloud-amd64"),
        ("6.12", "6.12.95+deb12-cloud-amd64"),
        ("6.1", "6.1.0-37-cloud-amd64"),
    ],
)
def test_release_is_the_newest_cloud_kernel_of_its_series(series: str, release: str) -> None:
    assert newest_release(series, NAMES) == release


def test_a_kernel_without_its_modules_is_told_from_one_that_has_them() -> None:
    names = {"linux-image-6.12.1", "linux-image-7.0.1", "linux-binary-7.0.1"}
    names |= {"linux-image-7.2.1", "linux-binary-7.2.1", "linux-modules-7.2.1"}
    found = {release: has_modules(release, names) for release in ("6.12.1", "7.0.1", "7.2.1")}
    assert found == {"6.12.1": True, "7.0.1": False, "7.2.1": True}


def test_a_series_that_debian_lacks_is_named() -> None:
    with pytest.raises(GuestError, match=r"no cloud kernel 9\.9"):
        newest_release("9.9", NAMES)


@needs_apt
@pytest.mark.parametrize(
    "source",
    [
        "",
        "deb http://vendor.invalid/apt bookworm-pgdg main\n",
        "deb http://x.invalid trixie all\n",
    ],
)
def test_no_debian_mirror_is_an_error_that_says_so(tmp_path: Path, source: str) -> None:
    with pytest.raises(GuestError, match="no Debian mirror"):
        find_mirror(_apt_config(tmp_path, source))


@needs_apt
def test_the_mirror_is_the_one_that_the_system_uses(tmp_path: Path) -> None:
    source = (
        "deb http://vendor.invalid/apt stable extra\ndeb http://m.invalid/debian trixie main\n"
    )
    assert find_mirror(_apt_config(tmp_path, source)) == "http://m.invalid/debian/"


def test_a_missing_emulator_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(
        GuestError, match="apt-get install --no-install-recommends qemu-system-x86"
    ):
        emulator.ensure_emulator()


def test_another_architecture_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(GuestError, match="x86-64"):
        emulator.ensure_emulator()


def test_session_cuts_lines_wherever_the_stream_is_cut() -> None:
    lines: list[str] = []
    session = Session(lines.append)
    for byte in "eins\r\nzwölf\n\nend".encode():
        session.feed_output(bytes([byte]))
    session.finish_output()
    assert lines == ["eins", "zwölf", "", "end"]


@pytest.mark.parametrize(
    ("heard", "stage"),
    [
        ("", "before it ran the command"),
        ("ready 7.3\n", "while the command ran"),
        ("ready 7.3\nexit 0\nresults 12", "while it sent its files back"),
    ],
)
def test_a_guest_that_dies_is_reported_with_its_stage(heard: str, stage: str) -> None:
    session = Session(None)
    session.feed_control(heard.encode())
    with pytest.raises(GuestError, match=f"the guest died {stage}"):
        session.outcome()


def test_an_error_of_init_is_passed_on() -> None:
    with pytest.raises(GuestError, match="no swap here"):
        Session(None).feed_control(b"error no swap here\n")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kernel_series": "../x"},
        {"memory_bytes": 1},
        {"cpus": 0},
        {"swap_bytes": -1},
        {"swap_algorithm": "lzw"},
        {"slow_bytes": 1},
        {"slow_bytes": -1},
        {"movable_bytes": 2 << 30},
        {"movable_bytes": -1},
    ],
)
def test_a_machine_that_could_not_boot_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GuestSpec(**wrong)  # type: ignore[arg-type]


def _apt_config(folder: Path, source: str) -> Path:
    (folder / "sources.list").write_text(source)
    config = folder / "apt.conf"
    config.write_text(
        f'Dir::Etc::SourceList "{folder}/sources.list";\nDir::Etc::SourceParts "/dev/null";\n'
    )
    return config

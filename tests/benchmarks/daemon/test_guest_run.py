"""What the guests found of the daemon becomes figures; what power cuts left is judged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from damon_tuner.benchmarks.daemon import guest_run
from damon_tuner.benchmarks.daemon.guest_daemon import STATIC, acting
from damon_tuner.benchmarks.daemon.guest_faults import SCENARIOS, Scene
from damon_tuner.benchmarks.daemon.guest_kills import Left
from damon_tuner.benchmarks.daemon.guest_power import Cut, judge
from damon_tuner.benchmarks.kernel.load import Load
from damon_tuner.daemon.config import Mode, load_config
from damon_tuner.kernel_iface.guest.init import DISK, INIT

Told = list[Mapping[str, Any]]
KERNEL = "7.3.4-cloud-amd64"
BOOTED = "nothing to put back: the host has booted since, and what was changed is gone"
COST = {
    "nr_tenants": 6,
    "nr_regions": [990, 1010, 1000],
    "shares": [0.01, 0.02, 0.03],
    "kdamonds_share": 0.2,
    "rss_bytes": 16 << 20,
    "uss_bytes": 12 << 20,
    "swapped_bytes": 1 << 20,
    "learned_share": 1.0,
}
KILLS = {
    "figure": "daemon.kill.restored",
    "value": 99,
    "unit": "kills",
    "kills": 100,
    "failed": ["the 7th"],
    "leases": {
        "schemes_left": 80,
        "longest_s": 60.1,
        "not_leased": [],
        "stopped_after_s": {"learned": [58.0]},
    },
}


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the boots leave, as if a guest were ten times slower."""
    monkeypatch.setattr(guest_run, "decode_times_s", lambda folder: ([0.001], 1_000))
    survived = {"survived": True, "said": "", "took_s": 1.0}
    fell = {"survived": False, "said": "TunerError: it never ended", "took_s": 1.0}
    cuts = [dict(after_s=3.0, left_journal=True, lost_s=2.0, wrong=wrong) for wrong in ([], ["x"])]
    found: dict[str, dict[str, object]] = {
        "cpu": {"cpu": COST, "record": {"decode_s": 0.01}},
        "kills": {"kills": KILLS},
        "faults": {
            "faults": [{"name": "SIGTERM", **survived}, {"name": "SIGINT", **fell}],
            "foreign": [{"name": "damon_reclaim", "refused": True, "said": "in use"}],
        },
        "power": {"cuts": cuts},
    }
    for name, measured in found.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "measured.json").write_text(json.dumps({"kernel": KERNEL, **measured}))
    return tmp_path


def test_results_become_figures(results: Path) -> None:
    figures = {figure.name: figure for figure in guest_run.read_guest_figures(results)}
    cpu = figures["daemon.cpu_share"]
    assert cpu.value == pytest.approx(0.002)
    assert cpu.more["in_guest"] == pytest.approx(0.02)
    assert (cpu.more["guest_slower"], cpu.more["regions"]) == (10.0, 1000)
    assert figures["daemon.guest.rss_mib"].value == 16
    assert figures["daemon.guest.rss_mib"].more["uss_mib"] == 12
    kills = figures["daemon.kill.restored"]
    assert (kills.value, kills.more["kills"], kills.more["failed"]) == (99, 100, ["the 7th"])
    assert figures["daemon.kill.leased"].value == 80
    faults = figures["daemon.faults.survived"]
    assert (faults.value, faults.more["of"]) == (2, 4)
    assert faults.more["passed"] == ["SIGTERM", "power cut 1"]
    assert set(faults.more["failed"]) == {"SIGINT", "power cut 2"}  # type: ignore[call-overload]
    assert figures["daemon.foreign.refused"].value == figures["daemon.foreign.refused"].more["of"]
    assert all(figure.more["kernel"] == KERNEL for figure in figures.values())


def test_what_was_not_measured_is_no_figure(results: Path) -> None:
    (results / "cpu/measured.json").unlink()
    (results / "power/measured.json").unlink()
    figures = {figure.name: figure for figure in guest_run.read_guest_figures(results)}
    assert "daemon.cpu_share" not in figures
    assert figures["daemon.faults.survived"].more["of"] == 2
    assert not list(guest_run.read_guest_figures(results / "nowhere"))


def test_the_configurations_are_right(tmp_path: Path) -> None:
    path = tmp_path / "damon-tunerd.toml"
    for more in ({}, {"more": STATIC}):
        path.write_text(acting(tmp_path, {"one": 12, "two": 13}, **more))
        path.chmod(0o600)
        config = load_config(path)
        assert config.mode is Mode.ACT
        assert [tenant.pid for tenant in config.tenants] == [12, 13]


def test_a_scene_sees_what_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(1, (), ())
    scene = Scene(tmp_path, load, load, {"/a": "1"})
    monkeypatch.setattr("damon_tuner.benchmarks.daemon.guest_faults.damon_settings", dict)
    with pytest.raises(Exception, match="not as before: /a"):
        scene.require_untouched(tmp_path)
    assert len(SCENARIOS) >= 10


@pytest.mark.parametrize(
    ("stops_in_s", "leased"), [(0.0, True), (60.1, True), (60.2, False), (float("inf"), False)]
)
def test_a_scheme_is_leased_when_it_stops_in_time(stops_in_s: float, leased: bool) -> None:
    assert Left("0", stops_in_s, 0.1).is_leased is leased


def test_the_guest_calls_the_disk_as_it_is_mounted() -> None:
    assert "/dev/$(echo $(cat $block/device/serial))" in INIT and DISK == "/dev/disk"


def boot(*, run: int, kept: int, newest_s: float = 0.0, **found: object) -> Told:
    """What one boot tells: of ``run`` boots before it, and 20 decisions in 10 s of its own."""
    runs = {f"run{n}": {"count": 40, "newest_s": 100.0 * n + 10} for n in range(run - 1)}
    if kept:
        runs[f"run{run - 1}"] = {"count": kept, "newest_s": newest_s}
    usual = {
        "journal": run > 0,
        "restores": [{"status": 0, "said": BOOTED}],
        "journal_after_restore": False,
        "runs": runs,
        "damaged_lines": 0,
    }
    acted = [
        {"event": "decided", "count": count, "time_s": 100.0 * run + count / 2}
        for count in (0, 10, 20)
    ]
    return [{"event": "found", **usual, **found}, *acted]


FIRST = boot(run=0, kept=0)


@pytest.mark.parametrize(
    ("after", "wrong"),
    [
        (boot(run=1, kept=18, newest_s=9.0), ""),
        (boot(run=1, kept=0), ""),
        (boot(run=1, kept=18, newest_s=-60.0), "experience of 70 s is lost"),
        (boot(run=1, kept=18, newest_s=9.0)[:1], "did not start again"),
        (boot(run=1, kept=9, newest_s=9.0, journal_after_restore=True), "left the journal"),
        (boot(run=1, kept=9, newest_s=9.0, damaged_lines=2), "2 damaged lines"),
        (
            boot(run=1, kept=9, newest_s=9.0, restores=[{"status": 4, "said": "stuck"}]),
            "restore ended with 4: stuck",
        ),
    ],
)
def test_a_power_cut_is_judged_by_what_the_next_boot_finds(after: Told, wrong: str) -> None:
    (cut,) = judge([FIRST, after])
    assert (wrong in "; ".join(cut.wrong)) if wrong else not cut.wrong
    assert cut.decided == 20 and cut.after_s == 10.0


def test_experience_of_earlier_boots_must_stay() -> None:
    second, third = boot(run=1, kept=40, newest_s=10.0), boot(run=2, kept=5, newest_s=105.0)
    assert not any(cut.wrong for cut in judge([FIRST, second, third]))
    del third[0]["runs"]["run0"]
    cuts: list[Cut] = judge([FIRST, second, third])
    assert cuts[1].wrong == ("experience of earlier boots is lost",)

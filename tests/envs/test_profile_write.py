"""What calibration found becomes a profile that says where each number comes from."""

import datetime
import tomllib
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.envs.profile_file import Constant, Profile, load_profile
from damon_tuner.envs.profile_write import not_used, profile_text, write_profile
from damon_tuner.kernel_iface.calibrate import Calibration, Finding
from damon_tuner.kernel_iface.calibrate.finding import measured, missing, told

TODAY = datetime.date(2026, 5, 4)
DEFAULTS = Profile("d", "", "", {"check_us": Constant((0.1, 0.5), source="a paper", date="2022")})


def _text(*findings: Finding, cpu: str = "A CPU") -> str:
    return profile_text(Calibration({"cpu": cpu}, findings, ""), DEFAULTS, TODAY)


def _table(*findings: Finding, cpu: str = "A CPU") -> dict[str, dict[str, object]]:
    parsed = tomllib.loads(_text(*findings, cpu=cpu))
    assert parsed["date"] == TODAY
    profile: dict[str, dict[str, object]] = parsed["profile"]
    return profile


def test_a_measurement_keeps_its_median_spread_and_runs() -> None:
    assert _table(measured("check_us", "us", [0.4, 0.2, 0.3], "timed"))["check_us"] == {
        "value": 0.3,
        "spread": [0.2, 0.4],
        "runs": 3,
        "origin": "measured",
        "source": "timed",
    }


def test_what_is_missing_comes_from_the_defaults_and_says_why() -> None:
    assert _table(missing("check_us", "no clock"))["check_us"] == {
        "range": [0.1, 0.5],
        "origin": "default",
        "source": "a paper",
        "date": "2022",
        "note": "not measured: no clock",
    }


def test_every_parameter_of_the_simulator_is_there() -> None:
    assert list(_table()) == [name for name, *_ in _core.PROFILE]


def test_what_is_read_may_be_a_range() -> None:
    found = Finding("cpu_ratio", "ratio", "read", (1.5, 3.0), "a file")
    assert _table(found)["cpu_ratio"]["range"] == [1.5, 3.0]
    assert _table(told("cpu_ratio", "ratio", 2.0, "a file"))["cpu_ratio"]["value"] == 2.0


@pytest.mark.parametrize("value", [-1.0, 1e9, float("inf"), float("nan")])
def test_a_value_that_the_simulator_does_not_take_stays_out(value: float) -> None:
    finding = measured("check_us", "us", [value], "timed")
    entry = _table(finding)["check_us"]
    assert entry["origin"] == "default"
    assert "outside" in str(entry["note"])
    assert [name for name, _ in not_used(Calibration({}, (finding,), ""))] == ["check_us"]


def test_other_findings_are_kept_for_people() -> None:
    parsed = tomllib.loads(_text(measured("a.b c", "ns", [1.0], "x"), missing("d", "y")))
    assert parsed["measured"] == {
        "a.b c": {"value": 1.0, "unit": "ns", "origin": "measured", "source": "x"}
    }


@pytest.mark.parametrize("cpu", ['"', "\\", "a\nb", "\x7f\x00", "é 💾", "]]\n[profile]"])
def test_no_name_of_a_cpu_breaks_the_file(tmp_path: Path, cpu: str) -> None:
    path = tmp_path / "host.toml"
    write_profile(Calibration({"cpu": cpu}, (), ""), path, TODAY)
    load_profile(path)
    kept = tomllib.loads(path.read_text())["host"]["cpu"]
    assert kept == "".join(c for c in cpu if c.isprintable())


def test_numbers_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "host.toml"
    values = {"swap_in_us": 123456.0, "check_us": 1.25e-5, "memory_ratio": 1e6}
    found = tuple(measured(name, "", [value], "x") for name, value in values.items())
    write_profile(Calibration({}, found, ""), path, TODAY)
    ranges = load_profile(path).ranges
    for name, value in values.items():
        assert ranges[name] == (pytest.approx(value), pytest.approx(value))

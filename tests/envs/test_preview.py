"""The picture of a workload shows what it does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from damon_tuner import _core
from damon_tuner.cli import main
from damon_tuner.envs.preview import find_workload, preview
from damon_tuner.envs.workload_file import Workload
from damon_tuner.errors import TunerError

from .recorded.fixtures import MASIM, SAMPLES


def test_a_picture_of_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "steps.cfg"
    path.write_text("a, 12M\nb, 12M\n\nfirst\n10000\na, 1, 64, 1\n\nsecond\n10000\nb, 1, 64, 1\n")
    heatmap = preview(find_workload(str(path)))
    assert heatmap.seconds == 20.0
    assert heatmap.footprint_bytes == 24 * 2**20
    early, late = heatmap.rate_hz[:, 5], heatmap.rate_hz[:, 60]
    expected = 1e8 / (12 * 256)
    assert early == pytest.approx([expected] * 12 + [0.0] * 12)
    assert late == pytest.approx([0.0] * 12 + [expected] * 12)
    assert np.all(heatmap.touched[:12] == 1.0)
    assert np.all(heatmap.touched[12:, :30] == 0.0)
    lines = heatmap.text().splitlines()
    assert lines[0].startswith("steps.cfg: 24.0 MiB over 20 s; 7")
    assert lines[1].startswith("#" * 30) and lines[1].endswith("." * 30)
    assert lines[24].startswith(" " * 30) and lines[24].endswith("#" * 30)


def test_shares_and_rates_of_fewer_blocks_than_rows() -> None:
    workload = Workload("small", "phases", {"footprint_bytes": (2.0**24, 2.0**24)})
    heatmap = preview(workload, seed=1, seconds=60.0)
    assert heatmap.touched == pytest.approx(np.ones_like(heatmap.touched))
    assert heatmap.rate_hz.max() == pytest.approx(heatmap.parameters["hot_rate_hz"], rel=1e-5)


@pytest.mark.parametrize("family", _core.FAMILIES)
def test_every_bundled_workload_can_be_shown(
    family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workload", "show", family, "--seconds", "30"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{family}: ")
    assert all(name in text for name, *_ in _core.FAMILIES[family])


def test_a_workload_file_with_a_recording_is_shown_and_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "masim.cfg").write_bytes(MASIM)
    file = tmp_path / "mine.toml"
    file.write_text('recording = "masim.cfg"\naccesses_per_s = 1e5\n[workload]\nspeed = 2\n')
    assert main(["workload", "show", str(file)]) == 0
    assert "speed 2" in capsys.readouterr().out
    picture = tmp_path / "mine.png"
    assert main(["workload", "show", str(file), "--out", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["nowhere.toml", "kvv", "", "/", "\0"])
def test_what_is_no_workload_is_refused_in_one_line(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["workload", "show", name]) == 1
    error = capsys.readouterr().err
    assert error.startswith("damon-tuner: error: ")
    assert error.count("\n") == 1


def test_a_damaged_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damon.data"
    path.write_bytes(SAMPLES["damo"][:100])
    with pytest.raises(TunerError, match=r"damon\.data: is not JSON"):
        find_workload(str(path))

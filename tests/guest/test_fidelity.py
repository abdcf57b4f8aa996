"""A recording is made again: the guest plays a pattern, and DAMON's trace comes back."""

from pathlib import Path

import numpy as np
import pytest

from damon_tuner.benchmarks.fidelity.record import record
from damon_tuner.benchmarks.fidelity.recording import load
from damon_tuner.benchmarks.fidelity.simulate import recorded
from damon_tuner.errors import TunerError


@pytest.mark.guest
@pytest.mark.slow
@pytest.mark.usefixtures("emulator")
def test_real_damon_is_recorded(tmp_path: Path) -> None:
    record(tmp_path, ["stationary.vaddr.1"], lambda line: None)
    found = load(tmp_path / "stationary.vaddr.1.rec")
    assert len(found.time_s) >= 200
    assert 0.005 <= found.sample_s < 0.0054
    # 16 of 128 MiB, each page 200 times a second
    start, end, accesses = (int(value) for value in found.rates[5, 2:])
    assert (start, end) == (32 << 20, 48 << 20)
    assert accesses == pytest.approx(4096 * 200, rel=0.02)
    hot = [r.within(start, end) for r in recorded(found).regions[-9:]]
    assert np.mean([np.average(r.nr_accesses, weights=r.size) for r in hot]) > 10


def test_an_unknown_recording_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(TunerError, match=r"no recording is called hills: choose from stationary"):
        record(tmp_path, ["hills"])

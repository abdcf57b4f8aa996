"""Some hours of a host's life in seconds; the whole day is a figure."""

from __future__ import annotations

from pathlib import Path

from .soak import lines_of, soak


def test_two_hours_of_a_lively_host(tmp_path: Path):
    result = soak(tmp_path, 7200.0)
    assert list(lines_of(result)) == []
    assert result.decisions > 3_000
    assert result.arrivals > 100
    # otherwise nothing was tested
    assert result.breaches > 20
    assert result.nr_fds[-1] == result.nr_fds[0]

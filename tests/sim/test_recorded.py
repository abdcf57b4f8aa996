"""A recorded load does to each block what its program says of the bytes in it."""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.sim import SimHost

from .helpers import MAPPING_START, MIB, PROFILE, Bench, mapped, running

Row = tuple[float, float, float, float, float]
SIZE = 64 * MIB
# Blocks of a footprint of 64 MiB: it is followed in 4096 of them.
BLOCK = 16384


def recorded(
    rows: Sequence[Sequence[float]], footprint_bytes: float = SIZE, **parameters: float
) -> _core.Spec:
    values = {"footprint_bytes": float(footprint_bytes), "threads": 1.0, "activity": 1.0}
    return _core.Spec(
        "recorded",
        {name: (value, value) for name, value in {**values, **parameters}.items()},
        {name: (value, value) for name, value in PROFILE.items()},
        program=np.array(rows, dtype=np.float64),
    )


def resident(host: SimHost) -> int:
    return host.snapshot().resident_bytes


def test_what_is_not_mentioned_is_untouched_and_stays_so() -> None:
    host = running(recorded([(0.0, 0, 8 * MIB, 0.0), (5.0, 16 * MIB, 20 * MIB, 1.0)]))
    assert resident(host) == 8 * MIB
    host.advance(4.0)
    assert resident(host) == 8 * MIB
    host.advance(2.0)
    assert resident(host) == 12 * MIB
    host.advance(1000.0)
    assert resident(host) == 12 * MIB


def test_touched_shares_and_freed_memory() -> None:
    rows = [(0.0, 0, 8 * MIB, 1.0, 0.5), (3.0, 0, 4 * MIB, 0.0, 0.0), (6.0, 0, MIB, 1.0, 1.0)]
    host = running(recorded(rows))
    assert resident(host) == 4 * MIB
    host.advance(4.0)
    assert resident(host) == 2 * MIB
    host.advance(3.0)
    assert resident(host) == 3 * MIB


@pytest.mark.parametrize("start", [0.0, 3.0])
@pytest.mark.parametrize("speed", [0.5, 1.0, 4.0])
def test_a_loop_starts_again_and_speed_is_the_speed_of_the_program(
    start: float, speed: float
) -> None:
    rows = [(k * 1.0, 0, 8 * MIB, 1.0, (k + 1) / 8) for k in range(8)]
    host = running(recorded(rows, loop_s=8.0, speed=speed, start_s=start))
    for k in range(40):
        # in the middle of a row, as a step ends with the next sample
        host.advance((k + 0.5) / speed - host.snapshot().time_us / 1e6)
        assert resident(host) == ((k + start) % 8 + 1) * MIB


def test_long_steps_skip_whole_passes() -> None:
    rows = [(0.0, 0, 8 * MIB, 1.0, 0.25), (0.01, 0, 8 * MIB, 1.0, 1.0)]
    host = running(recorded(rows, loop_s=0.02, speed=1.0))
    host.advance(100.0)
    assert resident(host) in (2 * MIB, 8 * MIB)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_block_in_parts_looks_to_damon_like_its_parts(share: float) -> None:
    """One block of four pages, some of them always accessed, some never."""
    rows = [(0.0, 0, 16384, 0.0), (0.0, 0, share * 16384, 1e6)]
    host = running(recorded(rows, 4096 * 16384))
    host.advance(1.0)
    seen = []
    for _ in range(400):
        host.advance(0.1)
        first = mapped(host.snapshot())[0]
        seen.append(first.nr_accesses * (first.end - first.start) / 16384)
    # whatever the size of the region around it, so many checks hit the hot bytes
    deviation = math.sqrt(20 / 400) * 5
    assert sum(seen) / len(seen) == pytest.approx(20 * share, abs=20 * share * deviation)


def test_a_returning_range_leaves_no_trace() -> None:
    """A range that ends inside of blocks is exact however often it is played."""
    rows: list[tuple[float, float, float, float]] = [(0.0, 0.0, SIZE, 0.0)]
    rows += [(1.0 + k, 1000.0, BLOCK + 1000.0, 100.0 * (k % 2)) for k in range(100)]
    host = running(recorded([*rows, (200.0, 1000.0, BLOCK + 1000.0, 0.0)]))
    host.advance(202.0)
    host.advance(10.0)
    assert all(region.nr_accesses == 0 for region in mapped(host.snapshot()))


_BYTES = st.integers(0, 40).map(lambda k: k * BLOCK / 4)


@st.composite
def programs(draw: st.DrawFn) -> list[Row]:
    rows: list[Row] = []
    at = 0.0
    for _ in range(draw(st.integers(1, 12))):
        at += draw(st.sampled_from([0.0, 1.0, 2.0]))
        start, end = sorted(draw(st.lists(_BYTES, min_size=2, max_size=2, unique=True)))
        rows.append((at, start, end, draw(st.sampled_from([0.0, 1.0, 1e3])), draw(_SHARES)))
    return rows


_SHARES = st.sampled_from([0.0, 0.25, 0.5, 1.0])


@given(programs(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_resident_memory_is_what_a_byte_by_byte_player_finds(rows: list[Row], loops: bool) -> None:
    footprint = 8 * BLOCK
    loop_s = rows[-1][0] + 1.0 if loops else 0.0
    host = running(recorded(rows, footprint, loop_s=loop_s))
    block = 4096
    pieces = [0.0] * (footprint // block)
    played = 0
    for second in range(12):
        host.advance(second + 0.5 - host.snapshot().time_us / 1e6)
        while True:
            at, start, end, _, touched = rows[played % len(rows)]
            if (played >= len(rows) and not loops) or (
                at + loop_s * (played // len(rows)) > second + 0.5
            ):
                break
            for piece in range(len(pieces)):
                if start <= piece * block < end:
                    pieces[piece] = touched
            played += 1
        assert resident(host) == pytest.approx(sum(pieces) * block, abs=2)


def test_the_program_is_the_hosts_own() -> None:
    rows = np.array([(0.0, 0, 8 * MIB, 1.0), (5.0, 0, 16 * MIB, 1.0)])
    size = (float(SIZE), float(SIZE))
    spec = _core.Spec("recorded", {"footprint_bytes": size}, program=rows)
    rows[:] = math.nan
    batch = _core.Batch(4)
    for host in range(4):
        for seed in range(3):
            batch.reset(host, spec, seed, 0.02)
    del rows, spec
    gc.collect()
    batch.step(None, 6_000_000)
    assert batch.snapshot(3)["resident_bytes"] == 16 * MIB
    batch.reset(0, _core.Spec("kv"), 1, 0.02)
    batch.reset(1, recorded([(0.0, 0, MIB, 1.0)]), 1, 0.02)
    batch.step(None, 1_000_000)
    assert batch.snapshot(1)["resident_bytes"] == MIB


def test_a_spec_can_be_made_again() -> None:
    spec = recorded([(0.0, 0, MIB, 1.0)])
    size = (float(SIZE), float(SIZE))
    for k in range(1, 50):
        rows = np.array([(0.0, 0, k * 4096, 1.0)])
        spec.__init__("recorded", {"footprint_bytes": size}, program=rows)  # type: ignore[misc]
    with pytest.raises(ValueError, match="program"):
        spec.__init__("recorded")  # type: ignore[misc]
    assert Bench(spec).batch.snapshot(0)["resident_bytes"] == 49 * 4096


_GOOD = [(0.0, 0.0, 4096.0, 1.0, 1.0), (1.0, 0.0, 4096.0, 1.0, 1.0)]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0, 1e300])
@pytest.mark.parametrize("column", range(5))
def test_numbers_that_make_no_sense_are_refused(column: int, value: float) -> None:
    rows = np.array(_GOOD)
    rows[1, column] = value
    with pytest.raises(ValueError, match="program: "):
        _core.Spec("recorded", program=rows)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (np.array(_GOOD)[::-1].copy(), "sorted by time"),
        (np.array([(0.0, 4096.0, 4096.0, 1.0)]), "end behind its start"),
        (np.array([(0.0, 0.0, 2.0**46 + 4096, 1.0)]), "2.46"),
        (np.zeros((0, 5)), "262144 rows"),
        (np.zeros((2**18 + 1, 5)), "262144 rows"),
        (np.zeros((4, 3)), "four or five"),
        (np.zeros((4, 6)), "four or five"),
        (np.zeros(20), "rows by columns"),
        (np.zeros((4, 5), dtype=np.float32), "rows by columns"),
        (np.array([(0.0, k * 8192.0, k * 8192.0 + 4096, 1.0) for k in range(5000)]), "8192"),
        (None, "needs a program"),
    ],
)
def test_programs_that_cannot_be_played_are_refused(program: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.Spec("recorded", program=program)


def test_only_the_recorded_family_plays() -> None:
    with pytest.raises(ValueError, match="only the recorded family"):
        _core.Spec("kv", program=np.array(_GOOD))


@pytest.mark.parametrize("program", [3, "rows", object()])
def test_what_is_no_buffer_is_refused(program: object) -> None:
    with pytest.raises(TypeError):
        _core.Spec("recorded", program=program)


@pytest.mark.parametrize(("loop", "fits"), [((0, 0), 1), ((1, 1), 0), ((0, 9), 0), ((2, 9), 1)])
def test_a_loop_holds_its_program(loop: tuple[float, float], fits: bool) -> None:
    if fits:
        _core.Spec("recorded", {"loop_s": loop}, program=np.array(_GOOD))
        return
    with pytest.raises(ValueError, match="loop_s"):
        _core.Spec("recorded", {"loop_s": loop}, program=np.array(_GOOD))


def test_small_recordings_are_monitored_whole() -> None:
    for pages in (1, 3, 4096, 5000):
        host = running(recorded([(0.0, 0, pages * 4096, 1.0)], pages * 4096.0))
        host.advance(1.0)
        assert max(region.end for region in mapped(host.snapshot())) >= (
            MAPPING_START + pages * 4096
        )
        assert resident(host) == pages * 4096

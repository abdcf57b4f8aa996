"""The history remembers what DAMON told of each address, whatever happens to the chunks."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Snapshot

from .snapshots import GIB, MIB, snapshot

MAX_NR = 20
AGGR_S = 0.1
STEP_S = 5.0
RegionTuple = tuple[int, int, int, int]


def heat_matrix(history: _core.History) -> np.ndarray:
    """Steps x chunks, the newest first."""
    heat = np.frombuffer(history.heat(), dtype=np.uint8)
    return heat.reshape(len(history.times_us()), len(history.chunks()))


def heat_at(history: _core.History, back: int, address: int) -> int:
    """Heat of the chunk that holds ``address``; one without a chunk was never seen hot."""
    for chunk, start in enumerate(history.chunks()):
        if start <= address < start + history.chunk_bytes:
            return int(heat_matrix(history)[back, chunk])
    return 0


def accessed(region: RegionTuple, step_s: float) -> bool:
    _start, _end, nr_accesses, age = region
    return nr_accesses > 0 or age * AGGR_S < step_s - 1e-9


def reference_heat(regions: Sequence[RegionTuple], start: int, end: int, step_s: float) -> int:
    """Heat of [start, end) as the header defines it, bytes weighing in the regions' order."""
    total = hot = 0.0
    any_access = False
    for region in regions:
        overlap = min(region[1], end) - max(region[0], start)
        if overlap <= 0:
            continue
        total += overlap
        hot += overlap * (min(region[2], MAX_NR) / MAX_NR)
        any_access = any_access or accessed(region, step_s)
    return max(1, math.floor(hot / total * 255 + 0.5)) if any_access else 0


@st.composite
def layouts(draw: st.DrawFn) -> list[RegionTuple]:
    """Regions in a few mappings, far apart, in no special order."""
    regions = []
    for base in draw(st.lists(st.integers(0, (1 << 47) // 4096 - 1), min_size=1, max_size=4)):
        at = base * 4096
        for size in draw(st.lists(st.integers(1, 3000), min_size=1, max_size=12)):
            nr = draw(st.sampled_from((0, 0, 0, 1, 7, 20, 40)))
            regions.append((at, at + size * 4096, nr, draw(st.integers(0, 120))))
            at += size * 4096
    return draw(st.permutations(regions))


@given(st.lists(layouts(), min_size=1, max_size=6))
@settings(deadline=None)
def test_heat_is_what_the_regions_say(steps: list[list[RegionTuple]]) -> None:
    history = _core.History()
    for number, regions in enumerate(steps):
        history.update(snapshot(STEP_S * (number + 1), regions))
        step_s = STEP_S if number else 0.0
        for start, heat in zip(history.chunks(), heat_matrix(history)[0], strict=True):
            end = start + history.chunk_bytes
            assert heat == reference_heat(regions, start, end, step_s)


@given(st.lists(layouts(), min_size=2, max_size=6))
@settings(deadline=None)
def test_what_was_hot_stays_hot_in_the_past(steps: list[list[RegionTuple]]) -> None:
    history = _core.History()
    for number, regions in enumerate(steps):
        history.update(snapshot(STEP_S * (number + 1), regions))
    for number, regions in enumerate(steps):
        back = len(steps) - 1 - number
        for region in regions:
            if accessed(region, STEP_S if number else 0.0):
                assert heat_at(history, back, region[0]) > 0
                assert heat_at(history, back, region[1] - 1) > 0


@given(st.lists(layouts(), min_size=1, max_size=4))
@settings(deadline=None)
def test_chunks_are_few_sorted_aligned_and_cover_everything(
    steps: list[list[RegionTuple]],
) -> None:
    history = _core.History()
    for number, regions in enumerate(steps):
        history.update(snapshot(STEP_S * (number + 1), regions))
        chunks = history.chunks()
        size = history.chunk_bytes
        assert size >= 4096
        assert len(chunks) <= 128
        assert list(chunks) == sorted(set(chunks))
        assert all(start % size == 0 for start in chunks)
        for start, end, _nr, _age in regions:
            assert {start // size * size, (end - 1) // size * size} <= set(chunks)


def test_a_hot_region_costs_its_chunk_by_its_bytes() -> None:
    history = _core.History()
    regions = [(0, 4 * MIB, 0, 900), (4 * MIB, 5 * MIB, 10, 3), (5 * MIB, 512 * MIB, 0, 900)]
    history.update(snapshot(1, regions))
    assert history.chunk_bytes == 4 * MIB
    # a quarter of its bytes is accessed in half of the samples
    assert heat_at(history, 0, 4 * MIB) == round(255 / 4 / 2)
    assert heat_at(history, 0, 0) == 0


def test_idle_for_less_than_the_step_is_an_access() -> None:
    history = _core.History()
    regions = [(0, MIB, 0, 49), (MIB, 2 * MIB, 0, 50)]
    history.update(snapshot(1.0, regions))
    assert not any(heat_matrix(history)[0]), "how long the first step was is not known"
    history.update(snapshot(6.0, regions))
    assert heat_at(history, 0, 0) == 1
    assert heat_at(history, 0, MIB) == 0
    history.update(snapshot(11.1, regions))
    assert heat_at(history, 0, MIB) == 1, "a late step looks further back"


def test_growth_joins_chunks_and_keeps_their_history() -> None:
    history = _core.History()
    history.update(snapshot(1, [(0, MIB, 20, 0), (MIB, 64 * MIB, 0, 900)]))
    small = history.chunk_bytes
    history.update(snapshot(6, [(0, 64 * GIB, 0, 900)]))
    assert history.chunk_bytes == 512 * MIB > small
    assert heat_at(history, 1, 0) == 255
    assert heat_at(history, 0, 0) == 0


def test_shrinking_halves_chunks_once_the_past_is_forgotten() -> None:
    history = _core.History()
    history.update(snapshot(0, [(0, 64 * MIB, 20, 0), (64 * MIB, GIB, 20, 0)]))
    large = history.chunk_bytes
    small = [(0, 4 * MIB, 20, 0), (4 * MIB, 64 * MIB, 0, 10_000)]
    for step in range(1, 300):
        history.update(snapshot(5 * step, small))
        if step < 256:
            assert history.chunk_bytes == large, "what was hot within the ring is remembered"
    assert history.chunk_bytes == MIB
    assert heat_at(history, 10, 3 * MIB) == 255
    assert heat_at(history, 10, 5 * MIB) == 0
    # steps from before the halving say of both halves what they said of the whole
    assert heat_at(history, 200, 6 * MIB) > 0


def test_a_mapping_that_goes_is_forgotten_with_its_last_hot_step() -> None:
    history = _core.History()
    there, gone = (GIB, GIB + MIB, 20, 0), (8 * GIB, 8 * GIB + MIB, 20, 0)
    history.update(snapshot(0, [there, gone]))
    for step in range(1, 256):
        history.update(snapshot(5 * step, [there]))
    assert heat_at(history, 255, 8 * GIB) == 255
    history.update(snapshot(5 * 256, [there]))
    history.update(snapshot(5 * 257, [there]))
    assert max(history.chunks()) < 2 * GIB


def test_the_ring_holds_the_last_steps_in_order() -> None:
    history = _core.History()
    for step in range(300):
        history.update(snapshot(5 * step, [(0, MIB, step % 21, 1000)]))
    assert history.nr_steps == 300
    assert history.times_us() == tuple(5_000_000 * step for step in range(299, 43, -1))
    heats = [heat_at(history, back, 0) for back in range(256)]
    assert heats == [
        math.floor((299 - back) % 21 / 20 * 255 + 0.5) if (299 - back) % 21 else 0
        for back in range(256)
    ]


def test_the_same_snapshot_again_is_no_step() -> None:
    history = _core.History()
    same = snapshot(7, [(0, MIB, 20, 0)])
    history.update(same)
    history.update(same)
    assert history.nr_steps == 1


def test_an_older_snapshot_begins_anew() -> None:
    history = _core.History()
    history.update(snapshot(100, [(0, MIB, 20, 0)]))
    history.update(snapshot(105, [(0, MIB, 20, 0)]))
    history.update(snapshot(3, [(GIB, 2 * GIB, 20, 0)]))
    assert history.nr_steps == 1
    assert min(history.chunks()) == GIB


HOSTILE = {
    "nothing is monitored": snapshot(10, []),
    "a region is empty": snapshot(10, [(MIB, MIB, 5, 1)]),
    "all addresses": snapshot(10, [(0, 2**64 - 1, 20, 0)]),
    "the last page": snapshot(10, [(2**64 - 4096, 2**64 - 1, 20, 0)]),
    "both ends of all addresses": snapshot(
        10, [(0, 1, 1, 1), (2**64 - 2, 2**64 - 1, 2**32 - 1, 2**32 - 1)]
    ),
    "regions overlap": snapshot(10, [(0, GIB, 20, 0), (MIB, 2 * GIB, 0, 9), (0, GIB, 1, 1)]),
    "regions are scattered": snapshot(10, [(i << 50, (i << 50) + 1, 1, 0) for i in range(9000)]),
    "time at its end": snapshot((2**64 - 2**12) / 1e6, [(0, GIB, 3, 2**32 - 1)]),
    "one long aggregation": snapshot(10, [(0, GIB, 3, 5)], sample_us=1, aggr_us=2**64 - 1),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_snapshot_is_taken_in_and_gone_again(hostile: Snapshot) -> None:
    history = _core.History()
    ordinary = [(0x5555_0000_0000, 0x5555_0000_0000 + 64 * MIB, 20, 0)]
    history.update(snapshot(5, ordinary))
    history.update(hostile)
    assert history.nr_steps == 2
    assert len(history.chunks()) <= 128
    assert heat_at(history, 1, 0x5555_0000_0000) == 255
    start = min(hostile.time_us / 1e6, 10.0)
    for step in range(1, 3000):
        history.update(snapshot(start + 5 * step, ordinary))
    assert history.chunk_bytes <= 4 * MIB
    assert heat_at(history, 0, 0x5555_0000_0000) == 255


def test_history_takes_snapshots_alone() -> None:
    with pytest.raises(AttributeError):
        _core.History().update(object())
    with pytest.raises(TypeError):
        _core.History(1)


def test_a_scheme_that_acts_on_idle_memory_does_not_look_like_an_access() -> None:
    idle = [(0, 8 * MIB, 0, 190), (8 * MIB, 16 * MIB, 0, 60)]
    acted = [(0, 8 * MIB, 0, 10), (8 * MIB, 16 * MIB, 0, 10)]
    seen = {}
    for acted_age in (200, 4294967295):
        history = _core.History()
        history.update(snapshot(0.0, idle), acted_age=acted_age)
        history.update(snapshot(5.0, acted), acted_age=acted_age)
        seen[acted_age] = [heat_at(history, 0, address) for address in (0, 8 * MIB)]
    # the first half would have been 24 s old, and the scheme acts from 20 s on
    assert seen == {200: [0, 1], 4294967295: [1, 1]}
    history.update(snapshot(10.0, [(0, 16 * MIB, 1, 0)]), acted_age=1)
    assert heat_at(history, 0, 0) == heat_at(history, 0, 8 * MIB) > 1

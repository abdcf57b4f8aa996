"""Patterns, reuse intervals and groups are told from what consecutive snapshots say."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.host import Snapshot
from damon_tuner.policies.attributes import Attributes, Chunk

from .snapshots import MIB, snapshot

CHUNK = 4 * MIB
NR = 100
STEP_S = 5.0
AGGR_S = 0.1


class Memory:
    """Chunks of which some are used now; the ages are those that DAMON would have."""

    def __init__(self) -> None:
        self.attributes = Attributes()
        self.now_s = 100.0
        self._last_use_s = [0.0] * NR

    def step(self, used: set[int], *, since: dict[int, float] | None = None) -> None:
        """``used`` are in use now; ``since`` tells how long ago others were, in this step."""
        self.now_s += STEP_S
        for chunk, ago_s in (since or {}).items():
            self._last_use_s[chunk] = self.now_s - ago_s
        for chunk in used:
            self._last_use_s[chunk] = self.now_s
        self.attributes.update(self._snapshot(used))

    def _snapshot(self, used: set[int]) -> Snapshot:
        ages = [round((self.now_s - last_s) / AGGR_S) for last_s in self._last_use_s]
        regions = [
            (i * CHUNK, (i + 1) * CHUNK, 8 if i in used else 0, 0 if i in used else ages[i])
            for i in range(NR)
        ]
        return snapshot(self.now_s, regions)

    def settle(self) -> None:
        for _ in range(3):
            self.step(set())

    def chunk(self, number: int) -> Chunk:
        return self.attributes.chunks()[number]

    def patterns(self) -> list[str]:
        return [chunk.pattern for chunk in self.attributes.chunks()]


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.mark.parametrize("direction", [1, -1])
def test_a_window_that_passes_over_memory_is_sequential(memory: Memory, direction: int) -> None:
    memory.settle()
    order = list(range(20, 80))[::direction]
    for _ in range(3):
        for at in range(len(order)):
            memory.step({order[at]})
    patterns = memory.patterns()
    assert patterns[20:80] == ["sequential"] * 60
    assert set(patterns[:20] + patterns[80:]) == {"idle"}
    assert {memory.chunk(i).direction for i in range(20, 80)} == {direction}


def test_a_sweep_faster_than_snapshots_shows_in_ages(memory: Memory) -> None:
    memory.settle()
    for _ in range(3):
        # all of it within one step; what was passed first has been idle for longest
        memory.step(set(), since={i: 4.9 - 0.06 * i for i in range(20, 80)})
        for _ in range(4):
            memory.step(set())
    assert set(memory.patterns()[20:80]) == {"sequential"}


@pytest.mark.parametrize("seed", range(5))
def test_what_is_used_in_random_order_is_irregular(memory: Memory, seed: int) -> None:
    rng = random.Random(seed)
    memory.settle()
    for _ in range(200):
        memory.step({rng.randrange(20, 80) for _ in range(2)})
    patterns = memory.patterns()[20:80]
    assert patterns.count("irregular") >= 50
    assert patterns.count("sequential") <= 3


def test_a_sweep_does_not_jump_over_holes() -> None:
    # eight mappings far apart, of one chunk each, used one after the other
    attributes = Attributes()
    for step in range(1, 80):
        attributes.update(
            snapshot(
                step * STEP_S,
                [
                    (at << 40, (at << 40) + CHUNK, *((9, 0) if used else (0, 1000)))
                    for at in range(1, 17)
                    for used in [step > 10 and step % 16 == at - 1]
                ],
            )
        )
    assert {chunk.pattern for chunk in attributes.chunks()} == {"irregular"}


def test_what_begins_all_at_once_is_no_sweep(memory: Memory) -> None:
    memory.settle()
    for step in range(60):
        memory.step(set(range(20, 80)) if step % 10 == 0 else set())
    assert set(memory.patterns()[20:80]) == {"irregular"}


def test_what_is_always_used_is_steady_and_what_never_is_is_idle(memory: Memory) -> None:
    for step in range(50):
        memory.step(set(range(10)) if step % 2 else set(range(5)))
    assert memory.patterns() == ["steady"] * 10 + ["idle"] * 90
    assert memory.chunk(0).reuse_s == 0.0
    assert memory.chunk(50).reuse_s is None


def test_reuse_is_the_mean_time_from_use_to_use(memory: Memory) -> None:
    memory.settle()
    for step in range(100):
        used = {7} if step % 8 < 2 else set()
        memory.step(used | ({9} if step % 20 == 0 else set()))
    assert memory.chunk(7).reuse_s == pytest.approx(8 * STEP_S, abs=0.1)
    assert memory.chunk(9).reuse_s == pytest.approx(20 * STEP_S, abs=0.1)


def test_uses_are_forgotten_with_the_history(memory: Memory) -> None:
    memory.settle()
    for step in range(40):
        memory.step({7} if step % 8 == 0 else set())
    assert memory.chunk(7).pattern == "irregular"
    for _ in range(256):
        memory.step(set())
    assert memory.chunk(7).pattern == "idle"
    assert memory.chunk(7).reuse_s is None


def test_what_begins_to_be_used_together_is_of_one_group(memory: Memory) -> None:
    memory.settle()
    rng = random.Random(1)
    together, others = {3, 40, 90}, {5, 6, 70}
    for _ in range(40):
        memory.step(rng.choice((together, others)))
        for _ in range(rng.randrange(3, 6)):
            memory.step(set())
    chunks = memory.attributes.chunks()
    assert len({chunks[i].group for i in together}) == 1
    assert len({chunks[i].group for i in others}) == 1
    assert chunks[3].group != chunks[5].group
    assert None not in (chunks[3].group, chunks[5].group)
    assert {c.group for i, c in enumerate(chunks) if i not in together | others} == {None}


def test_chunks_that_are_used_one_after_the_other_are_no_group(memory: Memory) -> None:
    memory.settle()
    for _ in range(20):
        memory.step({10})
        memory.step(set())
        memory.step(set())
        memory.step({50})
        for _ in range(3):
            memory.step(set())
    assert memory.chunk(10).group is None
    assert memory.chunk(50).group is None


def test_a_scheme_that_acts_does_not_look_like_an_access() -> None:
    acted, not_told = _core.Attributes(), _core.Attributes()
    for step in range(1, 100):
        # idle memory that is paged out again and again at an age of 30 s
        age = step * 50 % 300
        seen = snapshot(step * STEP_S, [(i * CHUNK, (i + 1) * CHUNK, 0, age) for i in range(NR)])
        acted.update(seen, acted_age=300)
        not_told.update(seen)
    assert {chunk[4] for chunk in acted.chunks()} == {"idle"}
    assert {chunk[4] for chunk in not_told.chunks()} == {"irregular"}


def test_what_is_known_of_a_chunk_moves_with_its_address(memory: Memory) -> None:
    memory.settle()
    for step in range(40):
        memory.step({7} if step % 8 == 0 else set())
    before = memory.chunk(7)
    now_s = memory.now_s + STEP_S
    # twice as much memory, in larger chunks
    regions = [(0, 2 * NR * CHUNK, 0, 10_000)]
    memory.attributes.update(snapshot(now_s, regions))
    found = {chunk.start: chunk for chunk in memory.attributes.chunks()}
    assert set(found) == set(range(0, 2 * NR * CHUNK, 2 * CHUNK))
    # a chunk goes on with what was known where it begins
    assert found[6 * CHUNK].pattern == "idle"
    assert before.pattern == "irregular"


def test_time_that_goes_back_begins_anew(memory: Memory) -> None:
    memory.settle()
    for step in range(40):
        memory.step({7} if step % 8 == 0 else set())
    memory.attributes.update(snapshot(1.0, [(0, CHUNK, 0, 0)]))
    assert set(memory.patterns()) == {"idle"}
    assert memory.chunk(0).reuse_s is None


def test_ranges_join_what_is_alike_and_leave_holes_out(memory: Memory) -> None:
    attributes = Attributes()
    hole = 1 << 40
    for step in range(1, 30):
        attributes.update(
            snapshot(
                step * STEP_S,
                [
                    (0, 20 * MIB, 20, 10),
                    (20 * MIB, 64 * MIB, 0, step * 50),
                    (hole, hole + 8 * MIB, 0, step * 50),
                ],
            )
        )
    ranges = attributes.ranges()
    assert [(r.pattern, r.heat_class) for r in ranges] == [
        ("steady", "hot"),
        ("idle", "idle"),
        ("idle", "idle"),
    ]
    assert ranges[0].start == 0
    assert ranges[-2].end == 64 * MIB
    assert (ranges[-1].start, ranges[-1].end) == (hole, hole + 8 * MIB)
    assert sum(r.bytes for r in ranges) == 72 * MIB


REGIONS = st.lists(
    st.tuples(
        st.integers(0, 3),  # a hole before it, in units
        st.integers(1, 40),
        st.integers(0, 25),
        st.integers(0, 2**32 - 1),
    ),
    max_size=20,
)


@given(
    steps=st.lists(st.tuples(st.integers(0, 30_000_000), REGIONS), max_size=25),
    unit=st.sampled_from([1, 4096, 2 * MIB, 1 << 40]),
    acted_age=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_whatever_is_seen_features_are_bounded(
    steps: list[tuple[int, list[tuple[int, int, int, int]]]], unit: int, acted_age: int
) -> None:
    attributes = _core.Attributes()
    now_us = 0
    for passed_us, described in steps:
        now_us += passed_us
        at, regions = 0, []
        for hole, size, nr_accesses, age in described:
            start = at + hole * unit
            at = start + size * unit
            regions.append((start, at, nr_accesses, age))
        attributes.update(snapshot(now_us / 1e6, regions), acted_age=acted_age)
        features = attributes.features()
        shares = {name: value for name, value in features.items() if name != "reuse_log"}
        assert all(0.0 <= value <= 1.0 + 1e-6 for value in shares.values())
        assert -1.0 <= features["reuse_log"] <= 1.0
        patterns = ("sequential", "irregular", "steady")
        assert sum(features[f"{name}_share"] for name in patterns) <= 1.0 + 1e-6
        for chunk in attributes.chunks():
            assert chunk[5] == -1.0 or 0.0 <= chunk[5] < 1e7
            assert (chunk[7] != 0) == (chunk[4] == "sequential")


def test_bad_input_is_refused() -> None:
    attributes = _core.Attributes()
    with pytest.raises(AttributeError):
        attributes.update(object())
    with pytest.raises(OverflowError):
        attributes.update(snapshot(1.0, []), acted_age=2**32)
    assert attributes.chunks() == ()
    assert set(attributes.features().values()) == {0.0}

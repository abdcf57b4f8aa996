"""The timed work in C: it does what it says, and refuses what it cannot do."""

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.kernel_iface.calibrate.area import PAGE_BYTES, Area

PATTERN = 0x1234_5678_9ABC_DEF0


def test_reads_from_memory_take_longer_than_from_the_nearest_cache() -> None:
    accesses = 1 << 16
    with Area(128 << 20, "small") as area:
        _core.bench_fill(area.view, PATTERN)
        near = min(
            _core.bench_random_ns(area.view[: 8 << 10], accesses, 1, PATTERN, s) for s in range(5)
        )
        far = _core.bench_random_ns(area.view, accesses, 1, PATTERN, 0)
        at_a_time = _core.bench_random_ns(area.view, accesses, 8, PATTERN, 0)
    # Four cycles and a little against a walk and a miss: a factor of 30 on most machines.
    assert far > 5 * near
    assert at_a_time < far


@pytest.mark.parametrize("chains", [1, 8])
def test_one_changed_word_is_noticed(chains: int) -> None:
    with Area(4096, "small") as area:
        _core.bench_fill(area.view, PATTERN)
        area.view[0] = area.view[0] ^ 1
        with pytest.raises(ValueError, match="fill it first"):
            # 64 lines: each of them is the last one read by some seed
            for seed in range(2000):
                _core.bench_random_ns(area.view, 64, chains, PATTERN, seed)


@pytest.mark.parametrize("size", [0, 32, 192, 4096 + 64])
def test_sizes_that_are_no_power_of_two_lines_are_refused(size: int) -> None:
    with (
        Area(8192, "small") as area,
        pytest.raises(ValueError, match="power of two"),
        area.view[:size] as part,
    ):
        _core.bench_random_ns(part, 1, 1, PATTERN, 0)


def test_other_bad_arguments_are_refused() -> None:
    memory = bytearray(4096)
    with pytest.raises(ValueError, match="1 or 8 chains"):
        _core.bench_random_ns(memory, 1, 2, PATTERN, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="same size"):
        _core.bench_copy_ns(memory, bytearray(1), 1)
    for nr_pages in (0, 4097):
        with pytest.raises(ValueError, match="same size"):
            _core.bench_copy_pages_ns(memory, memory, nr_pages, 0)
    with pytest.raises(ValueError, match="step"):
        _core.bench_touch_ns(memory, 0)
    with pytest.raises(ValueError, match="step"):
        _core.bench_touch_ns(memory, 1 << 63)
    for unit in (0, 4097):
        with pytest.raises(ValueError, match="unit"):
            _core.bench_move_pages(memory, unit, -1)
    for page_bytes in (0, 1, 1 << 16):
        with pytest.raises(ValueError, match="page"):
            _core.bench_compression(memory, page_bytes)
    with pytest.raises(BufferError):
        _core.bench_fill(bytes(8), 0)


def test_touch_writes_one_byte_a_step() -> None:
    memory = bytearray(10)
    _core.bench_touch_ns(memory, 4)
    assert memory == bytes([1, 0, 0, 0, 1, 0, 0, 0, 1, 0])


def test_copies_copy() -> None:
    source, to = bytearray(b"ab" * 4096), bytearray(8192)
    assert _core.bench_copy_ns(to, source, 3) > 0
    assert to == source
    pages = bytearray(8192)
    for seed in range(8):
        _core.bench_copy_pages_ns(pages, source, 2, seed)
    assert pages == source


def test_pages_in_memory_are_counted() -> None:
    with Area(8 * PAGE_BYTES, "small") as area:
        _core.bench_touch_ns(area.view[: 3 * mmap.PAGESIZE], mmap.PAGESIZE)
        _, there = _core.bench_move_pages(area.view, PAGE_BYTES, -1)
    assert there == 3 * mmap.PAGESIZE // PAGE_BYTES


@pytest.mark.parametrize("node", [1023, 1024, 1 << 31])
def test_memory_of_a_node_that_is_not_there_is_refused(node: int) -> None:
    with Area(PAGE_BYTES, "small") as area, pytest.raises(OSError):
        _core.bench_bind_node(area.view, node)


_PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40), st.builds(lambda b, n: b * n, st.binary(), st.integers(0, 300))
    )
)


@given(_PIECES)
def test_what_was_compressed_comes_back(pieces: list[bytes]) -> None:
    data = b"".join(pieces)[:65535]
    packed = _core.lz_compress(data, 2 * len(data) + 16)
    if not data:
        assert packed is None
        return
    assert packed is not None
    assert _core.lz_decompress(packed, len(data)) == data
    assert _core.lz_decompress(packed, len(data) - 1) is None
    assert _core.lz_compress(data, len(packed)) == packed
    assert _core.lz_compress(data, len(packed) - 1) is None


@given(st.binary(max_size=300), st.integers(0, 5000))
def test_damaged_input_never_gives_more_than_there_is_room(data: bytes, room: int) -> None:
    restored = _core.lz_decompress(data, room)
    assert restored is None or len(restored) <= room


def test_what_repeats_gets_smaller_and_noise_does_not() -> None:
    import random

    noise = random.Random(1).randbytes(PAGE_BYTES)
    *_, nr_stored, stored_bytes = _core.bench_compression(noise + bytes(PAGE_BYTES), PAGE_BYTES)
    assert nr_stored == 1
    assert stored_bytes < 64
    assert _core.lz_compress(bytes(70_000), 70_000) is None

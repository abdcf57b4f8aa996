"""A tenant's experience plays in the simulator as the load that it was."""

from __future__ import annotations

import gzip
import math
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from damon_tuner import _core
from damon_tuner.checked_line import checked_line, read_checked_line
from damon_tuner.cli import main
from damon_tuner.daemon.experience import Experience, pack_regions
from damon_tuner.daemon.experience.record import encode
from damon_tuner.envs import EpisodeConfig
from damon_tuner.envs.batch import SimBatch
from damon_tuner.envs.preview import find_workload
from damon_tuner.envs.recorded import Recording, experience, load_recording
from damon_tuner.envs.recorded.layer import Layer, newest_rows
from damon_tuner.envs.workload_file import Workload, load_workload, recorded_workload
from damon_tuner.errors import RecordingError, TunerError
from damon_tuner.kernel_iface.host import Region
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.policies.schema import RECLAIM
from damon_tuner.training.evaluate import evaluate

from ...daemon.experiences import BEGUN_S, MIB, RECORD, keep, lived

HEAP, MAP = 0x5555_0000_0000, 0x7F00_0000_0000
ALWAYS_HZ = math.log(2 * 20) / 0.005
IDLE = 600


def seen(*regions: tuple[int, int, int, int], at_s: float = 0.0, **changes: object) -> Experience:
    """A decision at which DAMON saw ``regions``: start, end, nr_accesses, age."""
    tenant_bytes = sum(end - start for start, end, *_ in regions)
    record = replace(
        RECORD,
        time_s=BEGUN_S + at_s,
        regions=pack_regions([Region(*region) for region in regions]),
        mode="shadow",
        resident_bytes=tenant_bytes,
        swapped_bytes=0,
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def played(tmp_path: Path, records: Sequence[Experience], **options: str) -> Recording:
    folder = tmp_path / "experience"
    keep(folder, list(records))
    return load_recording(folder, None, options)


def state_at(recording: Recording, at_s: float, byte: float) -> tuple[float, float]:
    """Rate and touched share of a byte, as the rows say."""
    state = (0.0, 0.0)
    for at, start, end, rate_hz, touched in recording.rows:
        if at <= at_s and start <= byte < end:
            state = (float(rate_hz), float(touched))
    return state


def test_each_decision_holds_until_the_next(tmp_path: Path) -> None:
    records = [
        seen((HEAP, HEAP + MIB, 0, IDLE), (MAP, MAP + MIB, 20, 3), at_s=0.0),
        seen((HEAP, HEAP + MIB, 10, 0), (MAP, MAP + MIB, 20, 3), at_s=5.0),
        seen((HEAP, HEAP + MIB, 10, 50), (MAP, MAP + MIB, 0, IDLE), at_s=10.0),
    ]
    recording = played(tmp_path, records)
    assert recording.format == "experience"
    assert recording.footprint_bytes == 2 * MIB
    assert recording.loop_s == 15.0
    half_hz = math.log(2) / 0.005
    assert state_at(recording, 4.9, 0) == (0.0, 1.0)
    assert state_at(recording, 5.0, 0) == pytest.approx((half_hz, 1.0))
    assert state_at(recording, 9.9, MIB) == pytest.approx((ALWAYS_HZ, 1.0))
    assert state_at(recording, 10.0, MIB) == (0.0, 1.0)
    # What stays as it is needs no row.
    assert len(recording.rows) == 4


@pytest.mark.parametrize(
    ("age", "rate_hz"),
    [
        (0, -math.log(1 - 1 / 20) / 0.005),
        (9, -math.log(1 - 0.1 / 20) / 0.005),
        (48, -math.log(1 - 1 / 49 / 20) / 0.005),
        (49, 0.0),
        (IDLE, 0.0),
    ],
)
def test_a_young_region_was_accessed_since_the_decision_before(
    tmp_path: Path, age: int, rate_hz: float
) -> None:
    recording = played(
        tmp_path, [seen((MAP, MAP + MIB, 0, age), (MAP + MIB, MAP + 2 * MIB, 5, 0))]
    )
    assert state_at(recording, 0.0, 0) == pytest.approx((rate_hz, 1.0))


OLD_MIN_AGE = {"knobs": {"min_age_s": 30.0}, "mode": "act"}


@pytest.mark.parametrize(
    ("before", "changes", "was_accessed"),
    [
        # It was too young to be paged out by now, or in use.
        ((MAP, MAP + MIB, 0, 249), OLD_MIN_AGE, True),
        ((MAP, MAP + MIB, 1, 400), OLD_MIN_AGE, True),
        ((MAP, MAP + MIB, 0, 250), OLD_MIN_AGE, False),
        ((MAP, MAP + MIB, 0, 400), OLD_MIN_AGE, False),
        ((MAP, MAP + MIB, 0, 400), {**OLD_MIN_AGE, "mode": "shadow"}, True),
        ((MAP, MAP + MIB, 0, 0), {**OLD_MIN_AGE, "knobs": {}}, False),
        # It was not there.
        ((HEAP, HEAP + MIB, 0, 0), OLD_MIN_AGE, False),
        ((MAP + MIB, MAP + 2 * MIB, 0, 0), OLD_MIN_AGE, False),
    ],
)
def test_what_page_out_made_young_was_not_accessed(
    tmp_path: Path,
    before: tuple[int, int, int, int],
    changes: dict[str, object],
    was_accessed: bool,
) -> None:
    records = [
        seen(before, **changes),
        seen((MAP, MAP + MIB, 0, 3), (MAP + MIB, MAP + 2 * MIB, 20, 0), at_s=5.0, **changes),
    ]
    recording = played(tmp_path, records)
    at_byte = recording.footprint_bytes - 2 * MIB
    assert (state_at(recording, 5.0, at_byte)[0] > 0.0) == was_accessed


def test_a_single_segment_is_a_recording_compressed_or_not(tmp_path: Path) -> None:
    lines = b"".join(encode(seen((MAP, MAP + MIB, k, 0), at_s=5.0 * k)) for k in range(1, 4))
    for name, data in (("a", lines), ("b", gzip.compress(lines))):
        (tmp_path / name).write_bytes(data)
        recording = load_recording(tmp_path / name)
        assert (recording.format, recording.loop_s) == ("experience", 15.0)


def test_stretches_follow_each_other_from_address_0(tmp_path: Path) -> None:
    run = "3d" * 16
    records = [
        seen((HEAP, HEAP + 3 * MIB, 20, 0), at_s=0.0),
        seen((HEAP, HEAP + 3 * MIB, 20, 0), at_s=5.0),
        # An hour later, after a restart of everything, at other addresses.
        seen((MAP, MAP + MIB, 10, 0), at_s=3600.0, run=run),
        seen((MAP, MAP + MIB, 10, 0), at_s=3605.0, run=run),
    ]
    recording = played(tmp_path, records)
    assert recording.footprint_bytes == 3 * MIB
    assert recording.loop_s == 20.0
    assert state_at(recording, 9.0, 2 * MIB) == pytest.approx((ALWAYS_HZ, 1.0))
    assert state_at(recording, 10.0, 0) == pytest.approx((math.log(2) / 0.005, 1.0))
    assert state_at(recording, 10.0, 2 * MIB) == (0.0, 0.0)


def test_processes_whose_addresses_are_the_same_follow_each_other(tmp_path: Path) -> None:
    recording = played(
        tmp_path,
        [
            seen((MAP, MAP + MIB, 20, 0), (MAP, MAP + 2 * MIB, 0, IDLE)),
            seen((MAP, MAP + MIB, 20, 0), at_s=5.0),
        ],
    )
    assert recording.footprint_bytes == 3 * MIB
    assert state_at(recording, 0.0, 0) == pytest.approx((ALWAYS_HZ, 1.0))
    assert state_at(recording, 0.0, 2 * MIB) == (0.0, 1.0)
    assert state_at(recording, 5.0, 2 * MIB) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("tenant_mib", "never_share"), [(8, 1.0), (6, 4 / 6), (2, 0.0), (1, 0.0), (80, 1.0)]
)
def test_memory_that_is_reserved_only_is_not_taken_as_used(
    tmp_path: Path, tenant_mib: int, never_share: float
) -> None:
    memory = {"resident_bytes": tenant_mib * MIB, "swapped_bytes": 0}
    records = [
        seen((MAP, MAP + MIB, 20, 0), (MAP + MIB, MAP + 8 * MIB, 0, IDLE), **memory),
        seen(
            (MAP, MAP + MIB, 0, IDLE),
            (MAP + MIB, MAP + 2 * MIB, 20, 0),
            (MAP + 2 * MIB, MAP + 8 * MIB, 0, IDLE),
            at_s=5.0,
            **memory,
        ),
    ]
    recording = played(tmp_path, records)
    for at_s in (0.0, 5.0):
        # What is accessed at any time is there all the time.
        assert state_at(recording, at_s, 0)[1] == state_at(recording, at_s, MIB)[1] == 1.0
        assert state_at(recording, at_s, 4 * MIB)[1] == pytest.approx(never_share)


MIXED = [
    *[seen((MAP, MAP + MIB, 20, 0), at_s=5.0 * k, tenant="redis") for k in range(3)],
    *[seen((MAP, MAP + 2 * MIB, 20, 0), at_s=1 + 5.0 * k, tenant="db\x1b") for k in range(5)],
    seen((MAP, MAP + 4 * MIB, 20, 0), tenant="web"),
]


def test_the_tenant_with_the_most_decisions_is_played_and_others_are_named(
    tmp_path: Path,
) -> None:
    recording = played(tmp_path, MIXED)
    assert recording.footprint_bytes == 2 * MIB
    assert recording.note == (
        "5 decisions of tenant 'db\\x1b'; not those of 'redis' (3), 'web' (1)"
    )


def test_a_tenant_can_be_chosen(tmp_path: Path) -> None:
    assert played(tmp_path, MIXED, tenant="web").footprint_bytes == 4 * MIB
    with pytest.raises(RecordingError, match=r"no tenant in it is called 'radis'.*'redis'"):
        load_recording(tmp_path / "experience", None, {"tenant": "radis"})


def test_damage_and_decisions_without_regions_are_told_of(tmp_path: Path) -> None:
    records = [
        seen((MAP, MAP + MIB, 20, 0)),
        seen(at_s=5.0),
        seen((MAP, MAP + MIB, 20, 0), at_s=10.0),
    ]
    keep(tmp_path / "experience", records)
    with (tmp_path / "experience" / "experience-00000001.jsonl").open("ab") as file:
        file.write(b"torn")
    recording = load_recording(tmp_path / "experience")
    assert recording.loop_s == 0.0
    assert recording.note == (
        "2 decisions of tenant 'redis'; not 1 that are older or without regions; "
        "not 1 lines that cannot be read"
    )


def test_a_workload_file_plays_the_tenant_that_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(tmp_path / "experience", MIXED)
    file = tmp_path / "mine.toml"
    file.write_text('recording = "experience"\ntenant = "redis"\n[workload]\nspeed = [0.5, 2]\n')
    workload = load_workload(file)
    assert workload.recording is not None
    assert workload.recording.footprint_bytes == MIB
    assert main(["workload", "show", str(file)]) == 0
    shown = capsys.readouterr().out
    assert "3 decisions of tenant 'redis'" in shown
    assert main(["workload", "show", str(tmp_path / "experience")]) == 0
    assert "'db\\x1b'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('recording = "experience"\ntenant = 3', "tenant must be a text"),
        ('recording = "experience"\ntenant = "nobody"', "no tenant in it is called 'nobody'"),
        ('recording = "experience"\nsample_us = 5', "sample_us is not for the format experience"),
        ('recording = "experience"\nformat = "damo"', "directory"),
        ('family = "kv"\ntenant = "redis"', "tenant is for a recording"),
        ('recording = "empty"', "cannot be read: there is no experience-00000001.jsonl"),
    ],
)
def test_a_workload_file_that_is_wrong_is_told_so_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    keep(tmp_path / "experience", MIXED)
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(TunerError, match=message) as caught:
        load_workload(tmp_path / "mine.toml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).count("experience: ") <= 1


GIB = 1 << 30


def steady_host() -> _core.Spec:
    """1 GiB, a quarter of which is hot."""
    rows = np.array([[0.0, 0.0, GIB, 0.0, 1.0], [0.0, GIB / 2, GIB * 3 / 4, 200.0, 1.0]])
    return _core.Spec("recorded", {"footprint_bytes": (float(GIB),) * 2}, program=rows)


def test_hot_memory_of_a_real_loop_stays_hot(tmp_path: Path) -> None:
    records, _ = lived(steady_host(), 60)
    # What DAMON has seen once it had the time to.
    workload = recorded_workload("steady", played(tmp_path, records[30:]))
    host = SimHost(workload.spec(), seed=2, attrs=MONITORING)
    host.start(STATIC_POLICIES["pageout_5s"].schemes)
    load = np.array(host._batch.load(0))
    hot = load[:, 0] > 50.0
    assert hot.mean() == pytest.approx(0.25, abs=0.05)
    assert load[~hot, 0].mean() < 1.0
    host.advance(60.0)
    snapshot = host.snapshot()
    faults = snapshot.major_faults
    # The rest is out, the hot quarter is in; what comes back is memory that shares its regions.
    assert 0.5 < snapshot.swapped_bytes / GIB < 0.8
    host.advance(60.0)
    assert (host.snapshot().major_faults - faults) * 4096 < 0.1 * GIB


def drawn_once(family: str, seed: int) -> Workload:
    """A load and a host of that family without anything left to chance."""
    batch = _core.Batch(1)
    batch.reset(0, _core.Spec(family), seed, 0.02)
    drawn = batch.parameters(0)
    load, host = (
        {name: (drawn[name], drawn[name]) for name, *_ in params if name in drawn}
        for params in (_core.FAMILIES[family], _core.PROFILE)
    )
    return Workload(family, family, load, host)


@pytest.mark.parametrize("policy", ["none", "pageout_30s"])
@pytest.mark.parametrize("family", ["kv", "phases", "oltp"])
def test_page_out_saves_and_costs_about_as_much_as_on_the_load_itself(
    tmp_path: Path, family: str, policy: str
) -> None:
    original = drawn_once(family, 5)
    records, _ = lived(original.spec(), 300, policy=STATIC_POLICIES[policy])
    if policy == "pageout_30s":
        records = [replace(record, knobs={"min_age_s": 30.0}) for record in records]
    else:
        records = [replace(record, mode="shadow") for record in records]
    # What a recording does not say.
    threads = {name: original.workload[name] for name in ("threads", "activity")}
    again = recorded_workload("again", played(tmp_path, records), threads, original.profile)
    contenders = {name: STATIC_POLICIES[name] for name in ("pageout_5s", "pageout_30s")}
    results = evaluate(contenders, [original, again], range(2), 0.02, nr_threads=2)
    for contender in contenders:
        of = {
            name: [r for r in results if (r.workload, r.policy) == (name, contender)]
            for name in (family, "again")
        }
        saving, slowdown = (
            {name: float(np.mean([getattr(r, metric) for r in of[name]])) for name in of}
            for metric in ("saving", "slowdown")
        )
        assert saving["again"] == pytest.approx(saving[family], abs=0.15)
        assert slowdown["again"] == pytest.approx(slowdown[family], abs=0.02, rel=0.4)


def test_training_steps_on_it(tmp_path: Path) -> None:
    keep(tmp_path / "experience", lived(_core.Spec("phases"), 40)[0])
    workload = find_workload(str(tmp_path / "experience"))
    batch = SimBatch(EpisodeConfig(workloads=(workload,), episode_s=60.0), 2)
    batch.reset()
    for _ in range(12):
        step = batch.step(np.zeros((2, RECLAIM.nr_knobs), dtype=np.float32))
    assert np.isfinite(step.observations).all() and np.isfinite(step.rewards).all()
    assert step.done.all()


STATES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 10), st.integers(0, 2), st.integers(0, 1)),
    max_size=4,
)


@given(st.lists(STATES, min_size=1, max_size=6), st.integers(0, 40))
def test_rows_say_what_layers_say_of_as_many_as_fit(
    painted: list[list[tuple[int, int, int, int]]], max_rows: int
) -> None:
    end_byte = 32
    memory = np.zeros((len(painted), end_byte, 2))
    layers = []
    for k, strokes in enumerate(painted):
        for start, size, rate, touched in strokes:
            memory[k, start : start + size] = rate, touched
        layers.append(Layer(5.0 * k, np.arange(end_byte, dtype=float), memory[k]))
    rows, nr_played = newest_rows(layers, end_byte, max_rows)
    assert 1 <= nr_played <= len(layers)
    assert nr_played == 1 or len(rows) <= max_rows
    played_memory = np.full((end_byte, 2), -1.0)
    for k, wanted in enumerate(memory[-nr_played:]):
        for _, start, end, *state in rows[rows[:, 0] == 5.0 * k]:
            played_memory[int(start) : int(end)] = state
        assert np.array_equal(played_memory, wanted)


def test_a_long_history_is_played_from_as_early_as_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [
        seen((MAP, MAP + MIB, k % 20, 0), (MAP + MIB, MAP + 2 * MIB, 0, IDLE), at_s=5.0 * k)
        for k in range(100)
    ]
    monkeypatch.setattr(experience, "MAX_ROWS", 30)
    recording = played(tmp_path, records)
    assert len(recording.rows) <= 30
    assert recording.loop_s == 29 * 5.0
    assert recording.note.startswith("29 decisions of tenant 'redis'; not 71 that are older")
    # The state at the beginning is whole.
    assert state_at(recording, 0.0, 1.5 * MIB) == (0.0, 1.0)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=3),
)
REGION_LISTS = st.lists(
    st.builds(Region, *[st.one_of(st.integers(0, 1 << 20), st.integers(0, 2**64 - 1))] * 4),
    max_size=5,
)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_lines_with_nonsense_and_the_right_checksum_are_played_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "experience-00000001.jsonl"
    lines = []
    for _ in range(data.draw(st.integers(1, 4))):
        content = read_checked_line(
            encode(replace(RECORD, regions=pack_regions(data.draw(REGION_LISTS))))
        )
        for name in data.draw(
            st.lists(st.sampled_from([f.name for f in fields(RECORD)]), max_size=3)
        ):
            content[name] = data.draw(JUNK)
        lines.append(checked_line(content))
    path.write_bytes(b"".join(lines))
    for file in (path, path.parent):
        try:
            recording = load_recording(file)
        except RecordingError as error:
            assert "\n" not in str(error)
            continue
        assert len(recording.rows) and recording.footprint_bytes > 0

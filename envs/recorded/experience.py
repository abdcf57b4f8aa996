"""The experience that the daemon keeps: what DAMON saw of one tenant at each decision.

Stretches without a gap are played one after another, each from address 0: what a process that was
restarted has at other addresses is the same memory of the simulated host.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

from damon_tuner.daemon.experience.reading import Kept, read_experience, stretches
from damon_tuner.daemon.experience.record import Experience
from damon_tuner.daemon.experience.regions import nr_regions
from damon_tuner.envs.recorded.layer import Layer, newest_rows
from damon_tuner.envs.recorded.recording import PAGE_BYTES, Recording, make_recording
from damon_tuner.envs.recorded.seen import seen_layers
from damon_tuner.errors import RecordingError
from damon_tuner.near import nearest

LINE_START = '{"sum":"'
# As the simulator has it.
MAX_ROWS = 1 << 18
# Half of the regions, or more, are as before: with more than these it cannot be enough.
_MAX_REGIONS = 4 * MAX_ROWS


def read(text: str, tenant: str | None = None) -> Recording:
    """Read one segment; ``tenant`` by default is the one with the most decisions in it."""
    kept = Kept()
    kept.add_lines(io.BytesIO(text.encode()))
    return _recording(kept, tenant)


def read_folder(path: Path, tenant: str | None = None) -> Recording:
    """Read a folder of segments; raises ``RecordingError``, as all here."""
    return _recording(read_experience(path), tenant)


def _recording(kept: Kept, tenant: str | None) -> Recording:
    chosen = _chosen(kept, tenant)
    records = [record for record in kept.records if record.tenant == chosen]
    layers, end_byte, length_s = _layers(_newest(records))
    rows, nr_played = newest_rows(layers, end_byte, MAX_ROWS)
    begun_s = layers[-nr_played].at_s
    nr_pages = -(-int(end_byte) // PAGE_BYTES)
    recording = make_recording("experience", rows, nr_pages * PAGE_BYTES, length_s - begun_s)
    return replace(recording, note=_note(kept, chosen, len(records), nr_played))


def _chosen(kept: Kept, tenant: str | None) -> str:
    counts = Counter(record.tenant for record in kept.records)
    if not counts:
        raise RecordingError(
            f"there is no decision in it that can be read ({kept.nr_damaged} damaged lines, "
            f"{kept.nr_foreign} of another release)"
        )
    if tenant is None:
        return counts.most_common(1)[0][0]
    if tenant not in counts:
        raise RecordingError(f"no tenant in it is called {tenant!r}{nearest(tenant, counts)}")
    return tenant


def _newest(records: Sequence[Experience]) -> Sequence[Experience]:
    """As many of the newest as could be played at all."""
    totals = accumulate(nr_regions(record.regions) for record in reversed(records))
    return records[-max(sum(total <= _MAX_REGIONS for total in totals), 1) :]


def _layers(records: Sequence[Experience]) -> tuple[list[Layer], float, float]:
    """All stretches one after another, the bytes that they need, and how long they last."""
    layers: list[Layer] = []
    end_byte = now_s = 0.0
    for stretch in stretches(records):
        own, own_end_byte = seen_layers(stretch)
        layers += [replace(layer, at_s=now_s + layer.at_s) for layer in own]
        end_byte = max(end_byte, own_end_byte)
        now_s += stretch[-1].time_s - stretch[0].time_s + stretch[-1].interval_s
    if not layers:
        raise RecordingError("DAMON saw no regions at any of its decisions")
    return layers, end_byte, now_s


def _note(kept: Kept, chosen: str, nr_records: int, nr_played: int) -> str:
    """What is played and what is not, for people."""
    said = [f"{nr_played:,} decisions of tenant {chosen!r}"]
    if nr_played < nr_records:
        said.append(f"not {nr_records - nr_played:,} that are older or without regions")
    others = Counter(record.tenant for record in kept.records if record.tenant != chosen)
    if others:
        names = ", ".join(f"{name!r} ({count:,})" for name, count in others.most_common())
        said.append(f"not those of {names}")
    if kept.nr_damaged or kept.nr_foreign:
        said.append(f"not {kept.nr_damaged + kept.nr_foreign:,} lines that cannot be read")
    return "; ".join(said)

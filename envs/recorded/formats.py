"""Which reader reads a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.envs.recorded import address_trace, damo_json, masim, perf_script
from damon_tuner.envs.recorded.recording import Recording
from damon_tuner.envs.recorded.source import read_text
from damon_tuner.errors import RecordingError


@dataclass(frozen=True, slots=True)
class Format:
    """A reader, and the one thing it may be told that its files do not say."""

    read: Callable[[str, float | None], Recording]
    option: str
    bounds: tuple[float, float]


FORMATS: Mapping[str, Format] = {
    "damo": Format(damo_json.read, "sample_us", (1.0, 1e9)),
    "perf-script": Format(perf_script.read, "sample_us", (1.0, 1e9)),
    "address-trace": Format(address_trace.read, "instructions_per_s", (1.0, 1e12)),
    "masim": Format(masim.read, "accesses_per_s", (1.0, 1e12)),
}


OPTIONS: Mapping[str, tuple[float, float]] = {
    each.option: each.bounds for each in FORMATS.values()
}


def load_recording(
    path: Path, format: str | None = None, options: Mapping[str, float] | None = None
) -> Recording:
    """Read a recording, compressed (zlib, gzip) or not.

    ``format`` is one of ``FORMATS``, found out from the text by default; ``options`` are what
    that format's reader may be told.

    Raises:
        RecordingError: it cannot be read or makes no sense; the message names the file.

    """
    try:
        text = read_text(path)
        return _read(text, format or _guess(text), options or {})
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None


def _read(text: str, format: str, options: Mapping[str, float]) -> Recording:
    known = FORMATS[format]
    for option in options:
        if option != known.option:
            raise RecordingError(f"{option} is not for the format {format}, {known.option} is")
    return known.read(text, options.get(known.option))


def _guess(text: str) -> str:
    start = text[:4096].lstrip()
    if start.startswith(("[", "{")):
        return "damo"
    if perf_script.EVENT in text:
        return "perf-script"
    if address_trace.LINE.match(start):
        return "address-trace"
    if "," in start and "\n" in start:
        return "masim"
    raise RecordingError(
        f"is of no format that is known here ({', '.join(FORMATS)}): name it with format = ..."
    )

"""Which reader reads a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damon_tuner.envs.recorded import address_trace, damo_json, experience, masim, perf_script
from damon_tuner.envs.recorded.recording import Recording
from damon_tuner.envs.recorded.source import read_text
from damon_tuner.errors import RecordingError


@dataclass(frozen=True, slots=True)
class Format:
    """A reader, and the one thing it may be told that its files do not say.

    That is a number within ``bounds``, or a text where there are none.
    """

    read: Callable[[str, Any], Recording]
    option: str
    bounds: tuple[float, float] | None


FORMATS: Mapping[str, Format] = {
    "damo": Format(damo_json.read, "sample_us", (1.0, 1e9)),
    "perf-script": Format(perf_script.read, "sample_us", (1.0, 1e9)),
    "address-trace": Format(address_trace.read, "instructions_per_s", (1.0, 1e12)),
    "masim": Format(masim.read, "accesses_per_s", (1.0, 1e12)),
    "experience": Format(experience.read, "tenant", None),
}


OPTIONS: Mapping[str, tuple[float, float] | None] = {
    each.option: each.bounds for each in FORMATS.values()
}


def load_recording(
    path: Path, format: str | None = None, options: Mapping[str, float | str] | None = None
) -> Recording:
    """Read a recording, compressed (zlib, gzip) or not, or a folder of the daemon's experience.

    ``format`` is one of ``FORMATS``, found out from the text by default; ``options`` are what
    that format's reader may be told.

    Raises:
        RecordingError: it cannot be read or makes no sense; the message names the file.

    """
    try:
        if path.is_dir() and format in (None, "experience"):
            return experience.read_folder(path, _option("experience", options or {}))
        text = read_text(path)
        format = format or _guess(text)
        return FORMATS[format].read(text, _option(format, options or {}))
    except RecordingError as error:
        raise RecordingError(f"{path}: {error}") from None


def _option(format: str, options: Mapping[str, float | str]) -> Any:
    known = FORMATS[format].option
    for option in options:
        if option != known:
            raise RecordingError(f"{option} is not for the format {format}, {known} is")
    return options.get(known)


def _guess(text: str) -> str:
    start = text[:4096].lstrip()
    if experience.LINE_START in start:
        return "experience"
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

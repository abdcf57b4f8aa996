"""Reading the files of a configuration: which there are, and whether they may be obeyed."""

from __future__ import annotations

import itertools
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from damon_tuner.daemon.config.problems import Problems
from damon_tuner.daemon.config.words import printable
from damon_tuner.near import one_line

MOST_BYTES = 1 << 20
"""Of all files of a configuration together."""
MOST_DROP_INS = 100
_MOST_DOTS = 40
_MOST_REASON = 200
_DOTS = re.compile(r"\.+")


class _RefusedError(Exception):
    """The file is not used; the text says why, and what to do."""


def read_files(main: Path, problems: Problems) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The TOML of ``main`` and then of its drop-ins, as far as they can be read."""
    left_bytes = MOST_BYTES
    for path in itertools.chain([main], _drop_ins(main, problems)):
        try:
            raw = _read(path, left_bytes)
            left_bytes -= len(raw)
            yield path, _parse(raw)
        except _RefusedError as refused:
            problems.add(path, (), str(refused))


def _drop_ins(main: Path, problems: Problems) -> list[Path]:
    folder = Path(f"{main}.d")
    try:
        with os.scandir(folder) as entries:
            # what editors leave behind is hidden
            names = (e.name for e in entries if e.name.endswith(".toml") and e.name[0] != ".")
            found = sorted(itertools.islice(names, MOST_DROP_INS + 1))
        _check_owner(folder, folder.stat())
        if len(found) > MOST_DROP_INS:
            raise _RefusedError(f"holds more than {MOST_DROP_INS} files; join some of them")
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.add(
            folder, (), f"cannot be read: {error.strerror}; make it a folder, or remove it"
        )
        return []
    except ValueError:
        # the name is none; what the main file's reading says about it is enough
        return []
    except _RefusedError as refused:
        problems.add(folder, (), str(refused))
        return []
    return [folder / name for name in found]


def _read(path: Path, most_bytes: int) -> bytes:
    try:
        # without waiting for a writer, should it be a pipe
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise _RefusedError("is not a file; put a file there")
            _check_owner(path, status)
            raw = file.read(most_bytes + 1)
    except FileNotFoundError:
        name = printable(str(path))
        raise _RefusedError(
            f"is not there; write one: damon-tunerd --print config > {name}"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _RefusedError(f"cannot be read: {reason}; make it readable") from None
    if len(raw) > most_bytes:
        raise _RefusedError(
            f"is too long: a configuration has at most {MOST_BYTES >> 20} MiB in all its files; "
            "shorten it"
        )
    return raw


def _check_owner(path: Path, status: os.stat_result) -> None:
    """Whoever can write the file commands a daemon that runs as root."""
    name = printable(str(path))
    if status.st_uid not in (0, os.geteuid()):
        raise _RefusedError(f"belongs to user {status.st_uid}, who is not root; chown root {name}")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _RefusedError(f"others than its owner may write it; chmod go-w {name}")


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        text = raw.decode("utf-8")
        _check_dots(text)
        return tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise _RefusedError(f"is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except RecursionError:
        raise _RefusedError("nests tables or arrays too deeply; nest less") from None
    except tomllib.TOMLDecodeError as error:
        reason = printable(one_line(error))[:_MOST_REASON]
        raise _RefusedError(f"is not TOML: {reason}; mend it there") from None
    except ValueError:
        # more digits than Python turns into a number
        raise _RefusedError("holds a number of thousands of digits; shorten it") from None


def _check_dots(text: str) -> None:
    """Refuse keys of very many parts: ``tomllib`` takes a time that grows with their square."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS and len(_DOTS.findall(line)) > _MOST_DOTS:
            raise _RefusedError(f"has more than {_MOST_DOTS} dots in line {number}; break it up")

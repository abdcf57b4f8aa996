"""Values to the texts of files and back, by tables: what a file holds follows from its field.

A :class:`Record` says which file holds which field of a dataclass. Numbers are decimal, booleans
``Y`` or ``N``, words are words; a number that may be absent is 0 then.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, Union, get_args, get_origin, get_type_hints

from damon_tuner.errors import TunerError

Files = dict[str, str]
"""Texts by path, relative to some directory, in an order in which they can be written."""

Read = Callable[[str], str | None]
"""Reads a file, relative to the same directory; None where there is none."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory with one numbered directory for each item of the tuple ``field``.

    Several listings may share a field: each holds those that ``belongs``, and reading puts
    them together in the order of the listings.
    """

    counter: str
    field: str
    record: Record
    belongs: Callable[[Any], bool] = lambda item: True

    @property
    def directory(self) -> str:
        """Where the numbered directories are."""
        return self.counter.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Record:
    """The files of a ``kind``: fields by path, dots lead into parts; then the listings.

    The kind is a dataclass, or a ``NamedTuple`` for what is a plain tuple elsewhere.
    """

    kind: Any
    leaves: Mapping[str, str]
    listings: tuple[Listing, ...] = ()


def encode(record: Record, value: Any) -> Files:
    """Return the files that hold ``value``; each counter comes before what it makes."""
    if type(value) is tuple:
        value = record.kind(*value)
    files = {path: _text(attrgetter(field)(value)) for path, field in record.leaves.items()}
    for listing in record.listings:
        items = [item for item in attrgetter(listing.field)(value) if listing.belongs(item)]
        files[listing.counter] = str(len(items))
        for index, item in enumerate(items):
            for path, text in encode(listing.record, item).items():
                files[f"{listing.directory}/{index}/{path}"] = text
    return files


def decode(record: Record, read: Read) -> Any:
    """Return the value that the files hold; a file that is not there leaves the default.

    Raises:
        TunerError: a file holds what its field cannot.
    """
    values: dict[str, Any] = {}
    for path, field in record.leaves.items():
        text = read(path)
        if text is not None:
            values[field] = _value(_type_of(record.kind, field), path, text)
    for listing in record.listings:
        items = values.get(listing.field, ()) + _items(listing, read)
        values[listing.field] = items
    return _built(record.kind, "", values)


def _items(listing: Listing, read: Read) -> tuple[Any, ...]:
    def item(index: int) -> Any:
        return decode(listing.record, lambda path: read(f"{listing.directory}/{index}/{path}"))

    return tuple(item(index) for index in range(int(read(listing.counter) or 0)))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "Y" if value else "N"
    return "0" if value is None else str(value)


def _value(kind: Any, path: str, text: str) -> Any:
    may_be_absent = get_origin(kind) in (Union, types.UnionType)
    kind = get_args(kind)[0] if may_be_absent else kind
    try:
        if kind is bool:
            return text in ("Y", "1")
        if kind is str or issubclass(kind, Enum):
            return kind(text)
        number = int(text, 0)
    except ValueError:
        raise TunerError(
            f"{path} holds {text!r}, which this release of damon-tuner does not know: use a newer "
            "one"
        ) from None
    return None if may_be_absent and not number else number


def _type_of(kind: Any, field: str) -> Any:
    first, _, rest = field.partition(".")
    found = _hints(kind)[first]
    return _type_of(found, rest) if rest else found


def _built(kind: Any, prefix: str, values: dict[str, Any]) -> Any:
    """Make a dataclass, and the dataclasses inside it, of fields by dotted name."""
    given = {}
    for field, hint in _hints(kind).items():
        name = prefix + field
        if name in values:
            given[field] = values[name]
        elif any(other.startswith(f"{name}.") for other in values):
            given[field] = _built(hint, f"{name}.", values)
    return kind(**given)


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)

"""What the kernel's text files hold, as numbers; what cannot be read is an error with its path."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

from damon_tuner.errors import KernelFileError
from damon_tuner.kernel_iface.sysfs.tree import Tree

_EXCERPT = 40
_MOST_DIGITS = 20
_NUMBERS_IN_LIST = 1 << 16

_YES = frozenset({"Y", "1", "true"})
_NO = frozenset({"N", "0", "false"})

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Table:
    """A file whose lines are a name and a number, such as ``/proc/vmstat``; colons are left out.

    Methods raise ``KernelFileError`` for a value that is no number.
    """

    path: str
    words: dict[str, str]

    @classmethod
    def read(cls, tree: Tree, path: str, *, skip: int = 0) -> Table | None:
        """Read a file, or return None where there is none; ``skip`` leaves words out in front.

        Raises:
            KernelFileError: no line has a name and a value.
            TunerError: what ``Tree.read`` raises.
        """
        text = tree.read_if_present(path)
        return None if text is None else cls.parse(path, text, skip=skip)

    @classmethod
    def parse(cls, path: str, text: str, *, skip: int = 0) -> Table:
        """Take what a file held; raises ``KernelFileError`` as ``read`` does."""
        rows = (line.split()[skip:] for line in text.splitlines())
        words = {row[0].rstrip(":"): row[1] for row in rows if len(row) > 1}
        if not words:
            raise unreadable(path, text, "lines of a name and a number")
        return cls(path, words)

    def number(self, name: str) -> int | None:
        """Return a value, or None where this kernel has no such line."""
        word = self.words.get(name)
        return None if word is None else whole(word, self.path)

    def needed(self, name: str) -> int:
        """Return a value that every kernel has."""
        value = self.number(name)
        if value is None:
            raise KernelFileError(f"/{self.path} has no line {name}")
        return value

    def kib(self, name: str) -> int | None:
        """Return a value that the file gives in kB, in bytes."""
        value = self.number(name)
        return None if value is None else value << 10


def counted(kind: type[_T], table: Table) -> _T:
    """Fill a dataclass whose fields are called as the table's lines are."""
    return kind(**{field.name: table.number(field.name) for field in fields(kind)})  # type: ignore[arg-type]


def since(now: _T, before: _T) -> _T:
    """Return how far each counter of a dataclass has come.

    None where either is None, and where a counter went back: its owner is another one now, as
    with a cgroup that was made again, and how far that one has come nobody can tell.
    """

    def come(name: str) -> int | None:
        then, at = getattr(before, name), getattr(now, name)
        return None if then is None or at is None or at < then else int(at - then)

    return type(now)(**{field.name: come(field.name) for field in fields(now)})  # type: ignore[arg-type]


def number(tree: Tree, path: str, base: int = 10) -> int | None:
    """Return the number that a file holds, or None where there is no such file."""
    text = tree.read_if_present(path)
    return None if text is None else whole(text, path, base)


def flag(tree: Tree, path: str) -> bool | None:
    """Return what a switch is set to, or None where there is no such file."""
    text = tree.read_if_present(path)
    if text is None:
        return None
    if text not in _YES | _NO:
        raise unreadable(path, text, "Y or N")
    return text in _YES


def word(tree: Tree, path: str) -> str | None:
    """Return the one word that a file holds, or None where there is no such file."""
    text = tree.read_if_present(path)
    if text is None:
        return None
    if len(text.split()) != 1 or not text.isprintable():
        raise unreadable(path, text, "one word")
    return text


def chosen(tree: Tree, path: str) -> str | None:
    """Return the word in brackets of ``always [madvise] never``; None where there is no file."""
    text = tree.read_if_present(path)
    if text is None:
        return None
    picked = [word[1:-1] for word in text.split() if word[0] == "[" and word[-1] == "]"]
    if len(picked) != 1:
        raise unreadable(path, text, "words of which one is in brackets")
    return picked[0]


def listed(tree: Tree, path: str) -> tuple[int, ...] | None:
    """Return the numbers of a list such as ``0-3,8``; None where there is no such file."""
    text = tree.read_if_present(path)
    if text is None:
        return None
    found: set[int] = set()
    for part in text.split(",") if text else ():
        first, dash, last = part.partition("-")
        span = range(whole(first, path), whole(last if dash else first, path) + 1)
        if not 0 < len(span) <= _NUMBERS_IN_LIST:
            raise unreadable(path, text, "a list such as 0-3,8")
        found.update(span)
    return tuple(sorted(found))


def whole(text: str, path: str, base: int = 10) -> int:
    """Return a number that is not negative; raises ``KernelFileError`` naming ``path``."""
    # int() alone would take 1_000, other scripts' digits, and hours for a million digits.
    if text.isascii() and text.isalnum() and len(text) <= _MOST_DIGITS:
        try:
            return int(text, base)
        except ValueError:
            pass
    raise unreadable(path, text, "a number")


def unreadable(path: str, text: str, wanted: str) -> KernelFileError:
    """Name a file, what it holds, and what it should."""
    excerpt = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}..."
    return KernelFileError(f"/{path} holds {excerpt!a}, not {wanted}")

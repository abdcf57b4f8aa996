"""Words for what somebody wrote wrong: the nearest right name, and messages of one line."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(name: object, known: Iterable[str]) -> str:
    """The end of a message: the nearest known name, or all of them."""
    # only needed when something is wrong, and the daemon is kept small
    import difflib

    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"


def one_line(error: BaseException) -> str:
    """An error's text without line breaks."""
    return " ".join(str(error).split())

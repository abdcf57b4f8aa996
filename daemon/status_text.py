"""The daemon's status for people: a few lines that are read at a glance."""


def printable(text: str) -> str:
    """Return one line of ASCII: names may hold anything, and a terminal must not obey it."""
    return "".join(
        c if c.isprintable() and c.isascii() else ascii(c)[1:-1] for c in " ".join(text.split())
    )

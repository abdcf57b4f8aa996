"""A bar on a terminal while something takes time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[], object]]:
    """Give what to call for each of ``total`` steps; without tqdm nothing is shown."""
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        yield lambda: None
        return
    with tqdm(total=total, desc=what, unit="look", leave=False, disable=None) as bar:
        yield bar.update

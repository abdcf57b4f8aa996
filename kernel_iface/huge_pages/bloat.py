"""How much of a huge page was never used: small pages in it that are all zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.huge_pages.areas import HUGE_BYTES, PAGE_BYTES, PAGES, Area
from damon_tuner.kernel_iface.sysfs.tree import Tree

MOST_LOOKED_INTO = 256
"""How many huge pages are read: half a GiB."""

_ZERO = bytes(PAGE_BYTES)


def zero_shares(
    tree: Tree, pid: int, found: Sequence[Area], most: int = MOST_LOOKED_INTO
) -> Mapping[int, float]:
    """Return the share of zero pages of some huge pages, evenly spread, by their start.

    Nothing that is not in memory is brought there. The kernel takes a page that is read for one
    that is used: whoever wants to know its heat has to ask first.

    Raises:
        TunerError: none of them can be read.
    """
    huge = [area.start for area in found if area.is_huge]
    step = max(-(-len(huge) // most), 1)
    shares: dict[int, float] = {}
    failure: TunerError | None = None
    for start in huge[::step]:
        try:
            content = tree.read_at(f"proc/{pid}/mem", start, HUGE_BYTES)
        except TunerError as error:  # unmapped meanwhile, or guarded
            failure = error
            continue
        zeros = sum(
            content[at : at + PAGE_BYTES] == _ZERO for at in range(0, HUGE_BYTES, PAGE_BYTES)
        )
        shares[start] = zeros / PAGES
    if failure is not None and not shares:
        raise failure
    return shares

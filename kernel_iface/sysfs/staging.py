"""The files of one kdamond: what they hold, and the fewest writes to what they should."""

from __future__ import annotations

import errno

from damon_tuner.kernel_iface.sysfs.codec import Files
from damon_tuner.kernel_iface.sysfs.features import missing, word_feature
from damon_tuner.kernel_iface.sysfs.tree import RefusedError, Tree

COUNTERS = frozenset(
    f"nr_{what}"
    for what in (
        *("contexts", "targets", "regions", "schemes", "filters"),
        *("goals", "dests", "probes"),
    )
)
"""Files whose every write makes all directories beside them anew, with the kernel's defaults."""


class Staging:
    """The directory of a kdamond; nothing staged there works before ``on`` or a commit."""

    def __init__(self, tree: Tree, directory: str) -> None:
        self._tree = tree
        self._directory = directory
        self._held: Files = {}

    def held(self) -> Files:
        """Return what the files are known to hold."""
        return dict(self._held)

    def changes(self, wanted: Files) -> list[str]:
        """Return the paths of ``wanted`` that do not hold what they should."""
        return [path for path, text in wanted.items() if self._held.get(path) != text]

    def stage(self, wanted: Files) -> list[str]:
        """Write what differs, and return it as ``path=text``.

        ``wanted`` is every file of the kdamond. Another count makes the kernel throw all
        directories below it away and begin with defaults, so that they are written again.

        Raises:
            TunerError: what ``Tree`` raises, or a word that this kernel does not have.
        """
        written = []
        for path, text in wanted.items():
            if self._held.get(path) != text:
                self._write(path, text)
                written.append(f"{path}={text}")
        return written

    def reread(self, paths: list[str]) -> Files:
        """Read files that the kernel writes itself, and remember what they hold now."""
        found = {path: self._tree.read(f"{self._directory}/{path}") for path in paths}
        self._held |= found
        return found

    def differing(self, wanted: Files) -> list[str]:
        """Read everything back; return ``path=text`` of what is not as it was written."""
        return [
            f"{path}={found}"
            for path, text in wanted.items()
            if (found := self._tree.read_if_present(f"{self._directory}/{path}")) != text
        ]

    def _write(self, path: str, text: str) -> None:
        # Forgotten first, because an interrupted write leaves either the old or the new files.
        self._held.pop(path, None)
        directory, _, name = path.rpartition("/")
        if name in COUNTERS:
            below = f"{directory}/"
            self._held = {p: t for p, t in self._held.items() if not p.startswith(below)}
        try:
            # Of an empty text no byte would reach the kernel.
            self._tree.write(f"{self._directory}/{path}", text or "\n")
        except RefusedError as error:
            feature = word_feature(path, text)
            if feature is not None and error.errno == errno.EINVAL:
                raise missing(feature) from error
            raise
        self._held[path] = text

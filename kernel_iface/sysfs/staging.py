"""The scheme files of a context: what they hold, and the fewest writes to what they should."""

from __future__ import annotations

from collections.abc import Sequence

from damon_tuner.kernel_iface.host import Scheme
from damon_tuner.kernel_iface.sysfs.mapping import Files, scheme_files
from damon_tuner.kernel_iface.sysfs.tree import Tree


class SchemeStaging:
    """The directory ``schemes`` of a context; nothing staged there works before a commit."""

    def __init__(self, tree: Tree, directory: str) -> None:
        self._tree = tree
        self._directory = directory
        self._held: list[Files] = []

    def resize(self, count: int) -> None:
        """Make ``count`` schemes with the kernel's defaults; raises what ``Tree`` raises."""
        # Forgotten first, because an interrupted write leaves either the old or the new files.
        self._held = []
        self._tree.write(f"{self._directory}/nr_schemes", str(count))
        self._held = [{} for _ in range(count)]

    def stage(self, schemes: Sequence[Scheme]) -> list[str]:
        """Write what differs, and return it as ``path=text``; raises what ``Tree`` raises.

        Another number of schemes makes the kernel throw all of them away and begin with
        defaults, so that everything is written again.
        """
        written: list[str] = []
        wanted = [scheme_files(scheme) for scheme in schemes]
        if len(schemes) != len(self._held):
            self.resize(len(schemes))
            written.append(f"nr_schemes={len(schemes)}")
        for index, files in enumerate(wanted):
            for path, text in files.items():
                if self._held[index].get(path) != text:
                    self._write(index, path, text)
                    written.append(f"{index}/{path}={text}")
        return written

    def _write(self, index: int, path: str, text: str) -> None:
        self._held[index].pop(path, None)
        self._tree.write(f"{self._directory}/{index}/{path}", text)
        self._held[index][path] = text

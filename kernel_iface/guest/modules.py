"""Which kernel modules a guest loads, in an order in which each finds what it needs."""

from __future__ import annotations

import lzma
from collections.abc import Iterable
from pathlib import Path

from damon_tuner.errors import GuestError


def read_module(path: Path) -> bytes:
    """Return a module ready to be inserted, unpacked if it is ``.xz`` (``GuestError``)."""
    content = path.read_bytes()
    if path.suffix == ".xz":
        try:
            return lzma.decompress(content)
        except lzma.LZMAError as error:
            raise GuestError(f"{path} is damaged: remove the guest's cache folder") from error
    return content


def load_order(modules_dir: Path, names: Iterable[str]) -> list[Path]:
    """Return the files of the named modules and of all they depend on, dependencies first.

    A name without a file is taken for built into the kernel: which parts are differs between
    kernels, and a part that is really missing shows when the guest uses it.
    """
    files = {_name(path): path for path in sorted(modules_dir.rglob("*.ko*"))}
    ordered: dict[str, Path] = {}

    def add(name: str) -> None:
        if name in files and name not in ordered:
            for needed in _dependencies(read_module(files[name])):
                add(needed)
            ordered[name] = files[name]

    for name in names:
        add(name)
    return list(ordered.values())


def _name(path: Path) -> str:
    return path.name.partition(".")[0].replace("-", "_")


def _dependencies(module: bytes) -> list[str]:
    """Read the ``depends=`` entry of the module's ``.modinfo`` section."""
    for entry in module.split(b"\0"):
        if entry.startswith(b"depends="):
            listed = entry.removeprefix(b"depends=").decode()
            return [name.replace("-", "_") for name in listed.split(",") if name]
    return []

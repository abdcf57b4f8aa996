"""The running Python, as files for a guest: interpreter, standard library, pytest, libraries."""

from __future__ import annotations

import importlib._bootstrap_external as bootstrap
import importlib.metadata
import importlib.util
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from damon_tuner.kernel_iface.guest.apt import run_tool

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
CACHE_TAG = sys.implementation.cache_tag
STDLIB = PurePosixPath("/usr/lib", VERSION)
# On PYTHONPATH: which folder of its own a Python looks into depends on who built it.
PACKAGES = PurePosixPath("/usr/lib/packages")
LIBRARIES = PurePosixPath("/usr/lib/x86_64-linux-gnu")
# what "import pytest" needs, all pure Python
PYTEST = ("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments")

_UNUSED_FOLDERS = frozenset(
    (
        *("__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "tkinter"),
        *("turtledemo", "ensurepip", "lib2to3", "distutils", "pydoc_data"),
    )
)
_UNUSED_FILES = re.compile(r"(_tkinter|_test\w*|_ctypes_test|_xx\w*|xx\w+)\..*\.so")


def interpreter() -> Path:
    """Return the interpreter itself, also when this runs in a virtual environment."""
    found = getattr(sys, "_base_executable", None) or sys.executable
    return Path(found).resolve()


def standard_library() -> dict[PurePosixPath, Path]:
    """Return guest path to host path of the standard library, without what no guest needs."""
    root = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    return {STDLIB / path.relative_to(root): path for path in _walk(root)}


def pytest_packages() -> dict[PurePosixPath, Path]:
    """Return guest path to host path of pytest and what it imports, where installed."""
    files: dict[PurePosixPath, Path] = {}
    for name in PYTEST:
        files |= package(name)
        files |= {PACKAGES / path.parent.name / path.name: path for path in _metadata(name)}
    return files


def package(name: str) -> dict[PurePosixPath, Path]:
    """Return guest path to host path of one package or module, without its tests; {} for none."""
    spec = importlib.util.find_spec(name)
    if spec and spec.submodule_search_locations:
        folder = Path(next(iter(spec.submodule_search_locations)))
        return {PACKAGES / name / path.relative_to(folder): path for path in _walk(folder)}
    if spec and spec.origin:
        return {PACKAGES / f"{name}.py": Path(spec.origin)}
    return {}


def shared_libraries(binaries: list[Path]) -> dict[PurePosixPath, Path]:
    """Return guest path to host path of what the binaries are linked with (``GuestError``)."""
    found: dict[PurePosixPath, Path] = {}
    for line in run_tool(("ldd", *map(str, binaries))).splitlines():
        words = line.split()
        if len(words) == 4 and words[1] == "=>":
            # one folder, searched by default: no search path of the host's has to exist
            found[LIBRARIES / words[0]] = Path(words[2])
        elif len(words) == 2 and words[0].startswith("/"):
            found[PurePosixPath(words[0])] = Path(words[0])  # the loader, by its full path
    # glibc opens it when a thread ends early, without being linked with it
    for libc in [host for guest, host in found.items() if guest.name == "libc.so.6"]:
        if (unwinder := libc.with_name("libgcc_s.so.1")).exists():
            found[LIBRARIES / unwinder.name] = unwinder
    return found


def bytecode(source: bytes, guest_path: PurePosixPath) -> bytes:
    """Compile to the content of a ``.pyc`` that is never compared with its source.

    Raises ``SyntaxError`` or ``ValueError`` for a source that Python cannot compile.
    """
    code = compile(source, str(guest_path), "exec", dont_inherit=True)
    return bytes(bootstrap._code_to_hash_pyc(code, bytes(8), False))  # type: ignore[attr-defined]


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _UNUSED_FOLDERS and not path.name.startswith("config-"):
                yield from _walk(path)
        elif path.suffix in (".py", ".so") and not _UNUSED_FILES.fullmatch(path.name):
            yield path


def _metadata(name: str) -> list[Path]:
    """Return the file in which a distribution's version is found, if this is one's name."""
    try:
        site = Path(str(importlib.metadata.distribution(name).locate_file("")))
    except importlib.metadata.PackageNotFoundError:
        return []
    found = [*site.glob("*.dist-info/METADATA"), *site.glob("*.egg-info/PKG-INFO")]
    return [path for path in found if path.parent.name.lower().startswith(f"{name}-")]

"""The running Python, as files for a guest: interpreter, standard library, pytest, libraries."""

from __future__ import annotations

import importlib._bootstrap_external as bootstrap
import importlib.metadata
import re
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest.apt import run_tool

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
CACHE_TAG = sys.implementation.cache_tag
STDLIB = PurePosixPath("/usr/lib", VERSION)
SITE_PACKAGES = STDLIB / "site-packages"
LIBRARIES = PurePosixPath("/usr/lib/x86_64-linux-gnu")
# pytest and what it imports, all pure Python
DISTRIBUTIONS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")

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


def site_packages() -> dict[PurePosixPath, Path]:
    """Return guest path to host path of pytest and its requirements (``GuestError``)."""
    return {
        SITE_PACKAGES / file: Path(str(file.locate()))
        for name in DISTRIBUTIONS
        for file in _distribution_files(name)
        if ".." not in file.parts and "__pycache__" not in file.parts
    }


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


def _distribution_files(name: str) -> list[importlib.metadata.PackagePath]:
    try:
        files = importlib.metadata.distribution(name).files
    except importlib.metadata.PackageNotFoundError as error:
        raise GuestError(
            f"{name} is not installed: pip install pytest, the guest has it"
        ) from error
    return files or []

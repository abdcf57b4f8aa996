"""The base of the guest's root file system: Python, busybox and kernel modules, kept in cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import python_tree
from damon_tuner.kernel_iface.guest.apt import run_tool
from damon_tuner.kernel_iface.guest.cache import cache_dir, locked, published
from damon_tuner.kernel_iface.guest.cpio import CpioWriter
from damon_tuner.kernel_iface.guest.modules import load_order, read_module
from damon_tuner.kernel_iface.guest.packages import Kernel

# The files that /init inserts in the order of their names, by the folder they are in.
MODULES = {"boot": ("virtio_pci", "virtio_console"), "swap": ("zram",)}

_Files = Mapping[PurePosixPath, Path]
_KEPT_BASES = 4
_FOLDERS = ("dev", "etc", "mnt", "out", "proc", "project", "root", "run", "sys", "tmp", "usr/bin")
_LINKS = {"bin": "usr/bin", "sbin": "usr/bin", "lib": "usr/lib", "var": "tmp"}
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "usr/bin/damon-tuner": '#!/bin/sh\nexec python -m damon_tuner "$@"\n',
}


def copy_base(target: Path, kernel: Kernel, busybox: Path) -> None:
    """Write the base archive to ``target``, built first unless the cache has this very one.

    Raises ``GuestError`` when the running Python lacks something that the guest needs.
    """
    cache = cache_dir()
    files = _base_files(busybox)
    base = cache / "base" / _fingerprint(files, kernel)
    with locked(cache):
        if not base.exists():
            with published(base) as scratch, (scratch / "image.cpio").open("wb") as stream:
                with CpioWriter(stream) as archive:
                    _write_base(archive, files, kernel)
            _forget_old_bases(base.parent)
        shutil.copyfile(base / "image.cpio", target)


def _base_files(busybox: Path) -> dict[PurePosixPath, Path]:
    python = python_tree.interpreter()
    library = python_tree.standard_library()
    binaries = [python, *(path for path in library.values() if path.suffix == ".so")]
    return {
        PurePosixPath("/usr/bin/busybox"): busybox,
        PurePosixPath("/usr/bin", python_tree.VERSION): python,
        **library,
        **python_tree.pytest_packages(),
        **python_tree.shared_libraries(binaries),
    }


def _fingerprint(files: _Files, kernel: Kernel) -> str:
    """Name what a base contains: the files, the kernel, and the code that builds it."""
    digest = hashlib.sha256(kernel.release.encode())
    for guest, host in sorted(files.items()):
        status = host.stat()
        digest.update(f"{guest}\0{host}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _write_base(archive: CpioWriter, files: _Files, kernel: Kernel) -> None:
    for folder in _FOLDERS:
        archive.folder(folder)
    for path, target in _LINKS.items():
        archive.link(path, target)
    for path, text in _TEXTS.items():
        archive.file(path, text.encode(), 0o755 if path.startswith("usr/bin/") else 0o644)
    archive.character_device("dev/console", 5, 1)  # the kernel opens it before /init runs
    for name in ("python", "python3"):
        archive.link(f"usr/bin/{name}", python_tree.VERSION)
    for applet in _applets(files):
        archive.link(f"usr/bin/{applet}", "busybox")
    for guest, host in files.items():
        _write_file(archive, guest, host)
    for stage, names in MODULES.items():
        _write_modules(archive, stage, load_order(kernel.modules_dir, names))


def _write_file(archive: CpioWriter, guest: PurePosixPath, host: Path) -> None:
    """Python sources go in as bytecode only: half the memory, and imports read one file each."""
    if guest.suffix != ".py":
        archive.copy(guest, host)
        return
    try:
        content = python_tree.bytecode(host.read_bytes(), guest)
    except (SyntaxError, ValueError) as error:
        raise GuestError(f"cannot compile {host}: {error}") from error
    archive.file(guest.with_suffix(".pyc"), content)


def _write_modules(archive: CpioWriter, stage: str, modules: Iterable[Path]) -> None:
    archive.folder(f"modules/{stage}")
    for position, path in enumerate(modules):
        name = path.name.partition(".")[0]
        archive.file(f"modules/{stage}/{position:02}-{name}.ko", read_module(path))


def _applets(files: _Files) -> list[str]:
    busybox = files[PurePosixPath("/usr/bin/busybox")]
    return [name for name in run_tool((str(busybox), "--list")).split() if name != "busybox"]


def _forget_old_bases(folder: Path) -> None:
    newest_first = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in newest_first[_KEPT_BASES:]:
        shutil.rmtree(path, ignore_errors=True)

"""Chooses, downloads and unpacks the Debian packages that a guest is made of."""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest.apt import PrivateApt, run_tool
from damon_tuner.kernel_iface.guest.cache import cache_dir, locked, published

# Up to 6.19 everything is in linux-image, then the kernel moved to linux-binary, and the modules
# to linux-modules; the names that exist are downloaded.
_PARTS = ("image", "binary", "modules")


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: ``release`` as ``uname -r`` says it, the image, and all its modules.

    Debian keeps the kernels of some releases without their modules; then there are none.
    """

    release: str
    image: Path
    modules_dir: Path


def newest(versions: Iterable[str]) -> str:
    """Return the highest of some versions, in Debian's order (``ValueError`` for none)."""
    best = ""
    for version in versions:
        if not best or _is_later(version, best):
            best = version
    if not best:
        raise ValueError("no version to choose from")
    return best


def newest_release(series: str, package_names: Iterable[str]) -> str:
    """Return the newest cloud kernel release of ``series`` among ``linux-image-*`` packages.

    Raises ``GuestError`` when there is none.
    """
    releases = _cloud_releases(series, package_names)
    if not releases:
        raise GuestError(
            f"the Debian mirror has no cloud kernel {series}: "
            "see 'linux-image-*-cloud-amd64' there for the series it has, and ask for one of them"
        )
    return newest(releases)


def has_modules(release: str, package_names: Iterable[str]) -> bool:
    """Tell whether some package among these has the modules of a kernel."""
    names = set(package_names)
    is_split = f"linux-binary-{release}" in names
    return not is_split or f"linux-modules-{release}" in names


def offered(wanted: Iterable[str]) -> set[str]:
    """Return those of the ``wanted`` series that the cache or the Debian mirror has.

    Raises ``GuestError`` when the mirror does not answer.
    """
    cache = cache_dir()
    series = set(wanted)
    found = {one for one in series if (cache / "kernels" / one).exists()}
    if found == series:
        return found
    with locked(cache):
        apt = PrivateApt(cache / "apt")
        apt.update()
        names = apt.names("linux-")
    return found | {one for one in series if _cloud_releases(one, names)}


def fetch_kernel(series: str) -> Kernel:
    """Return the newest kernel of ``series``, from the cache if one of the series is there.

    To look for a newer one, remove the series' folder ``kernels/<series>`` from the cache.
    Raises ``GuestError`` when it cannot be downloaded.
    """
    cache = cache_dir()
    target = cache / "kernels" / series
    with locked(cache):
        if not target.exists():
            with published(target) as scratch:
                _download_kernel(PrivateApt(cache / "apt"), series, scratch)
    release = (target / "release").read_text()
    return Kernel(release, target / "vmlinuz", target / "modules")


def fetch_busybox() -> Path:
    """Return a statically linked busybox, from the cache or downloaded (``GuestError``)."""
    cache = cache_dir()
    target = cache / "busybox"
    with locked(cache):
        if not target.exists():
            apt = PrivateApt(cache / "apt")
            apt.update()
            with (
                published(target) as scratch,
                _unpacked(apt, ("busybox-static",), scratch) as tree,
            ):
                _find_one(tree, "bin/busybox").rename(scratch / "busybox")
    return target / "busybox"


def fetch_packages(names: Iterable[str]) -> Path:
    """Return the folder ``usr`` of Debian's packages, unpacked together and installed nowhere.

    Their newest version, from the cache if these very packages are there. Programs of it run
    with its own libraries: its ``libc6`` is newer than the host's may be. Raises ``GuestError``
    when one cannot be downloaded.
    """
    cache, wanted = cache_dir(), sorted(set(names))
    target = cache / "packages" / hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:16]
    with locked(cache):
        if not target.exists():
            apt = PrivateApt(cache / "apt")
            apt.update()
            with published(target) as scratch, _unpacked(apt, wanted, scratch) as tree:
                (tree / "usr").rename(scratch / "usr")
    return target / "usr"


def _download_kernel(apt: PrivateApt, series: str, target: Path) -> None:
    apt.update()
    names = apt.names("linux-")
    release = newest_release(series, names)
    wanted = sorted({f"linux-{part}-{release}" for part in _PARTS} & names)
    with _unpacked(apt, wanted, target) as tree:
        _find_one(tree, "vmlinuz*").rename(target / "vmlinuz")
        if has_modules(release, names):
            _find_one(tree, f"modules/{release}/kernel").rename(target / "modules")
        else:
            (target / "modules").mkdir()
    (target / "release").write_text(release)


def _cloud_releases(series: str, package_names: Iterable[str]) -> list[str]:
    pattern = re.compile(rf"linux-image-({re.escape(series)}(?:[.~+-].*)?-cloud-amd64)")
    return [match[1] for name in package_names if (match := pattern.fullmatch(name))]


@contextlib.contextmanager
def _unpacked(apt: PrivateApt, names: Iterable[str], folder: Path) -> Iterator[Path]:
    """Give the files of the named packages, in one tree below ``folder`` for this block."""
    with tempfile.TemporaryDirectory(dir=folder) as tree:
        for package in apt.download(list(names), Path(tree)):
            run_tool(("dpkg-deb", "--extract", str(package), tree))
        yield Path(tree)


def _find_one(folder: Path, pattern: str) -> Path:
    for found in sorted(folder.rglob(pattern)):
        return found
    raise GuestError(f"Debian's packages have changed: no {pattern} in them")


def _is_later(version: str, than: str) -> bool:
    return not subprocess.run(("dpkg", "--compare-versions", version, "gt", than)).returncode

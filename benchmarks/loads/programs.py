"""What a load needs in the guest: Debian's programs with their own libraries, or NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from damon_tuner.benchmarks.loads import PROGRAMS
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.guest import python_tree
from damon_tuner.kernel_iface.guest.packages import fetch_packages

_C = ("libc6", "libgcc-s1")
_TLS = ("libssl3t64", "libzstd1", "zlib1g")
_PACKAGES = {
    "redis": (
        *("redis-tools", "libatomic1", "libcap2", "libjemalloc2", "liblzf1", "libstdc++6"),
        *("libsystemd0", *_TLS, *_C),
    ),
    "memcached": ("memcached", "libevent-2.1-7t64", "libsasl2-2", *_TLS, *_C),
}
# two names of it: only Debian's other tools are this program as well
_PROGRAMS = {"redis": ("redis-check-rdb", "redis-benchmark"), "memcached": ("memcached",)}
_LIBRARIES = Path("lib/x86_64-linux-gnu")


def guest_files(load: str) -> Mapping[str, Path]:
    """Which files of this machine the guest needs for ``load``, by their path there.

    Raises:
        GuestError: Debian's packages cannot be downloaded.
        TunerError: NumPy is not installed here.

    """
    if load == "batch":
        return _numpy_files()
    if load not in _PACKAGES:
        return {}
    usr = fetch_packages(_PACKAGES[load])
    libraries = [path for path in (usr / _LIBRARIES).glob("*.so*") if path.is_file()]
    return {
        **{str(PROGRAMS / "bin" / name): usr / "bin" / name for name in _PROGRAMS[load]},
        **{str(PROGRAMS / "lib" / path.name): path for path in libraries},
    }


def _numpy_files() -> dict[str, Path]:
    """NumPy as it is installed here, and the libraries of this machine that it is linked with."""
    files = python_tree.package("numpy")
    if not files:
        raise TunerError("the load batch needs NumPy: install it")
    binaries = [path for path in files.values() if path.suffix == ".so"]
    files |= python_tree.shared_libraries(binaries)
    return {str(guest): host for guest, host in files.items()}

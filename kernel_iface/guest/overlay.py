"""The part of the root file system that is made anew for every run: project, command, files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import damon_tuner
from damon_tuner.kernel_iface.guest import python_tree
from damon_tuner.kernel_iface.guest.cpio import CpioWriter
from damon_tuner.kernel_iface.guest.init import COMMAND, INIT, OUT, SETTINGS
from damon_tuner.kernel_iface.guest.spec import GuestSpec

PROJECT = PurePosixPath("/project")

_NOT_FOR_GUEST = frozenset((".c", ".h", ".o", ".pyc"))


def append_overlay(
    image: Path,
    command: Sequence[str],
    spec: GuestSpec,
    extra_files: Mapping[str, Path],
    env: Mapping[str, str],
) -> None:
    """Append a second archive to ``image``; Linux unpacks it over the first one.

    ``extra_files`` maps guest paths, relative ones below the project's folder, to files or
    folders of this machine (``OSError`` when one cannot be read).
    """
    with image.open("ab") as stream, CpioWriter(stream) as archive:
        archive.file("init", INIT.encode(), 0o755)
        archive.file(SETTINGS, _settings(spec).encode())
        archive.file(COMMAND, _command_script(command, spec, env).encode(), 0o755)
        for guest, host in _project_files():
            archive.copy(guest, host)
            if guest.suffix == ".py":
                _add_bytecode(archive, guest, host)
        for path, source in extra_files.items():
            for guest, host in _tree(PROJECT / path, source):
                archive.copy(guest, host)


def _settings(spec: GuestSpec) -> str:
    return f"swap_bytes={spec.swap_bytes}\nswap_algorithm={spec.swap_algorithm}\n"


def _command_script(command: Sequence[str], spec: GuestSpec, env: Mapping[str, str]) -> str:
    variables = {
        "DAMON_TUNER_GUEST": "1",
        "DAMON_TUNER_GUEST_KERNEL": spec.kernel_series,
        "DAMON_TUNER_GUEST_MOVABLE_BYTES": str(spec.movable_bytes),
        "DAMON_TUNER_GUEST_SLOW_BYTES": str(spec.slow_bytes),
        "DAMON_TUNER_GUEST_SWAP_BYTES": str(spec.swap_bytes),
        "DAMON_TUNER_OUT": OUT,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{PROJECT}:{python_tree.PACKAGES}",
        "PYTHONUNBUFFERED": "1",
        **env,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join(
        # /init and the way out are exempt from the guest's OOM killer, the command is not
        (
            "echo 0 >/proc/self/oom_score_adj",
            f"cd {PROJECT}",
            *lines,
            f"exec {shlex.join(command)}",
        )
    )


def _project_files() -> Iterator[tuple[PurePosixPath, Path]]:
    package = Path(damon_tuner.__file__).parent
    yield from _tree(PROJECT / "damon_tuner", package)
    for name in ("pyproject.toml", "tests/kernel"):
        source = package.parent / name  # an installed package has neither
        if source.exists():
            yield from _tree(PROJECT / name, source)


def _tree(guest: PurePosixPath, host: Path) -> Iterator[tuple[PurePosixPath, Path]]:
    """Walk files below ``host``, through symbolic links, in a fixed order."""
    if not host.is_dir():
        yield guest, host
        return
    for path in sorted(host.iterdir()):
        hidden = path.name.startswith((".", "__pycache__"))
        if not hidden and path.suffix not in _NOT_FOR_GUEST:
            yield from _tree(guest / path.name, path)


def _add_bytecode(archive: CpioWriter, guest: PurePosixPath, host: Path) -> None:
    try:
        content = python_tree.bytecode(host.read_bytes(), guest)
    except (SyntaxError, ValueError):
        return  # whoever imports it in the guest is told what is wrong with it
    archive.file(
        guest.parent / "__pycache__" / f"{guest.stem}.{python_tree.CACHE_TAG}.pyc", content
    )

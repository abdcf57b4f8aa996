"""Boots a guest, runs one command in it, and brings back its exit status and its files."""

from __future__ import annotations

import contextlib
import hashlib
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from damon_tuner.errors import GuestDiedError, GuestError
from damon_tuner.kernel_iface.guest.emulator import GuestFiles, ensure_emulator
from damon_tuner.kernel_iface.guest.image import copy_base
from damon_tuner.kernel_iface.guest.machine import run_machine, signals_unwind
from damon_tuner.kernel_iface.guest.overlay import append_overlay
from damon_tuner.kernel_iface.guest.packages import Kernel, fetch_busybox, fetch_kernel
from damon_tuner.kernel_iface.guest.session import Session
from damon_tuner.kernel_iface.guest.spec import GuestResult, GuestSpec

CONSOLE_LOG = "guest-console.log"

_SHOWN_CONSOLE_LINES = 15
_MAX_BOOTS = 4


def run_in_guest(
    command: Sequence[str],
    spec: GuestSpec | None = None,
    *,
    out_dir: Path,
    timeout_s: float,
    extra_files: Mapping[str, Path] | None = None,
    env: Mapping[str, str] | None = None,
    echo: Callable[[str], None] | None = None,
    disk: Path | None = None,
) -> GuestResult:
    """Boot ``spec``, run ``command`` in it as root, and return its exit status and files.

    The command runs in a folder with the project, its ``pyproject.toml`` and ``tests/kernel``;
    ``python`` there is this Python: its standard library, and its pytest if it has one. What
    the command writes to ``$DAMON_TUNER_OUT`` comes back to ``out_dir``, beside the kernel's
    log (``CONSOLE_LOG``). ``extra_files`` maps guest paths to files or folders of this machine,
    ``echo`` gets each line that the command prints. ``timeout_s`` is counted from power-on.
    ``disk`` is a file with whatever file system: the guest's ``/dev/disk``, whose content stays
    when the guest ends, also by a power cut, as far as the guest's kernel had written it.

    The first run downloads a kernel, and installs the emulator where root runs it without one.
    Raises ``GuestError`` when the guest cannot be prepared, dies, or does not end in time.
    """
    spec = spec or GuestSpec()
    emulator = ensure_emulator()
    kernel, busybox = fetch_kernel(spec.kernel_series), fetch_busybox()
    out_dir.mkdir(parents=True, exist_ok=True)
    with signals_unwind(), tempfile.TemporaryDirectory(prefix="damon-tuner-guest-") as work:
        files = GuestFiles(
            kernel=kernel.image,
            initrd=Path(work, "initrd"),
            results=Path(work, "results.tar"),
            console_log=out_dir / CONSOLE_LOG,
            swap=_swap_disk(Path(work, "swap"), spec, kernel),
            disk=disk,
        )
        copy_base(files.initrd, kernel, busybox)
        append_overlay(files.initrd, command, spec, extra_files or {}, env or {})
        files.console_log.write_bytes(b"")
        with _console_in_errors(files.console_log):
            return _run(emulator, spec, files, echo, timeout_s)


def _run(
    emulator: str,
    spec: GuestSpec,
    files: GuestFiles,
    echo: Callable[[str], None] | None,
    timeout_s: float,
) -> GuestResult:
    boots = 0
    while True:
        boots += 1
        logged = files.console_log.stat().st_size
        session, started = Session(echo), time.monotonic()
        run_machine(emulator, spec, files, session, timeout_s)
        total_s = time.monotonic() - started
        if session.finished or not _broken_by_emulator(files.console_log, logged):
            break
        # before the command has run, starting again changes nothing that it could see
        if session.ready or boots == _MAX_BOOTS:
            raise GuestDiedError(f"the emulator broke the kernel {session.stage}: run it again")
    outcome, out_dir = session.outcome(), files.console_log.parent
    _unpack(files.results, outcome.results_sha256, out_dir)
    return GuestResult(
        exit_status=outcome.exit_status,
        kernel_version=outcome.kernel_version,
        boot_s=outcome.ready_at - started,
        total_s=total_s,
        boots=boots,
        out_dir=out_dir,
        console_log=files.console_log,
    )


def _swap_disk(path: Path, spec: GuestSpec, kernel: Kernel) -> Path | None:
    """Make a disk for a kernel without modules, and so without zram; it takes no room yet."""
    if not spec.swap_bytes or any(kernel.modules_dir.iterdir()):
        return None
    with path.open("wb") as disk:
        disk.truncate(spec.swap_bytes)
    return path


def _broken_by_emulator(console_log: Path, logged: int) -> bool:
    """Whether the kernel stumbled over a breakpoint that is no longer there.

    Only what follows the first ``logged`` bytes of the console is of this boot. Linux
    patches its own code through breakpoints while it runs. QEMU 7.2, translating on several
    threads, now and then keeps one that has been taken back: in one boot of twenty.
    """
    return b"Oops: int3" in console_log.read_bytes()[logged:]


@contextlib.contextmanager
def _console_in_errors(console_log: Path) -> Iterator[None]:
    """Add the console's last lines, and where all of it is, to a ``GuestError``."""
    try:
        yield
    except GuestError as error:
        lines = console_log.read_text(errors="replace").splitlines()[-_SHOWN_CONSOLE_LINES:]
        shown = "".join(f"\n  {line.rstrip()}" for line in lines) or " (it is empty)"
        told = f"{error}; the end of its console, {console_log}:{shown}"
        raise type(error)(told) from None


def _unpack(results: Path, sha256: str, out_dir: Path) -> None:
    """Unpack the guest's files, if they arrived as they were sent (``GuestError``)."""
    with results.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != sha256:
            raise GuestError("the guest's files were damaged on their way back: run it again")
    try:
        with tarfile.open(results) as archive:
            # Python before 3.11.4 has no filters, and the guest runs only what the caller chose
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(out_dir)
    except (OSError, tarfile.TarError) as error:
        raise GuestError(f"the guest's files cannot be written to {out_dir}: {error}") from error

"""What befalls a daemon on a host, one thing at a time, while it acts on two processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from damon_tuner.benchmarks.daemon.guest_daemon import LEARNED, STATIC, Daemon, acting
from damon_tuner.benchmarks.kernel.load import Load, Part, running
from damon_tuner.daemon.client import ask
from damon_tuner.daemon.experience.reading import read_experience
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.inventory import damon_settings

_IDLE = [Part(24 << 20)]
_PAGE = bytes(4096)
# The last page of a file that fits on a full disk has room for some lines of a journal.
_RELOADS = 60


@dataclass(frozen=True, slots=True)
class Survival:
    """One scenario, whether the daemon and the host came through it, and what was said."""

    name: str
    survived: bool
    said: str
    took_s: float


@dataclass(frozen=True, slots=True)
class Scene:
    """A folder, two processes whose memory is idle, and what DAMON was like before."""

    folder: Path
    one: Load
    two: Load
    before: dict[str, str]

    def text(self, more: str = LEARNED) -> str:
        """A configuration that acts on both."""
        return acting(self.folder, {"one": self.one.pid, "two": self.two.pid}, more)

    def daemon(self, more: str = LEARNED) -> Daemon:
        """A daemon by that configuration."""
        return Daemon(self.folder, self.text(more))

    def require_untouched(self, state: Path) -> None:
        """Require that DAMON is as before, and that no journal is left."""
        now = damon_settings()
        differ = [path for path in self.before if now.get(path) != self.before[path]]
        differ += [path for path in now if path not in self.before]
        if differ:
            raise TunerError(f"not as before: {', '.join(differ[:4])} ({len(differ)} in all)")
        if (state / "journal").exists():
            raise TunerError("a journal is left")


def measure() -> list[Survival]:
    """Play every scenario on processes of its own."""
    found = []
    for name, play in SCENARIOS.items():
        found.append(_played(name, play))
        print(found[-1], flush=True)
    return found


def _played(name: str, play: Callable[[Scene], str]) -> Survival:
    began_s, cpu = time.monotonic(), 0
    with (
        tempfile.TemporaryDirectory(prefix="scene-") as scratch,
        running(_IDLE, cpu) as one,
        running(_IDLE, cpu) as two,
    ):
        scene = Scene(Path(scratch), one, two, damon_settings())
        try:
            said, survived = play(scene), True
            scene.require_untouched(scene.folder / "state")
        except (TunerError, OSError) as error:
            said, survived = f"{type(error).__name__}: {error}", False
        shutil.copy(scene.folder / "log", _kept_log(name))
    return Survival(name, survived, said, round(time.monotonic() - began_s, 1))


def _kept_log(name: str) -> Path:
    return Path(os.environ["DAMON_TUNER_OUT"], f"{name}.log")


def _stopped(number: signal.Signals, scene: Scene) -> str:
    with scene.daemon() as daemon:
        daemon.start()
        daemon.wait_for_decisions(6)
        daemon.stop(number)
        return daemon.log()[-1]


def _crashed(number: signal.Signals, scene: Scene) -> str:
    """After a crash it refuses to start until ``restore`` was run, as its unit does."""
    with scene.daemon() as daemon:
        daemon.start()
        daemon.wait_for_decisions(6)
        daemon.send(number)
        if daemon.ended() != -number:
            raise TunerError("it did not die of the signal")
        status, said = daemon.restore()
        if status:
            raise TunerError(f"restore ended with {status}: {said}")
        scene.require_untouched(daemon.state)
        daemon.start()
        daemon.wait_for_decisions(2)
        daemon.stop()
        return said


def _reloaded(scene: Scene) -> str:
    """Ten reloads in quick succession, every other one of a configuration that is no good."""
    with scene.daemon() as daemon:
        daemon.start()
        daemon.wait_for_decisions(4)
        for number in range(10):
            is_good = number % 2 == 0
            good = scene.text(f'{LEARNED}budget = "{number + 1}%"\n')
            daemon.configure(good if is_good else 'mode = "atc"\n')
            daemon.send(signal.SIGHUP)
            time.sleep(0.13 * number)
        daemon.configure(scene.text('budget = "5 days"\n'))
        daemon.send(signal.SIGHUP)
        said = daemon.wait_for_line("5 days")
        _require("not reloaded" in said, f"it took up a wrong configuration: {said}")
        daemon.configure(scene.text(STATIC))
        daemon.send(signal.SIGHUP)
        daemon.wait_for_line("not reloaded, all goes on as before: /none")
        daemon.configure(scene.text().replace('"act"', '"shadow"'))
        daemon.send(signal.SIGHUP)
        daemon.wait_for_line("would set")
        daemon.wait_for_decisions(4)
        daemon.stop()
        return said


def _killed_tenant(scene: Scene) -> str:
    with scene.daemon() as daemon:
        daemon.start()
        daemon.wait_for_decisions(4)
        os.kill(scene.one.pid, signal.SIGKILL)
        # its parent, which has to take note of its end, is this process
        os.waitid(os.P_PID, scene.one.pid, os.WEXITED)
        daemon.wait_for_decisions(4, "two")
        tenants = ask(scene.folder / "run/socket", "status")["tenants"]
        _require([t["phase"] for t in tenants] == ["waiting", "managing"], str(tenants))
        daemon.stop()
        return f"one: {tenants[0]['phase']}, two: {tenants[1]['phase']}"


def _watermarks(scene: Scene) -> str:
    """While enough is free, DAMON sleeps for seconds at a time, and answers nothing meanwhile."""
    with scene.daemon('policy = "/none"\nfallback = "damon_reclaim"\n') as daemon:
        daemon.start()
        daemon.wait_for_decisions(4)
        _until(scene, daemon, 10.0)
        began_s = time.monotonic()
        daemon.stop()
        return f"it stopped within {time.monotonic() - began_s:.1f} s"


def _no_room_for_journal(scene: Scene) -> str:
    """Nothing may be changed that is not in the journal."""
    state = scene.folder / "state"
    with _small_disk(state, 64 << 10):
        _fill(state)
        with scene.daemon() as daemon:
            daemon.start()
            said = daemon.wait_for_line("cannot write the journal")
            scene.require_untouched(state)
            daemon.send(signal.SIGTERM)
            daemon.ended()
        scene.require_untouched(state)
        return said


def _journal_fills_up(scene: Scene) -> str:
    """It goes on or stands down; at its end everything is put back, with the disk still full."""
    state = scene.folder / "state"
    with _small_disk(state, 256 << 10):
        only_one = acting(scene.folder, {"one": scene.one.pid})
        with Daemon(scene.folder, only_one) as daemon:
            daemon.start()
            daemon.wait_for_decisions(2)
            _fill(state)
            # what is set of a kdamond that is ours needs no journal; kdamonds that come and go do
            for number in range(_RELOADS):
                daemon.configure(only_one if number % 2 else scene.text())
                daemon.send(signal.SIGHUP)
                time.sleep(1.0)
                if daemon.nr_lines("cannot write the journal"):
                    break
            said = daemon.wait_for_line("cannot write the journal", 1.0)
            _until(scene, daemon, 8.0)
            daemon.stop()
        scene.require_untouched(state)
        return said


def _no_room_for_experience(scene: Scene) -> str:
    """It goes on, says so once, and keeps experience again when there is room."""
    folder = scene.folder / "experience"
    with _small_disk(folder, 256 << 10):
        filler = _fill(folder)
        with scene.daemon() as daemon:
            daemon.configure(f'{scene.text()}[experience]\nfolder = "{folder}"\n')
            daemon.start()
            said = daemon.wait_for_line("experience cannot be kept")
            _until(scene, daemon, 15.0)
            warned = daemon.nr_lines("experience cannot be kept")
            _require(warned == 1, f"it said so {warned} times")
            filler.unlink()
            daemon.wait_for(lambda: _has_content(folder), "kept experience again")
            daemon.wait_for_decisions(4)
            daemon.stop()
        kept = read_experience(folder)
        _require(not kept.nr_damaged, f"{kept.nr_damaged} of its records are damaged")
        _require(len(kept.records) >= 4, f"it kept {len(kept.records)} records")
        return said


def _no_metrics_folder(scene: Scene) -> str:
    """A folder that is removed is made again; where it cannot be, that is said once."""
    folder = scene.folder / "metrics"
    metrics = folder / "damon-tuner.prom"
    with scene.daemon(f'{LEARNED}metrics = "{metrics}"\n') as daemon:
        daemon.start()
        daemon.wait_for(metrics.exists, "wrote metrics")
        shutil.rmtree(folder)
        daemon.wait_for(metrics.exists, "wrote metrics again")
        shutil.rmtree(folder)
        folder.touch()
        _until(scene, daemon, 5.0)
        told = [line for line in daemon.log() if "the metrics are not written" in line]
        _require(len(told) == 1, f"it said so {len(told)} times")
        daemon.stop()
        return told[0]


def _until(scene: Scene, daemon: Daemon, seconds: float) -> None:
    """Let it live for so long; unless it stands down, it must decide until the end."""
    before = daemon.nr_decisions()
    end_s = time.monotonic() + seconds
    daemon.wait_for(lambda: time.monotonic() > end_s, "went on")
    if ask(scene.folder / "run/socket", "status")["phase"] == "stood down":
        _require(any("standing down" in line for line in daemon.log()), "it did not say so")
        return
    _require(daemon.nr_decisions() - before > seconds, "it decided no more")


@contextmanager
def _small_disk(folder: Path, size_bytes: int) -> Iterator[None]:
    folder.mkdir(mode=0o700)
    options = f"size={size_bytes},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _fill(folder: Path) -> Path:
    """Use up all that is left there; return the file that does."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(_PAGE)
        except OSError:
            return path


def _has_content(folder: Path) -> bool:
    return any(path.stat().st_size for path in folder.glob("*.jsonl"))


def _require(true: bool, otherwise: str) -> None:
    if not true:
        raise TunerError(otherwise)


SCENARIOS: dict[str, Callable[[Scene], str]] = {
    "SIGTERM": partial(_stopped, signal.SIGTERM),
    "SIGINT": partial(_stopped, signal.SIGINT),
    "reloads": _reloaded,
    "SIGSEGV": partial(_crashed, signal.SIGSEGV),
    "SIGABRT": partial(_crashed, signal.SIGABRT),
    "tenant killed": _killed_tenant,
    "static policy with watermarks": _watermarks,
    "no room for the journal": _no_room_for_journal,
    "no more room for the journal": _journal_fills_up,
    "no room for experience": _no_room_for_experience,
    "metrics folder gone": _no_metrics_folder,
}

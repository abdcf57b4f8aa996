"""A guest that loses power while a daemon acts, its state and its experience on a real disk.

``python -m damon_tuner.benchmarks.daemon.guest_power`` runs in the guest: it looks at what the
boot before has left, starts the daemon on that, and cuts the power where it was told to. What it
has to say it prints, a line of JSON each, because no file would come back.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from damon_tuner.benchmarks.daemon.guest_daemon import Daemon, acting
from damon_tuner.benchmarks.kernel.load import Part, running
from damon_tuner.daemon.experience.reading import read_experience
from damon_tuner.errors import RecordingError
from damon_tuner.kernel_iface.guest.init import DISK

# What a power cut may take of experience, as its journal says.
MAY_LOSE_S = 60.0

# Where nothing was left, restore says that; where a journal was, that it is of an earlier boot.
_EARLIER_BOOT = "the host has booted since"

_IDLE = [Part(24 << 20)]
_TELL_S = 0.5
_MOUNTED = Path("/mnt")


@dataclass(frozen=True, slots=True)
class Cut:
    """What became of one power cut, as the next boot found it; ``wrong`` is empty if all is well.

    ``kept`` of ``decided`` decisions were read back, and the ``lost_s`` before the cut were not.
    """

    after_s: float
    left_journal: bool
    decided: int
    kept: int
    lost_s: float
    damaged_lines: int
    wrong: tuple[str, ...]


def judge(boots: Sequence[Sequence[Mapping[str, Any]]]) -> list[Cut]:
    """Say what became of each cut, from what each boot printed; the last one had none."""
    cuts = []
    for before, after in itertools.pairwise(boots):
        earlier = _event(before, "found")["runs"]
        told = [line for line in before if line["event"] == "decided"]
        cuts.append(_judged(earlier, told, _event(after, "found"), after))
    return cuts


def _judged(
    earlier: Mapping[str, Any],
    told: Sequence[Mapping[str, Any]],
    found: Mapping[str, Any],
    after: Sequence[Mapping[str, Any]],
) -> Cut:
    first, last = told[0], told[-1]
    runs = found["runs"]
    own = [run for name, run in runs.items() if name not in earlier]
    kept = own[0]["count"] if own else 0
    newest_s = own[0]["newest_s"] if own else first["time_s"]
    lost_s = max(last["time_s"] - newest_s, 0.0)
    wrong = []
    if lost_s > MAY_LOSE_S:
        wrong.append(f"experience of {lost_s:.0f} s is lost")
    nothing = {"count": 0}
    if any(runs.get(name, nothing)["count"] < run["count"] for name, run in earlier.items()):
        wrong.append("experience of earlier boots is lost")
    if len(own) > 1:
        wrong.append("experience of a run that never was")
    if found["damaged_lines"] > len(runs):
        wrong.append(f"{found['damaged_lines']} damaged lines of experience")
    for said in found["restores"]:
        if said["status"] or (found["journal"] and _EARLIER_BOOT not in said["said"]):
            wrong.append(f"restore ended with {said['status']}: {said['said']}")
    if found["journal_after_restore"]:
        wrong.append("restore has left the journal")
    if not any(line["event"] == "decided" for line in after):
        wrong.append("the daemon did not start again")
    return Cut(
        after_s=last["time_s"] - first["time_s"],
        left_journal=found["journal"],
        decided=last["count"],
        kept=kept,
        lost_s=lost_s,
        damaged_lines=found["damaged_lines"],
        wrong=tuple(wrong),
    )


def _event(lines: Sequence[Mapping[str, Any]], event: str) -> Mapping[str, Any]:
    return next(line for line in lines if line["event"] == event)


def main() -> None:
    """Look, act, and be cut off: the arguments are seconds, or nothing, and whether to restore."""
    after_s = float(sys.argv[1])
    subprocess.run(["mount", "-t", "ext4", DISK, str(_MOUNTED)], check=True)
    folder = Path("/run/powered")
    folder.mkdir()
    state, experience = _MOUNTED / "state", _MOUNTED / "experience"
    with running(_IDLE, 0) as one, running(_IDLE, 0) as two:
        text = acting(folder, {"one": one.pid, "two": two.pid})
        text += f'[experience]\nfolder = "{experience}"\n'
        with Daemon(folder, text, state) as daemon:
            _tell("found", **_found(daemon, experience, restore=sys.argv[2] == "restore"))
            daemon.start()
            daemon.wait_for_decisions(1)
            _act(daemon, after_s or 5.0)
            if after_s:
                Path("/proc/sysrq-trigger").write_text("b")
            daemon.stop()


def _found(daemon: Daemon, experience: Path, *, restore: bool) -> dict[str, object]:
    """What the boot before has left; with ``restore`` it is put back before the daemon starts."""
    journal = daemon.state / "journal"
    found = journal.exists()
    options = [("--dry-run",), ()] if restore else [("--dry-run",)]
    said = [daemon.restore(*each) for each in options]
    runs: dict[str, dict[str, float]] = {}
    damaged = 0
    try:
        kept = read_experience(experience)
    except RecordingError:
        pass  # the first boot, or one whose daemon had not come so far
    else:
        damaged = kept.nr_damaged
        for record in kept.records:
            run = runs.setdefault(record.run, {"count": 0, "newest_s": 0.0})
            run["count"] += 1
            run["newest_s"] = record.time_s
    return {
        "journal": found,
        "restores": [{"status": status, "said": line} for status, line in said],
        "journal_after_restore": restore and journal.exists(),
        "runs": runs,
        "damaged_lines": damaged,
    }


def _act(daemon: Daemon, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while True:
        _tell("decided", count=daemon.nr_decisions(), time_s=time.time())
        left_s = end_s - time.monotonic()
        if left_s <= 0.0:
            return
        next_s = time.monotonic() + min(left_s, _TELL_S)
        daemon.wait_for(lambda: time.monotonic() >= next_s, "went on")  # noqa: B023


def _tell(event: str, **what: object) -> None:
    print(json.dumps({"event": event, **what}), flush=True)


if __name__ == "__main__":
    main()

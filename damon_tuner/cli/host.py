"""Commands for the host that they run on: run, restore, doctor, huge-pages."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from damon_tuner.cli.options import (
    PRETRAINED,
    Commands,
    add_state_dir_option,
    command,
    interval,
    positive,
    seconds,
    seconds_or_none,
    share,
)
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, DEFAULT_BUDGET, SLOWDOWN_OF

_WATCH_S = 10.0


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    _add_run(commands)
    _add_restore(commands)
    _add_doctor(commands)
    _add_huge_pages(commands)


def _add_run(commands: Commands) -> None:
    parser = command(
        commands,
        "run",
        "manage a process of this host through DAMON (as root), until stopped",
        "Ctrl-C or SIGTERM stops, and puts back everything that was changed; after a kill, "
        "damon-tuner restore does.",
    )
    parser.add_argument("--pid", type=positive, required=True, help="the process to manage")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    which.add_argument(
        "--static", metavar="NAME", help="a rule instead, by name (docs/baselines.md)"
    )
    parser.add_argument("--budget", type=share, default=DEFAULT_BUDGET, help="slowdown allowed")
    parser.add_argument(
        "--slowdown-of",
        choices=SLOWDOWN_OF,
        default="work",
        help="the budget is a share of the time that the process works, or of all the time: for "
        "who mostly waits for others, and is to get as much done (default: work)",
    )
    parser.add_argument(
        "--interval", type=interval, default=CONTROL_INTERVAL_S, help="seconds a decision"
    )
    parser.add_argument("--duration", type=seconds, help="stop after so many seconds")
    parser.add_argument(
        "--swap-in-us", type=seconds, help="what a major fault costs (default: measured)"
    )
    parser.add_argument(
        "--disk-in-us",
        type=seconds,
        help="what one costs that reads a disk: a file, or swap behind zram or zswap "
        "(default: measured, or with --swap-in-us as much)",
    )
    parser.add_argument("--json", action="store_true", help="log decisions as JSON lines")
    add_state_dir_option(parser)
    parser.set_defaults(run=_run)


def _add_restore(commands: Commands) -> None:
    parser = command(
        commands,
        "restore",
        "put back what a killed run has left changed on this host (as root)",
        "Exit status: 0 everything is as it was; 1 refused, nothing was done (the run is alive, "
        "not root); 3 what somebody else has changed meanwhile was left alone; 4 something could "
        "not be put back, or the journal is damaged. May be repeated.",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print each file as a JSON line")
    add_state_dir_option(parser)
    parser.set_defaults(run=_restore)


def _add_doctor(commands: Commands) -> None:
    parser = command(
        commands,
        "doctor",
        "tell what this host has for damon-tuner, what it lacks, and how to get it",
        "Writes nothing, but for --probe. Exit status: 0 a process can be managed here now; "
        "1 something needed is missing or cannot be told; 2 wrong usage.",
    )
    parser.add_argument(
        "--probe",
        action="store_true",
        help="ask DAMON's own files for its features, which takes a kdamond that does not run, "
        "for a moment; nothing is done where DAMON is in use",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_state_dir_option(parser)
    parser.set_defaults(run=_doctor)


def _add_huge_pages(commands: Commands) -> None:
    parser = command(
        commands,
        "huge-pages",
        "tell how much of a process is in huge pages, what of that is bloat, and what to collapse "
        "or split (as root)",
        "Changes nothing of the process. Its heat is watched first, because the pages that are "
        "then looked into look used for a moment. Bloat is estimated from up to 256 huge pages.",
    )
    parser.add_argument("--pid", type=positive, required=True, help="the process")
    parser.add_argument(
        "--seconds",
        type=seconds_or_none,
        default=_WATCH_S,
        help="how long DAMON watches which memory is hot; 0 leaves DAMON alone",
    )
    parser.add_argument("--all", action="store_true", help="show every region")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_state_dir_option(parser)
    parser.set_defaults(run=_huge_pages)


def _huge_pages(args: argparse.Namespace) -> None:
    from damon_tuner.kernel_iface.huge_pages import as_json, as_text, examine
    from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
    from damon_tuner.kernel_iface.sysfs.tree import Tree

    found = examine(Tree(LocalKernel()), args.pid, args.seconds, args.state_dir)
    print(as_json(found) if args.json else as_text(found, is_whole=args.all))


def _run(args: argparse.Namespace) -> None:
    from damon_tuner.daemon.live import manage_process

    manage_process(
        args.pid,
        policy_path=None if args.static else args.policy or PRETRAINED,
        static=args.static,
        budget=args.budget,
        slowdown_of=args.slowdown_of,
        interval_s=args.interval,
        duration_s=args.duration,
        swap_in_us=args.swap_in_us,
        disk_in_us=args.disk_in_us,
        state_dir=args.state_dir,
        as_json=args.json,
    )


def _restore(args: argparse.Namespace) -> int:
    from damon_tuner.kernel_iface.sysfs.journal import state_dir
    from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
    from damon_tuner.kernel_iface.sysfs.restore import restore

    folder = state_dir(chosen=args.state_dir)
    done = restore(LocalKernel(), folder, dry_run=args.dry_run, traces=Path("/"))
    for line in done.json_lines() if args.json else done.lines():
        print(line)
    return done.status


def _doctor(args: argparse.Namespace) -> int:
    from damon_tuner.kernel_iface.doctor import as_json, as_text, examine, is_ready
    from damon_tuner.kernel_iface.sysfs.journal import state_dir
    from damon_tuner.kernel_iface.sysfs.kernel import LocalKernel
    from damon_tuner.kernel_iface.sysfs.tree import Tree

    tree = Tree(LocalKernel(), busy_timeout_s=2.0)
    findings = examine(tree, state_dir(chosen=args.state_dir), probe=args.probe)
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(as_json(findings) if args.json else as_text(findings, width))
    return 0 if is_ready(findings) else 1

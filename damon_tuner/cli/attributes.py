"""The command that watches how memory is used: attributes."""

from __future__ import annotations

import argparse
from typing import Protocol

from damon_tuner.cli.options import (
    Commands,
    add_state_dir_option,
    command,
    interval,
    positive,
    seconds,
)
from damon_tuner.cli.progress import progress
from damon_tuner.errors import TunerError

_SECONDS = 120.0
_INTERVAL_S = 1.0
_MAX_PAGES = 16_384


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    parser = command(
        commands,
        "attributes",
        "watch how memory is used, and tell what to prefetch, place together and merge",
        "Only watches: no scheme runs, and everything is put back. Ctrl-C ends the watch early, "
        "and what was seen is told all the same. --pid and --physical need root.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--pid", type=positive, help="a process of this host")
    which.add_argument(
        "--physical",
        action="store_true",
        help="physical memory of this host, hot and cold by attribute (Linux 7.2)",
    )
    which.add_argument(
        "--workload",
        metavar="NAME",
        help="a simulated load: a workload file (.toml), a recording, or a bundled workload",
    )
    parser.add_argument("--seconds", type=seconds, default=_SECONDS, help="how long to watch")
    parser.add_argument(
        "--interval", type=interval, default=_INTERVAL_S, help="seconds from look to look"
    )
    parser.add_argument("--seed", type=int, default=0, help="workload: which episode to draw")
    parser.add_argument(
        "--cgroup", metavar="PATH", help="physical: count this control group's memory too"
    )
    parser.add_argument(
        "--pages",
        type=_pages,
        default=_MAX_PAGES,
        help="pid: how many idle pages to read for what looks alike; 0 for none",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_state_dir_option(parser)
    parser.set_defaults(run=_attributes)


def _pages(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 1 << 28:
        raise argparse.ArgumentTypeError("must be 0, or at most 268435456")
    return value


class _Report(Protocol):
    def text(self) -> str: ...
    def json(self) -> str: ...


def _attributes(args: argparse.Namespace) -> None:
    if args.cgroup is not None and not args.physical:
        raise TunerError("--cgroup counts physical memory: add --physical")
    report = _watch(args)
    print(report.json() if args.json else report.text())


def _watch(args: argparse.Namespace) -> _Report:
    with progress(max(round(args.seconds / args.interval), 1), "watching") as step:
        if args.physical:
            from damon_tuner.daemon.attributes.physical import watch_physical

            return watch_physical(
                cgroup=args.cgroup,
                seconds=args.seconds,
                interval_s=args.interval,
                state_dir=args.state_dir,
                on_step=step,
            )
        from damon_tuner.daemon.attributes.live import observe, watch_process

        if args.pid is not None:
            return watch_process(
                args.pid,
                seconds=args.seconds,
                interval_s=args.interval,
                max_pages=args.pages,
                state_dir=args.state_dir,
                on_step=step,
            )
        from damon_tuner.envs.preview import find_workload
        from damon_tuner.kernel_iface.sim import SimHost
        from damon_tuner.policies.attributes import REPORT_MONITORING

        workload = find_workload(args.workload)
        host = SimHost(workload.spec(), seed=args.seed % 2**64, attrs=REPORT_MONITORING)
        name = f"workload {workload.name}"
        return observe(host, name, seconds=args.seconds, interval_s=args.interval, on_step=step)

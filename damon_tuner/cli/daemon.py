"""Commands for the daemon that runs on this host, and for what it has left."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from damon_tuner.cli.options import Commands, command, seconds

if TYPE_CHECKING:
    from damon_tuner.daemon.status import DaemonStatus

SOCKET = Path("/run/damon-tuner/socket")
"""Where the daemon listens unless its configuration says otherwise."""

EXPERIENCE = Path("/var/lib/damon-tuner/experience")
"""Where it keeps experience unless its configuration says otherwise."""

_PATIENCE_S = 5.0
_PATIENCE_TO_PUT_BACK_S = 60.0


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    _add_status(commands)
    _add_top(commands)
    _add_pause(commands)
    _add_resume(commands)
    _add_report(commands)
    _add_experience(commands)


def _add_socket_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--socket", type=Path, default=SOCKET, metavar="PATH", help="where the daemon listens"
    )


def _add_status(commands: Commands) -> None:
    parser = command(
        commands,
        "status",
        "tell what the daemon does with each tenant, and why (as root)",
        "Exit status: 0 everything is managed, or shadowed, as told to; 1 the daemon cannot be "
        "reached; 3 it is paused, stood down or stopping, or a tenant is failing.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    _add_socket_option(parser)
    parser.set_defaults(run=_status)


def _add_top(commands: Commands) -> None:
    parser = command(
        commands,
        "top",
        "watch the daemon at work: heat, savings and slowdown of each tenant (as root)",
        "The key q quits. Where the output is no terminal, each look is printed as text.",
    )
    parser.add_argument(
        "--interval", type=seconds, default=2.0, metavar="S", help="seconds from look to look"
    )
    _add_socket_option(parser)
    parser.set_defaults(run=_top)


def _add_pause(commands: Commands) -> None:
    parser = command(
        commands,
        "pause",
        "have the daemon put everything back and do nothing until resume (as root)",
        "What is paged out comes back as it is used. A daemon that is started again goes on: to "
        'keep it from that, stop it, or set mode = "shadow".',
    )
    _add_socket_option(parser)
    parser.set_defaults(run=_pause)


def _add_resume(commands: Commands) -> None:
    parser = command(
        commands,
        "resume",
        "have the daemon go on after a pause, or after it has stood down (as root)",
        "Exit status: 0 it goes on; 1 not reachable; 3 it does not, or a tenant is failing.",
    )
    _add_socket_option(parser)
    parser.set_defaults(run=_resume)


def _add_report(commands: Commands) -> None:
    parser = command(
        commands,
        "report",
        "tell what the daemon has saved, or in shadow mode would likely have saved",
        "Reads the experience that the daemon keeps; it need not run.",
    )
    _add_folder(parser)
    parser.add_argument(
        "--since", type=seconds, metavar="S", help="only the last so many seconds (default: all)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=_report)


def _add_experience(commands: Commands) -> None:
    parser = command(commands, "experience", "look at what the daemon keeps to train on")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = command(actions, "show", "say how much of it there is, of which tenants")
    _add_folder(show)
    show.set_defaults(run=_show_experience)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=EXPERIENCE,
        help="where the daemon keeps experience, or one segment of it",
    )


def _report(args: argparse.Namespace) -> None:
    from damon_tuner.daemon.report import report

    found = report(args.folder, time.time() - args.since if args.since else 0.0)
    print(found.json() if args.json else found.text())


def _show_experience(args: argparse.Namespace) -> None:
    from damon_tuner.training.experience import load_experience, summary

    print(summary(load_experience(args.folder)))


def _ask(socket: Path, what: str, timeout_s: float = _PATIENCE_S) -> DaemonStatus:
    from damon_tuner.daemon.client import ask
    from damon_tuner.daemon.status import from_dict

    return from_dict(ask(socket, what, timeout_s))


def _status(args: argparse.Namespace) -> int:
    from damon_tuner.daemon.status import to_dict
    from damon_tuner.daemon.status_text import exit_status, status_text

    status = _ask(args.socket, "status")
    if args.json:
        print(json.dumps(to_dict(status), indent=2, allow_nan=False))
    else:
        print(status_text(status, time.time()))
    return exit_status(status)


def _top(args: argparse.Namespace) -> None:
    from damon_tuner.daemon.watch import watch

    watch(lambda: _ask(args.socket, "status"), args.interval, sys.stdin, sys.stdout)


def _pause(args: argparse.Namespace) -> None:
    from damon_tuner.daemon.status_text import phase_of

    print(phase_of(_ask(args.socket, "pause", _PATIENCE_TO_PUT_BACK_S)))


def _resume(args: argparse.Namespace) -> int:
    from damon_tuner.daemon.status_text import exit_status, phase_of

    status = _ask(args.socket, "resume", _PATIENCE_TO_PUT_BACK_S)
    print(phase_of(status))
    return exit_status(status)

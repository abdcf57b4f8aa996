"""What several commands share: how a command looks, what an option takes, common options."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TypeAlias

import damon_tuner
from damon_tuner.policies.decision import DEFAULT_BUDGET

PRETRAINED = Path(damon_tuner.__file__).parent / "policies" / "pretrained" / "reclaim.safetensors"
"""The shipped policy."""

# a string, because the class takes its parameter only in type checkers
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command is added."""


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not that there is none."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def command(commands: Commands, name: str, help: str, epilog: str = "") -> argparse.ArgumentParser:
    """Add a command, described by the line that lists it."""
    return commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=epilog,
        formatter_class=_Formatter,
    )


def share(text: str) -> float:
    """Take a budget: 0.02 or 2%."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 0.02 or 2%") from None
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1 (100%)")
    return value


def knob_groups(text: str) -> tuple[str, ...]:
    """Take names of knob groups, between commas."""
    from damon_tuner._core import KNOB_GROUPS
    from damon_tuner.policies.schema import schema_of

    try:
        return schema_of(text.split(",")).groups
    except ValueError as error:
        known = ", ".join(KNOB_GROUPS)
        raise argparse.ArgumentTypeError(f"{error}; there are {known}") from None


def positive(text: str) -> int:
    """Take a number that counts something."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def seconds(text: str) -> float:
    """Take a time, at most a million seconds."""
    value = float(text)
    if not 0.0 < value <= 1e6:
        raise argparse.ArgumentTypeError("must be above 0, and at most a million")
    return value


def seconds_or_none(text: str) -> float:
    """Take a time, or 0 for none."""
    return 0.0 if float(text) == 0.0 else seconds(text)


def interval(text: str) -> float:
    """Take the time from one decision to the next."""
    value = seconds(text)
    if not 0.5 <= value <= 60.0:
        # the guard looks once an interval, and must not look away for long
        raise argparse.ArgumentTypeError("must be from 0.5 to 60 seconds")
    return value


def name_list(text: str) -> tuple[str, ...]:
    """Take names between commas."""
    return tuple(text.split(","))


def add_training_loads_options(parser: argparse.ArgumentParser) -> None:
    """Add what to train on."""
    parser.add_argument(
        "--workload",
        type=Path,
        action="append",
        help="train on this workload file instead of the bundled families; may be repeated",
    )
    add_profile_option(parser)


def add_profile_option(parser: argparse.ArgumentParser) -> None:
    """Add which host to simulate."""
    parser.add_argument(
        "--profile",
        metavar="HOST",
        help="simulate this host: a file that calibrate wrote, or a bundled profile's name",
    )


def add_comparison_options(parser: argparse.ArgumentParser) -> None:
    """Add what a comparison of policies takes."""
    parser.add_argument("--budget", type=share, default=DEFAULT_BUDGET, help="slowdown allowed")
    parser.add_argument("--seeds", type=positive, default=12, help="episodes a workload")
    parser.add_argument(
        "--threads", type=positive, default=os.cpu_count() or 1, help="threads of the simulator"
    )


def add_state_dir_option(parser: argparse.ArgumentParser) -> None:
    """Add where the journal of changes is."""
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where the journal of changes is (default: $DAMON_TUNER_STATE_DIR, or "
        "/var/lib/damon-tuner)",
    )

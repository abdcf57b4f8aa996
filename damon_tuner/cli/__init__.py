"""The ``damon-tuner`` command. What a subcommand needs is imported only when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from damon_tuner import __version__
from damon_tuner.cli import attributes, bench, daemon, host, learn, loads, measure, search
from damon_tuner.cli.options import PRETRAINED
from damon_tuner.errors import TunerError

__all__ = ["PRETRAINED", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    from damon_tuner.signals import Stopped, stop_on_signals

    args = _parser().parse_args(argv)
    try:
        with stop_on_signals():
            return int(args.run(args) or 0)
    except TunerError as error:
        print(f"damon-tuner: error: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("damon_tuner"):
            raise
        print(
            f"damon-tuner: error: this command needs {error.name}: "
            "run pip install '.[train]' in this project's folder",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"damon-tuner: error: {error}", file=sys.stderr)
        return 1
    except (Stopped, KeyboardInterrupt):
        print("damon-tuner: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="damon-tuner",
        description="Learns the knobs of Linux's DAMON: memory saved within a slowdown budget.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    # in the order in which help lists them
    for family in (learn, search, bench, host, attributes, daemon, measure, loads):
        family.add_commands(commands)
    return parser

"""Commands that measure: kernel-demo, calibrate, figures."""

from __future__ import annotations

import argparse
from pathlib import Path

from damon_tuner.benchmarks.kernel_demo import DEFAULT_OUT, DEFAULT_SECONDS
from damon_tuner.cli.options import (
    PRETRAINED,
    Commands,
    add_comparison_options,
    command,
    interval,
    positive,
    seconds,
    share,
)
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, DEFAULT_BUDGET

GROUPS = (
    "sim",
    "env",
    "score",
    "kernel",
    "calibrate",
    "field",
    "fidelity",
    "faults",
    "daemon",
    "attributes",
    "forecast",
    "knobs",
    "train",
    "ablations",
)


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    _add_kernel_demo(commands)
    _add_calibrate(commands)
    _add_figures(commands)


def _add_kernel_demo(commands: Commands) -> None:
    parser = command(
        commands,
        "kernel-demo",
        "boot a real kernel in an emulator and compare policies on a real process there",
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="results")
    parser.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    parser.add_argument("--budget", type=share, default=DEFAULT_BUDGET, help="slowdown allowed")
    parser.add_argument("--seconds", type=seconds, default=DEFAULT_SECONDS, help="for each policy")
    parser.add_argument(
        "--interval", type=interval, default=CONTROL_INTERVAL_S, help="seconds a decision"
    )
    parser.set_defaults(run=_kernel_demo)


def _add_calibrate(commands: Commands) -> None:
    parser = command(
        commands,
        "calibrate",
        "measure this host and write a profile of it for the simulator",
        "Measures on memory of its own; changes nothing on the host, and needs no privileges.",
    )
    parser.add_argument("--out", type=Path, default=Path("host.toml"), help="the profile to write")
    parser.add_argument("--quick", action="store_true", help="seconds, with less memory and runs")
    parser.add_argument(
        "--max-mib",
        type=positive,
        help="memory to use (default: a quarter of what is available, at most 2048)",
    )
    parser.add_argument("--json", action="store_true", help="print each value as a JSON line")
    parser.set_defaults(run=_calibrate)


def _add_figures(commands: Commands) -> None:
    parser = command(
        commands, "figures", "measure, and print one JSON object a line for each figure"
    )
    parser.add_argument("group", choices=GROUPS, help="what to measure")
    parser.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    parser.add_argument(
        "--reuse",
        type=Path,
        metavar="DIR",
        help="kernel: print what an earlier kernel-demo wrote to DIR instead of booting again; "
        "score: what bench wrote there",
    )
    add_comparison_options(parser)
    parser.set_defaults(run=_figures)


def _kernel_demo(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.kernel_demo.run import run_demo

    run_demo(args.out, args.policy or PRETRAINED, args.budget, args.seconds, args.interval)


def _calibrate(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.calibrate import calibrate_to_file

    calibrate_to_file(args.out, args.max_mib, quick=args.quick, as_json=args.json)


def _figures(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.figures import measure

    policy = args.policy or PRETRAINED
    for figure in measure(args.group, policy, args.budget, args.seeds, args.threads, args.reuse):
        print(figure.line(), flush=True)

"""Commands about loads and recordings of them: workload, fidelity."""

from __future__ import annotations

import argparse
from pathlib import Path

from damon_tuner.cli.options import Commands, command, seconds


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    _add_workload(commands)
    _add_fidelity(commands)


def _add_workload(commands: Commands) -> None:
    parser = command(commands, "workload", "look at workloads")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = command(actions, "show", "draw which memory a workload uses how much, over time")
    show.add_argument(
        "workload", help="a workload file (.toml), a recording, or the name of a bundled workload"
    )
    show.add_argument("--seconds", type=seconds, help="how long (default: as fits)")
    show.add_argument("--seed", type=int, default=0, help="which episode to draw")
    show.add_argument("--out", type=Path, help="write a picture (PNG) there instead")
    show.set_defaults(run=_show_workload)


def _add_fidelity(commands: Commands) -> None:
    parser = command(
        commands,
        "fidelity",
        "record real DAMON in an emulated kernel, or draw it beside the simulator",
        "The distances are printed by damon-tuner figures fidelity.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    record = command(
        verbs, "record", "make the recordings of a real kernel again, each in a guest of its own"
    )
    record.add_argument("names", nargs="*", metavar="NAME", help="only these, as stairs.vaddr.1")
    record.add_argument("--out", type=Path, help="folder (default: where the project has them)")
    record.set_defaults(run=_fidelity_record)
    plot = command(verbs, "plot", "draw heat maps of the kernel and the simulator, side by side")
    plot.add_argument("--out", type=Path, default=Path("out/fidelity"), help="folder")
    plot.set_defaults(run=_fidelity_plot)


def _show_workload(args: argparse.Namespace) -> None:
    from damon_tuner.envs.preview import find_workload, preview

    heatmap = preview(find_workload(args.workload), args.seed, args.seconds)
    if args.out:
        from damon_tuner.benchmarks.plots import plot_workload

        plot_workload(args.out, heatmap)
        print(args.out)
    else:
        print(heatmap.text())


def _fidelity_record(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.fidelity.golden import GOLDEN
    from damon_tuner.benchmarks.fidelity.record import record

    record(args.out or GOLDEN, args.names)


def _fidelity_plot(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.fidelity.plot import draw_all

    for path in draw_all(args.out):
        print(path)

"""The ``damon-tuner`` command. What a subcommand needs is imported only when it runs."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from damon_tuner import __version__
from damon_tuner.benchmarks.kernel_demo import DEFAULT_OUT, DEFAULT_SECONDS
from damon_tuner.errors import TunerError
from damon_tuner.policies.decision import CONTROL_INTERVAL_S, DEFAULT_BUDGET

if TYPE_CHECKING:
    from damon_tuner.benchmarks.score import WorkloadSets

GROUPS = ("sim", "env", "score", "kernel", "calibrate", "field", "fidelity", "faults")
PRETRAINED = Path(__file__).parent / "policies" / "pretrained" / "reclaim.safetensors"


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
    _add_tune(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_export(commands)
    _add_run(commands)
    _add_restore(commands)
    _add_doctor(commands)
    _add_kernel_demo(commands)
    _add_calibrate(commands)
    _add_figures(commands)
    _add_workload(commands)
    _add_fidelity(commands)
    return parser


class _Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not that there is none."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


_Commands = argparse._SubParsersAction


def _command(
    commands: _Commands[argparse.ArgumentParser], name: str, help: str, epilog: str = ""
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help,
        description=help[0].upper() + help[1:] + ".",
        epilog=epilog,
        formatter_class=_Formatter,
    )


def _share(text: str) -> float:
    """A budget: 0.02 or 2%."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share such as 0.02 or 2%") from None
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError("must be above 0 and at most 1 (100%)")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1e6:
        raise argparse.ArgumentTypeError("must be above 0, and at most a million")
    return value


def _interval(text: str) -> float:
    value = _seconds(text)
    if not 0.5 <= value <= 60.0:
        # the guard looks once an interval, and must not look away for long
        raise argparse.ArgumentTypeError("must be from 0.5 to 60 seconds")
    return value


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    parser.add_argument("--steps", type=_positive, help="control intervals to train for")
    parser.add_argument("--seed", type=int, default=0, help="determines the trained weights")
    parser.add_argument(
        "--workload",
        type=Path,
        action="append",
        help="train on this workload file instead of the bundled families; may be repeated",
    )
    _add_profile_option(parser)


def _add_profile_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--profile",
        metavar="HOST",
        help="simulate this host: a file that calibrate wrote, or a bundled profile's name",
    )


def _add_tune(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "tune", "train a policy, compare it with static ones, and write a report"
    )
    _add_training_options(parser)
    _add_comparison_options(parser)
    parser.set_defaults(run=_tune)


def _add_train(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "train", "train a policy in the simulator and export it")
    _add_training_options(parser)
    parser.set_defaults(run=_train)


def _add_comparison_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--budget", type=_share, default=DEFAULT_BUDGET, help="slowdown allowed")
    parser.add_argument("--seeds", type=_positive, default=12, help="episodes a workload")
    parser.add_argument(
        "--threads", type=_positive, default=os.cpu_count() or 1, help="threads of the simulator"
    )


def _add_evaluate(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "evaluate", "compare a policy with the static ones, on seeds not trained on"
    )
    parser.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    _add_comparison_options(parser)
    parser.add_argument(
        "--workload",
        type=Path,
        action="append",
        help="compare on this workload file instead of the bundled ones; may be repeated",
    )
    _add_profile_option(parser)
    parser.add_argument("--json", action="store_true", help="print every episode as a JSON line")
    parser.set_defaults(run=_evaluate)


def _add_export(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "export",
        "make a policy file from a training run",
        "A run holds pickles of the training libraries: export only runs that you trust.",
    )
    parser.add_argument("training_run", type=Path, help="the folder that train wrote, out/run")
    parser.add_argument("policy", type=Path, help="the policy file to write")
    parser.set_defaults(run=_export)


def _add_run(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "run",
        "manage a process of this host through DAMON (as root), until stopped",
        "Ctrl-C or SIGTERM stops, and puts back everything that was changed; after a kill, "
        "damon-tuner restore does.",
    )
    parser.add_argument("--pid", type=_positive, required=True, help="the process to manage")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    which.add_argument("--static", metavar="NAME", help="a static policy instead, by name")
    parser.add_argument("--budget", type=_share, default=DEFAULT_BUDGET, help="slowdown allowed")
    parser.add_argument(
        "--interval", type=_interval, default=CONTROL_INTERVAL_S, help="seconds a decision"
    )
    parser.add_argument("--duration", type=_seconds, help="stop after so many seconds")
    parser.add_argument(
        "--swap-in-us", type=_seconds, help="what a major fault costs (default: measured)"
    )
    parser.add_argument("--json", action="store_true", help="log decisions as JSON lines")
    _add_state_dir_option(parser)
    parser.set_defaults(run=_run)


def _add_state_dir_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state-dir",
        type=Path,
        metavar="DIR",
        help="where the journal of changes is (default: $DAMON_TUNER_STATE_DIR, or "
        "/var/lib/damon-tuner)",
    )


def _add_restore(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "restore",
        "put back what a killed run has left changed on this host (as root)",
        "Exit status: 0 everything is as it was; 1 refused, nothing was done (the run is alive, "
        "not root); 3 what somebody else has changed meanwhile was left alone; 4 something could "
        "not be put back, or the journal is damaged. May be repeated.",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print each file as a JSON line")
    _add_state_dir_option(parser)
    parser.set_defaults(run=_restore)


def _add_doctor(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
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
    _add_state_dir_option(parser)
    parser.set_defaults(run=_doctor)


def _add_kernel_demo(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "kernel-demo",
        "boot a real kernel in an emulator and compare policies on a real process there",
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="results")
    parser.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    parser.add_argument("--budget", type=_share, default=DEFAULT_BUDGET, help="slowdown allowed")
    parser.add_argument(
        "--seconds", type=_seconds, default=DEFAULT_SECONDS, help="for each policy"
    )
    parser.add_argument(
        "--interval", type=_interval, default=CONTROL_INTERVAL_S, help="seconds a decision"
    )
    parser.set_defaults(run=_kernel_demo)


def _add_calibrate(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "calibrate",
        "measure this host and write a profile of it for the simulator",
        "Measures on memory of its own; changes nothing on the host, and needs no privileges.",
    )
    parser.add_argument("--out", type=Path, default=Path("host.toml"), help="the profile to write")
    parser.add_argument("--quick", action="store_true", help="seconds, with less memory and runs")
    parser.add_argument(
        "--max-mib",
        type=_positive,
        help="memory to use (default: a quarter of what is available, at most 2048)",
    )
    parser.add_argument("--json", action="store_true", help="print each value as a JSON line")
    parser.set_defaults(run=_calibrate)


def _add_figures(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands, "figures", "measure, and print one JSON object a line for each figure"
    )
    parser.add_argument("group", choices=GROUPS, help="what to measure")
    parser.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    parser.add_argument(
        "--reuse",
        type=Path,
        metavar="DIR",
        help="kernel: print what an earlier kernel-demo wrote to DIR instead of booting again",
    )
    _add_comparison_options(parser)
    parser.set_defaults(run=_figures)


def _add_workload(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(commands, "workload", "look at workloads")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    show = _command(actions, "show", "draw which memory a workload uses how much, over time")
    show.add_argument(
        "workload", help="a workload file (.toml), a recording, or the name of a bundled workload"
    )
    show.add_argument("--seconds", type=_seconds, help="how long (default: as fits)")
    show.add_argument("--seed", type=int, default=0, help="which episode to draw")
    show.add_argument("--out", type=Path, help="write a picture (PNG) there instead")
    show.set_defaults(run=_show_workload)


def _show_workload(args: argparse.Namespace) -> None:
    from damon_tuner.envs.preview import find_workload, preview

    heatmap = preview(find_workload(args.workload), args.seed, args.seconds)
    if args.out:
        from damon_tuner.benchmarks.plots import plot_workload

        plot_workload(args.out, heatmap)
        print(args.out)
    else:
        print(heatmap.text())


def _add_fidelity(commands: _Commands[argparse.ArgumentParser]) -> None:
    parser = _command(
        commands,
        "fidelity",
        "record real DAMON in an emulated kernel, or draw it beside the simulator",
        "The distances are printed by damon-tuner figures fidelity.",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    record = _command(
        verbs, "record", "make the recordings of a real kernel again, each in a guest of its own"
    )
    record.add_argument("names", nargs="*", metavar="NAME", help="only these, as stairs.vaddr.1")
    record.add_argument("--out", type=Path, help="folder (default: where the project has them)")
    record.set_defaults(run=_fidelity_record)
    plot = _command(verbs, "plot", "draw heat maps of the kernel and the simulator, side by side")
    plot.add_argument("--out", type=Path, default=Path("out/fidelity"), help="folder")
    plot.set_defaults(run=_fidelity_plot)


def _fidelity_record(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.fidelity.golden import GOLDEN
    from damon_tuner.benchmarks.fidelity.record import record

    record(args.out or GOLDEN, args.names)


def _fidelity_plot(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.fidelity.plot import draw_all

    for path in draw_all(args.out):
        print(path)


def _train(args: argparse.Namespace) -> None:
    from damon_tuner.training.run import train_and_save

    train_and_save(args.out, args.steps, args.seed, _sets(args)["held_out_seeds"])


def _tune(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.report import write_report
    from damon_tuner.benchmarks.score import print_table, run_score
    from damon_tuner.training.run import train_and_save

    sets = _sets(args)
    trained = train_and_save(args.out, args.steps, args.seed, sets["held_out_seeds"])
    comparison = run_score(
        trained.policy.network(),
        budget=args.budget,
        seeds=args.seeds,
        sets=sets,
        nr_threads=args.threads,
    )
    print_table(comparison)
    report = args.out / "report.html"
    write_report(report, comparison, trained.curve, trained.policy)
    print(f"\npolicy {trained.path}\nreport {report}")


def _sets(args: argparse.Namespace) -> WorkloadSets:
    """What to train on, by the name it has when it is compared on, and what is held out."""
    from damon_tuner.benchmarks.score import bundled_sets, workload_file_sets
    from damon_tuner.envs.workload_file import load_workloads

    sets = workload_file_sets(load_workloads(args.workload)) if args.workload else bundled_sets()
    return _on_profile(sets, args.profile)


def _on_profile(sets: WorkloadSets, name: str | None) -> WorkloadSets:
    from damon_tuner.envs.profile_file import find_profile

    if name is None:
        return sets
    profile = find_profile(name)
    return {key: [workload.on(profile) for workload in loads] for key, loads in sets.items()}


def _evaluate(args: argparse.Namespace) -> None:
    from dataclasses import asdict

    from damon_tuner.benchmarks.score import bundled_sets, print_table, run_score
    from damon_tuner.envs.workload_file import load_workloads
    from damon_tuner.policies.policy_file import load_policy

    sets: WorkloadSets = bundled_sets()
    if args.workload:
        sets = {"workload_files": load_workloads(args.workload)}
    comparison = run_score(
        load_policy(args.policy or PRETRAINED).network(),
        budget=args.budget,
        seeds=args.seeds,
        sets=_on_profile(sets, args.profile),
        nr_threads=args.threads,
    )
    if args.json:
        for result in comparison.results:
            print(json.dumps(asdict(result)))
    else:
        print_table(comparison)


def _export(args: argparse.Namespace) -> None:
    from damon_tuner.training.run import export_run

    export_run(args.training_run, args.policy)
    print(args.policy)


def _run(args: argparse.Namespace) -> None:
    from damon_tuner.daemon.live import manage_process

    manage_process(
        args.pid,
        policy_path=None if args.static else args.policy or PRETRAINED,
        static=args.static,
        budget=args.budget,
        interval_s=args.interval,
        duration_s=args.duration,
        swap_in_us=args.swap_in_us,
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

"""Commands that make and compare policies: tune, train, evaluate, export."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from damon_tuner.cli.options import (
    PRETRAINED,
    Commands,
    add_comparison_options,
    add_profile_option,
    add_training_loads_options,
    command,
    knob_groups,
    positive,
)
from damon_tuner.policies.schema import DEFAULT_GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from damon_tuner.benchmarks.score import Results
    from damon_tuner.benchmarks.sets import WorkloadSets
    from damon_tuner.envs.workload_file import Workload
    from damon_tuner.training.hyperparams_file import Hyperparams
    from damon_tuner.training.run import SavedRun

ALGORITHMS = ("ppo", "sac", "tqc")
"""As ``training.algorithms`` has them, without the libraries that it needs."""


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    _add_tune(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_export(commands)


def _add_tune(commands: Commands) -> None:
    parser = command(
        commands, "tune", "train a policy, compare it with static ones, and write a report"
    )
    _add_training_options(parser)
    add_comparison_options(parser)
    parser.set_defaults(run=_tune)


def _add_train(commands: Commands) -> None:
    parser = command(commands, "train", "train a policy in the simulator and export it")
    _add_training_options(parser)
    parser.add_argument(
        "--seeds",
        type=positive,
        default=1,
        help="train so many policies, from --seed on, each in a folder of its own",
    )
    parser.add_argument("--workers", type=positive, default=1, help="policies trained at once")
    parser.add_argument("--ray", metavar="ADDRESS", help="train on this Ray cluster")
    parser.set_defaults(run=_train)


def _add_evaluate(commands: Commands) -> None:
    parser = command(
        commands, "evaluate", "compare a policy with the static ones, on seeds not trained on"
    )
    parser.add_argument("--policy", type=Path, help="policy file (default: the shipped one)")
    add_comparison_options(parser)
    parser.add_argument(
        "--workload",
        type=Path,
        action="append",
        help="compare on this workload file instead of the bundled ones; may be repeated",
    )
    add_profile_option(parser)
    parser.add_argument("--json", action="store_true", help="print every episode as a JSON line")
    parser.set_defaults(run=_evaluate)


def _add_export(commands: Commands) -> None:
    parser = command(
        commands,
        "export",
        "make a policy file from a training run",
        "A run holds pickles of the training libraries: export only runs that you trust.",
    )
    parser.add_argument("training_run", type=Path, help="the folder that train wrote, out/run")
    parser.add_argument("policy", type=Path, help="the policy file to write")
    parser.set_defaults(run=_export)


def _add_training_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the results")
    parser.add_argument(
        "--algorithm", choices=ALGORITHMS, default="ppo", help="of stable-baselines3, sb3-contrib"
    )
    parser.add_argument(
        "--hyperparams",
        type=Path,
        metavar="YAML",
        help="what the algorithm is set to (default: the bundled file of its name)",
    )
    parser.add_argument("--steps", type=positive, help="control intervals to train for")
    parser.add_argument("--seed", type=int, default=0, help="determines the trained weights")
    add_training_loads_options(parser)
    parser.add_argument(
        "--knobs",
        type=knob_groups,
        default=DEFAULT_GROUPS,
        metavar="GROUP[,GROUP]",
        help=f"what the policy sets (default: {','.join(DEFAULT_GROUPS)}): reclaim, goals, "
        "tiering, thp, power, prediction; with adaptive it sets page-out relative to what the "
        "budget bears and sees what came back, with attributes it also sees how memory is used. "
        "tiering, thp and power need a --profile of a host that has them",
    )


def _tune(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.report import write_report
    from damon_tuner.benchmarks.score import print_table
    from damon_tuner.benchmarks.sets import HELD_OUT, TRAINING

    sets = _sets(args)
    trained = _train_on(args, sets[TRAINING])
    results = _compared(args, sets, trained.path)
    print_table(results)
    report = args.out / "report.html"
    shown = sets.get(HELD_OUT, sets[TRAINING])[0]
    write_report(report, results, trained.policy, shown, trained.curve)
    print(f"\npolicy {trained.path}\nreport {report}")


def _compared(args: argparse.Namespace, sets: WorkloadSets, policy: Path) -> Results:
    from damon_tuner.benchmarks.bench.entry import LEARNED, policy_entries, rule_entries
    from damon_tuner.benchmarks.bench.plan import Plan
    from damon_tuner.benchmarks.bench.run import compare
    from damon_tuner.policies.rules import STATIC_POLICIES

    entries = (*rule_entries(STATIC_POLICIES), *policy_entries(f"{LEARNED}={policy}"))
    return compare(Plan(sets, entries, (args.budget,), args.seeds), workers=args.threads)


def _train(args: argparse.Namespace) -> None:
    workloads = training_workloads_of(args)
    if args.seeds == 1 and args.ray is None:
        _train_on(args, workloads)
        return
    from damon_tuner.training.seeds import SeedRun, train_seeds

    runs = [
        SeedRun(
            seed=args.seed + i,
            steps=args.steps,
            workloads=tuple(workloads),
            groups=args.knobs,
            hyperparams=hyperparams_of(args),
            quiet=args.workers > 1 or args.ray is not None,
        )
        for i in range(args.seeds)
    ]
    for folder in train_seeds(args.out, runs, workers=args.workers, ray=args.ray):
        print(folder)


def _train_on(args: argparse.Namespace, workloads: Sequence[Workload]) -> SavedRun:
    from damon_tuner.training.run import train_and_save

    hyperparams = hyperparams_of(args)
    return train_and_save(args.out, args.steps, args.seed, workloads, args.knobs, hyperparams)


def hyperparams_of(args: argparse.Namespace) -> Hyperparams:
    """What ``--algorithm`` and ``--hyperparams`` say."""
    from damon_tuner.training.hyperparams_file import bundled_hyperparams, load_hyperparams

    if args.hyperparams:
        return load_hyperparams(args.hyperparams, args.algorithm)
    return bundled_hyperparams(args.algorithm)


def training_workloads_of(args: argparse.Namespace) -> Sequence[Workload]:
    """What ``--workload`` and ``--profile`` say to train on."""
    from damon_tuner.benchmarks.sets import TRAINING

    return _sets(args)[TRAINING]


def _sets(args: argparse.Namespace) -> WorkloadSets:
    """What to train on, by the name it has when it is compared on, and what is held out."""
    from damon_tuner.benchmarks.sets import (
        HELD_OUT,
        TRAINING,
        evaluation_sets,
        workload_file_sets,
    )
    from damon_tuner.envs.workload_file import load_workloads

    sets = (
        workload_file_sets(load_workloads(args.workload))
        if args.workload
        else evaluation_sets([TRAINING, HELD_OUT])
    )
    return _on_profile(sets, args.profile)


def _on_profile(sets: WorkloadSets, name: str | None) -> WorkloadSets:
    from damon_tuner.envs.profile_file import find_profile

    if name is None:
        return sets
    profile = find_profile(name)
    return {key: [workload.on(profile) for workload in loads] for key, loads in sets.items()}


def _evaluate(args: argparse.Namespace) -> None:
    from damon_tuner.benchmarks.score import print_table
    from damon_tuner.benchmarks.sets import HELD_OUT, TRAINING, evaluation_sets
    from damon_tuner.envs.workload_file import load_workloads

    sets: WorkloadSets = evaluation_sets([TRAINING, HELD_OUT])
    if args.workload:
        sets = {"workload_files": load_workloads(args.workload)}
    results = _compared(args, _on_profile(sets, args.profile), args.policy or PRETRAINED)
    if args.json:
        for row in results.rows:
            print(json.dumps(row))
    else:
        print_table(results)


def _export(args: argparse.Namespace) -> None:
    from damon_tuner.training.run import export_run

    export_run(args.training_run, args.policy)
    print(args.policy)

"""Commands that search for what to train with: search-hyperparams."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from damon_tuner.cli.learn import ALGORITHMS, hyperparams_of, training_workloads_of
from damon_tuner.cli.options import (
    Commands,
    add_training_loads_options,
    command,
    knob_groups,
    name_list,
    positive,
)
from damon_tuner.policies.schema import DEFAULT_GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from damon_tuner.envs.workload_file import Workload
    from damon_tuner.training.config import TrainConfig


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    parser = command(
        commands,
        "search-hyperparams",
        "search what an algorithm is best set to, on the families that it trains on",
        "Ctrl-C keeps what was found: the same command goes on from there. Families that are held "
        "out are never looked at.",
    )
    parser.add_argument("--algorithm", choices=ALGORITHMS, default="ppo", help="whose they are")
    parser.add_argument(
        "--hyperparams",
        type=Path,
        metavar="YAML",
        help="where to start (default: the bundled file of the algorithm's name)",
    )
    parser.add_argument("--trials", type=positive, default=40, help="settings to try, in all")
    parser.add_argument(
        "--steps", type=positive, default=200_000, help="control intervals of each training run"
    )
    parser.add_argument("--runs", type=positive, default=1, help="training runs of each setting")
    parser.add_argument("--seed", type=int, default=0, help="of the search, and of the first run")
    parser.add_argument(
        "--validate-on",
        type=name_list,
        default=(),
        metavar="FAMILY[,FAMILY]",
        help="judge on these of the families alone, and train on the others",
    )
    parser.add_argument("--seeds", type=positive, default=8, help="episodes of each to judge by")
    parser.add_argument("--out", type=Path, default=Path("out/hyperparams.yml"), help="the best")
    parser.add_argument(
        "--storage", type=Path, help="trials so far (default: beside --out, with .sqlite)"
    )
    parser.add_argument(
        "--workers", type=positive, default=1, help="trials at once, each a process or a Ray task"
    )
    parser.add_argument("--ray", metavar="ADDRESS", help="run trials on this Ray cluster")
    parser.add_argument(
        "--threads", type=positive, default=os.cpu_count() or 1, help="threads of the simulator"
    )
    add_training_loads_options(parser)
    parser.add_argument(
        "--knobs", type=knob_groups, default=DEFAULT_GROUPS, metavar="GROUP[,GROUP]", help="to set"
    )
    parser.set_defaults(run=_search)


def _search(args: argparse.Namespace) -> None:
    from dataclasses import replace
    from functools import partial

    from tqdm import tqdm

    from damon_tuner.benchmarks.validation import VALIDATION_SEEDS, new_validation
    from damon_tuner.training.config import TrainConfig
    from damon_tuner.training.host_needs import require_hosts_for
    from damon_tuner.training.hyperparams_file import hyperparams_yaml
    from damon_tuner.training.hyperparams_search import Found, search_hyperparams
    from damon_tuner.training.progress import progress_interval_s
    from damon_tuner.training.workers import run_all
    from damon_tuner.whole_file import check_writable, write_whole

    train_on, judge_on = _split(training_workloads_of(args), args.validate_on)
    require_hosts_for(args.knobs, train_on)
    config = TrainConfig(
        hyperparams=hyperparams_of(args).changed(n_timesteps=args.steps),
        seed=args.seed,
        nr_threads=args.threads,
    )
    episodes = replace(config.episodes, workloads=tuple(train_on), groups=args.knobs)
    config = replace(config, episodes=episodes)
    check_writable(args.out)
    seeds = range(VALIDATION_SEEDS.start, VALIDATION_SEEDS.start + args.seeds)
    validation = new_validation(episodes, judge_on, seeds=seeds, nr_threads=args.threads)
    with tqdm(
        total=args.trials, desc="searching", unit="trial", mininterval=progress_interval_s()
    ) as bar:

        def show(found: Found) -> None:
            best = found.hyperparams.changed(n_timesteps=hyperparams_of(args).n_timesteps)
            write_whole(args.out, hyperparams_yaml(best).encode())
            bar.set_postfix(best=f"{found.value:.3f}", start=f"{found.start_value:.3f}")
            bar.update(found.nr_trials - bar.n)

        found = search_hyperparams(
            config,
            validation,
            storage=args.storage or args.out.with_suffix(".sqlite"),
            trials=args.trials,
            runs=args.runs,
            at_once=args.workers,
            run_all=partial(run_all, workers=args.workers, ray=args.ray),
            about=_about(args, config, judge_on),
            on_trial=show,
        )
        show(found)
    print(f"score {found.value:.3f}, at the start {found.start_value:.3f}: {args.out}")


def _split(
    workloads: Sequence[Workload], names: Sequence[str]
) -> tuple[Sequence[Workload], Sequence[Workload]]:
    """What to train on, and what to judge on."""
    from damon_tuner.errors import TunerError
    from damon_tuner.near import nearest

    known = [workload.name for workload in workloads]
    for name in names:
        if name not in known:
            raise TunerError(f"{name} is not trained on{nearest(name, known)}")
    if not names:
        return workloads, workloads
    if set(names) == set(known):
        raise TunerError("nothing is left to train on: judge on fewer families")
    return (
        [workload for workload in workloads if workload.name not in names],
        [workload for workload in workloads if workload.name in names],
    )


def _about(args: argparse.Namespace, config: TrainConfig, judge_on: Sequence[Workload]) -> str:
    """What trials of one search have in common."""
    from damon_tuner.benchmarks.sets import workload_digest

    def digests(workloads: Sequence[Workload]) -> list[str]:
        return [f"{workload.name} {workload_digest(workload)}" for workload in workloads]

    about = {
        "steps": args.steps,
        "runs": args.runs,
        "seed": args.seed,
        "episodes": args.seeds,
        "knobs": args.knobs,
        "trained on": digests(config.episodes.workloads),
        "judged on": digests(judge_on),
    }
    return json.dumps(about)

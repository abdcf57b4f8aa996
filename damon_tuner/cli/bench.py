"""The benchmark's command: bench."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from damon_tuner.cli.options import (
    PRETRAINED,
    Commands,
    command,
    knob_groups,
    name_list,
    positive,
    share,
)
from damon_tuner.signals import Stopped

if TYPE_CHECKING:
    from damon_tuner.benchmarks.bench.entry import Entry
    from damon_tuner.benchmarks.bench.plan import Plan
    from damon_tuner.benchmarks.bench.store import Store
    from damon_tuner.benchmarks.score import Results

BUDGETS = (0.01, 0.02, 0.05)
SEEDS = 50
SEARCH_STEPS = 400_000
SETS = ("training", "held_out_families", "held_out_hosts", "recordings")
"""As ``benchmarks.sets`` has them, without the libraries that it needs."""
_DEFAULT_OUT = Path("out/bench")


def add_commands(commands: Commands) -> None:
    """Add the commands of this family."""
    parser = command(
        commands,
        "bench",
        "compare learned policies with rules and searched settings on the frozen sets",
        "Finished cells are kept: after an interruption the same command goes on. The page is "
        "report.html in the folder; damon-tuner figures score --reuse DIR prints the figures.",
    )
    parser.add_argument("--out", type=Path, default=_DEFAULT_OUT, help="folder of the results")
    parser.add_argument(
        "--policy",
        action="append",
        metavar="[NAME=]PATH",
        help="a policy file, or a folder with one for each training seed; may be repeated; the "
        "first without a name is called learned (default: the shipped one)",
    )
    parser.add_argument(
        "--rules", type=name_list, metavar="NAME[,NAME]", help="only these rules (default: all)"
    )
    parser.add_argument(
        "--sets", type=name_list, default=SETS, metavar="NAME[,NAME]", help="of workloads"
    )
    parser.add_argument(
        "--recordings", type=Path, metavar="DIR", help="more recordings for the set of them"
    )
    parser.add_argument(
        "--budgets", type=_shares, default=BUDGETS, metavar="SHARE[,SHARE]", help="slowdowns"
    )
    parser.add_argument("--seeds", type=positive, default=SEEDS, help="episodes a workload")
    parser.add_argument(
        "--search-steps",
        type=int,
        default=SEARCH_STEPS,
        help="simulated control intervals of each search for a fixed setting; 0 for no searches",
    )
    parser.add_argument(
        "--search-knobs",
        type=knob_groups,
        default=("reclaim",),
        metavar="GROUP[,GROUP]",
        help="what is searched",
    )
    parser.add_argument("--workers", type=positive, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--ray", metavar="ADDRESS", help="run on this Ray cluster instead")
    parser.add_argument(
        "--replay",
        metavar="ROW_ID",
        help="run the episode of this row of the results again; fails if it differs in any bit",
    )
    parser.set_defaults(run=_bench)


def _shares(text: str) -> tuple[float, ...]:
    return tuple(sorted({share(part) for part in text.split(",")}))


def _bench(args: argparse.Namespace) -> int:
    from damon_tuner.benchmarks.bench.run import run_bench
    from damon_tuner.benchmarks.bench.store import Store
    from damon_tuner.benchmarks.score import print_table

    store = Store(args.out)
    plan = _plan(args)
    if args.replay:
        return _replay(args.replay, store, plan)
    try:
        results = run_bench(plan, store, workers=args.workers, ray=args.ray)
    except (Stopped, KeyboardInterrupt):
        print(f"what is finished is in {args.out}: the same command goes on", file=sys.stderr)
        raise
    print_table(results)
    _report(args.out / "report.html", results, plan)
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    from damon_tuner.benchmarks.bench.entry import rule_entries
    from damon_tuner.benchmarks.bench.plan import Plan
    from damon_tuner.benchmarks.sets import RECORDINGS, evaluation_sets, recordings_of
    from damon_tuner.errors import TunerError
    from damon_tuner.near import nearest

    for name in args.sets:
        if name not in SETS:
            raise TunerError(f"no set is called {name!r}{nearest(name, SETS)}")
    sets = evaluation_sets(args.sets)
    if args.recordings:
        more = recordings_of(args.recordings, lambda why: print(why, file=sys.stderr))
        sets[RECORDINGS] = (*sets.get(RECORDINGS, ()), *more)
    rules = rule_entries(args.rules) if args.rules else rule_entries()
    return Plan(
        sets=sets,
        entries=(*_policies(args.policy or [f"learned={PRETRAINED}"]), *rules),
        budgets=args.budgets,
        seeds=args.seeds,
        search_steps=args.search_steps,
        search_groups=args.search_knobs,
    )


def _policies(texts: list[str]) -> tuple[Entry, ...]:
    from damon_tuner.benchmarks.bench.entry import LEARNED, policy_entries
    from damon_tuner.errors import TunerError

    entries: list[Entry] = []
    for text in texts:
        added = policy_entries(text, "" if entries else LEARNED)
        if added[0].name in {entry.name for entry in entries}:
            raise TunerError(f"two policies are called {added[0].name}: write NAME={text}")
        entries += added
    return tuple(entries)


def _report(path: Path, results: Results, plan: Plan) -> None:
    from damon_tuner.benchmarks.bench.entry import POLICY
    from damon_tuner.benchmarks.report import write_report
    from damon_tuner.policies.policy_file import parse_policy

    first = next(entry for entry in plan.entries if entry.kind == POLICY)
    shown = plan.sets.get("held_out_families") or next(iter(plan.sets.values()))
    write_report(path, results, parse_policy(path, first.policy), shown[0])
    print(f"\nreport {path}")


def _replay(row_id: str, store: Store, plan: Plan) -> int:
    from damon_tuner.benchmarks.bench.replay import MEASURED, is_same, replay

    row, again = replay(store, row_id, plan.sets)
    print(f"{row['contender']} on {row['workload']}, seed {row['seed']}, budget {row['budget']}")
    for name in MEASURED:
        print(f"{name:16} {row[name]!r:>24} {again[name]!r:>24}")
    print("the same to the bit" if is_same(row, again) else "different")
    return 0 if is_same(row, again) else 1

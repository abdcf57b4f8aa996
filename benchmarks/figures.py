"""Every figure that the project quotes, by group: ``damon-tuner figures GROUP``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from damon_tuner.benchmarks.figure import Figure


def measure(
    group: str, policy: Path, budget: float, seeds: int, threads: int, reuse: Path | None
) -> Iterable[Figure]:
    """Measure ``group``, a choice of ``damon-tuner figures``.

    ``reuse`` reads what was measured earlier.
    """
    if group == "sim":
        from damon_tuner.benchmarks.speed import env_figures, sim_figures
        from damon_tuner.benchmarks.speed_train import train_figures

        return [*sim_figures(), *env_figures(), *train_figures()]
    if group == "env":
        from damon_tuner.benchmarks.speed import env_figures

        return env_figures()
    if group == "fidelity":
        from damon_tuner.benchmarks.fidelity.compare import fidelity_figures

        return fidelity_figures()
    if group == "score":
        return _score(policy, budget, seeds, threads, reuse)
    if group in ("train", "ablations"):
        return _training(group, policy, threads)
    if group == "knobs":
        from damon_tuner.benchmarks.knobs import knob_figures

        return knob_figures(budget, seeds, threads)
    if group == "field":
        from damon_tuner.benchmarks.field import field_figures

        return field_figures(threads)
    if group == "kernel":
        return _kernel(policy, budget, reuse)
    return _further(group)


def _further(group: str) -> Iterable[Figure]:
    """The groups to which nothing of the command line matters."""
    if group == "attributes":
        from damon_tuner.benchmarks.attributes.compare import attribute_figures

        return attribute_figures()
    if group == "forecast":
        from damon_tuner.benchmarks.forecast.run import forecast_figures

        return forecast_figures()
    if group == "faults":
        from damon_tuner.benchmarks.faults import fault_figures

        return fault_figures()
    if group == "daemon":
        from damon_tuner.benchmarks.daemon.run import daemon_figures

        return daemon_figures()
    from damon_tuner.benchmarks.calibrate import calibrate_figures

    return calibrate_figures()


def _training(group: str, policy: Path, threads: int) -> Iterable[Figure]:
    if group == "train":
        from damon_tuner.benchmarks.learning_curve import learning_figures
        from damon_tuner.policies.policy_file import load_policy

        return learning_figures(load_policy(policy), nr_threads=threads)
    from functools import partial

    from damon_tuner.benchmarks.ablations import ablation_figures
    from damon_tuner.training.workers import run_all

    # runs beside each other make more of threads than one that steps hosts with all of them
    return ablation_figures(run_all=partial(run_all, workers=threads))


def _score(
    path: Path, budget: float, seeds: int, threads: int, reuse: Path | None
) -> Iterable[Figure]:
    from damon_tuner.benchmarks.bench.entry import LEARNED, policy_entries, rule_entries
    from damon_tuner.benchmarks.bench.plan import Plan
    from damon_tuner.benchmarks.bench.run import compare, read_results
    from damon_tuner.benchmarks.bench.store import Store
    from damon_tuner.benchmarks.outside import outside_figures
    from damon_tuner.benchmarks.score import score_figures
    from damon_tuner.benchmarks.sets import evaluation_sets
    from damon_tuner.policies.policy_file import load_policy

    if reuse is not None:
        yield from score_figures(read_results(Store(reuse)))
        return
    policy = load_policy(path)
    entries = (*rule_entries(), *policy_entries(f"{LEARNED}={path}"))
    plan = Plan(evaluation_sets(), entries, (budget,), seeds)
    yield from score_figures(compare(plan, workers=threads))
    yield from outside_figures(policy, budget=budget, seeds=seeds, nr_threads=threads)


def _kernel(policy: Path, budget: float, reuse: Path | None) -> Sequence[Figure]:
    import sys

    from damon_tuner.benchmarks.kernel import run as kernel
    from damon_tuner.benchmarks.kernel_demo import DEFAULT_OUT, DEFAULT_SECONDS
    from damon_tuner.benchmarks.kernel_demo.run import (
        kernel_figures,
        read_demo,
        run_demo,
    )
    from damon_tuner.benchmarks.loads import DEFAULT_OUT as LOADS_OUT
    from damon_tuner.benchmarks.loads.run import read_loads, run_loads
    from damon_tuner.benchmarks.loads.summary import load_figures
    from damon_tuner.benchmarks.ranks import DEFAULT_OUT as RANKS_OUT
    from damon_tuner.benchmarks.ranks import DEFAULT_SECONDS as RANKS_SECONDS
    from damon_tuner.benchmarks.ranks.run import read_ranks, run_ranks
    from damon_tuner.policies.decision import CONTROL_INTERVAL_S

    if reuse is not None:
        # the guests' results, where there are any, lie beside the demo's
        measured = kernel.read_figures(reuse.parent / kernel.DEFAULT_OUT.name)
        of_loads = load_figures(read_loads(reuse.parent / LOADS_OUT.name))
        of_ranks = read_ranks(reuse.parent / RANKS_OUT.name, policy)
        return [*kernel_figures(read_demo(reuse)), *measured, *of_loads, *of_ranks]

    def write(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    kernel.measure(kernel.DEFAULT_OUT, tuple(kernel.BOOTS), write)
    demo = run_demo(DEFAULT_OUT, policy, budget, DEFAULT_SECONDS, CONTROL_INTERVAL_S, write)
    run_loads(LOADS_OUT, policy, budget, write=write)
    of_loads = load_figures(read_loads(LOADS_OUT))
    run_ranks(RANKS_OUT, policy, budget, RANKS_SECONDS, write=write)
    of_ranks = read_ranks(RANKS_OUT, policy)
    measured = kernel.read_figures(kernel.DEFAULT_OUT)
    return [*kernel_figures(demo), *measured, *of_loads, *of_ranks]

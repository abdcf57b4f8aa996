"""The same training with several seeds, each on a worker: how sure a result is of its luck."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from damon_tuner.envs.workload_file import Workload
from damon_tuner.training.hyperparams_file import Hyperparams
from damon_tuner.training.run import train_and_save
from damon_tuner.training.workers import run_all
from damon_tuner.whole_file import write_whole


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One training run, as ``train_and_save`` takes it, to be sent to a worker."""

    seed: int
    steps: int | None
    workloads: tuple[Workload, ...]
    groups: tuple[str, ...]
    hyperparams: Hyperparams | None
    quiet: bool = True


def train_seeds(
    out: Path, runs: Sequence[SeedRun], *, workers: int = 1, ray: str | None = None
) -> Iterator[Path]:
    """Train each run; write what ``train_and_save`` does to ``out/seed_SEED``, and yield that.

    Workers need not see this machine's files. Raises what ``train_and_save`` and ``run_all`` do.
    """
    for index, files in run_all(train_one, runs, workers=workers, ray=ray):
        folder = out / f"seed_{runs[index].seed}"
        for name, content in files.items():
            write_whole(folder / name, content)
        yield folder


def train_one(run: SeedRun) -> dict[str, bytes]:
    """Train, and return the files of the run by their names."""
    with TemporaryDirectory(prefix="damon-tuner-") as folder:
        out = Path(folder)
        train_and_save(
            out, run.steps, run.seed, run.workloads, run.groups, run.hyperparams, quiet=run.quiet
        )
        return {
            path.relative_to(out).as_posix(): path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file()
        }

"""Random workload files, right and wrong, run or are refused in one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from damon_tuner import _core
from damon_tuner.envs.workload_file import load_workload
from damon_tuner.errors import TunerError

from .recorded.fixtures import SAMPLES

_ODD = ["nan", "inf", "-1", "1e400", "true", '"x"', "[]", "[2, 1]", "[1, 2, 3]", "{}", "9" * 30]


def value(rng: random.Random, low: float, high: float) -> str:
    a, b = sorted((rng.uniform(low, high), rng.uniform(low, high)))
    return rng.choice([f"{a!r}", f"[{a!r}, {b!r}]"])


def entries(rng: random.Random, params: tuple[tuple[object, ...], ...], odd: float) -> list[str]:
    lines = []
    for name, low, high, least, most, _ in rng.sample(params, rng.randint(0, len(params))):
        assert isinstance(low, float) and isinstance(high, float)
        assert isinstance(least, float) and isinstance(most, float)
        if name == "footprint_bytes":
            # as large as a test has the time for
            low, high, most = least, least * 4, least * 16
        # half of the files stay in the usual range, half may ask for the extremes
        span = (low, high) if rng.random() < 0.5 else (least, most)
        text = rng.choice(_ODD) if rng.random() < odd else value(rng, *span)
        lines.append(f"{name} = {text}")
    return lines


def workload_file(rng: random.Random, odd: float) -> str:
    family = rng.choice([*_core.FAMILIES, *SAMPLES])
    if family in SAMPLES:
        head = [f'recording = "{family}.data"']
        if rng.random() < 0.5:
            head.append(f'format = "{family}"')
        params = tuple(p for p in _core.RECORDED if p[0] != "loop_s")
    else:
        head, params = [f'family = "{family}"'], _core.FAMILIES[family]
    lines = [*head, "[workload]", *entries(rng, params, odd)]
    return "\n".join([*lines, "[profile]", *entries(rng, _core.PROFILE, odd)])


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(text) + 1)
        piece = rng.choice(["", "\n", "=", "[", '"', "_", chr(rng.randrange(1, 0xD7FF)), *_ODD])
        text = text[:at] + piece + text[at + rng.randrange(4) :]
    return text


@pytest.mark.parametrize(
    ("seed", "nr_files"), [(1, 500), pytest.param(2, 10_000, marks=pytest.mark.slow)]
)
def test_random_files_run_or_are_refused(tmp_path: Path, seed: int, nr_files: int) -> None:
    rng = random.Random(seed)
    for name, data in SAMPLES.items():
        (tmp_path / f"{name}.data").write_bytes(data)
    path = tmp_path / "load.toml"
    batch = _core.Batch(1)
    ran = 0
    for k in range(nr_files):
        text = workload_file(rng, odd=0.0 if k % 2 else 0.1)
        path.write_text(mutated(text, rng) if k % 4 == 0 else text, encoding="utf-8")
        try:
            spec = load_workload(path).spec()
        except TunerError as error:
            assert k % 2 == 0, f"a right file is refused: {error}"
            assert "\n" not in str(error)
            continue
        batch.reset(0, spec, k, 0.02)
        batch.step(None, 1_000_000)
        ran += 1
        assert batch.snapshot(0)["resident_bytes"] >= 0
    assert ran > 0.5 * nr_files

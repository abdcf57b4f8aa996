"""The example file is right, says the defaults, and leaves nothing out."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from damon_tuner.daemon.config import Config, Experience, Mode, describe, load_config

from .examples import EXAMPLE, uncommented


def _tables(text: str) -> dict[str, set[str]]:
    """Keys by table; a tenant's tables by what they are, whatever its name."""
    found: dict[str, set[str]] = {"": set()}
    table = ""
    for line in text.splitlines():
        if header := re.fullmatch(r"\[(.+)\]", line):
            table = re.sub(r"^tenants\.\w+", "tenants.NAME", header[1])
            found.setdefault(table, set())
        elif key := re.match(r"(\w+) = ", line):
            found[table].add(key[1])
    return found


def _load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "damon-tunerd.toml"
    path.write_text(text)
    return load_config(path)


def test_the_example_changes_nothing_about_the_defaults(tmp_path: Path) -> None:
    assert _load(tmp_path, EXAMPLE.read_text()) == Config()
    assert _load(tmp_path, "") == Config()


def test_every_setting_of_the_example_can_be_in_force(tmp_path: Path) -> None:
    config = _load(tmp_path, uncommented())
    assert config.mode is Mode.SHADOW
    redis, builds, database, once = config.tenants
    assert (redis.unit, redis.budget, redis.price) == ("redis@*.service", 0.01, 2.0)
    assert (redis.limits.min_age_s, redis.limits.max_quota_bytes_per_s) == (30.0, 16 * 2**20)
    assert redis.score and redis.score.command[1:] == ("--port", "6379")
    assert builds.score and builds.score.file == Path("/run/builds/jobs-per-minute")
    assert (database.pid_file, once.pid) == (Path("/run/postgresql/main.pid"), 1234)
    assert database.budget == config.budget
    assert (config.slowdown_of, redis.slowdown_of) == ("work", "time")


def test_what_the_example_calls_a_default_is_one(tmp_path: Path) -> None:
    config = _load(tmp_path, uncommented())
    without_examples = dataclasses.replace(
        config,
        tenants=(),
        policy=None,
        metrics=None,
        swap_in_us=None,
        disk_in_us=None,
        experience=Experience(),
    )
    assert without_examples == Config()
    assert config.experience.max_bytes == Experience().max_bytes


def test_the_example_has_every_key(tmp_path: Path) -> None:
    text = uncommented()
    everything = _tables(describe(_load(tmp_path, text)))
    example = _tables(text)
    # a tenant's limits have the keys of the host's
    example["tenants.NAME.limits"] |= example["limits"]
    assert example == everything


def test_reading_it_loads_nothing_heavy() -> None:
    heavy = ["numpy", "gymnasium", "torch", "asyncio", "subprocess", "difflib", "decimal"]
    program = f"""
import sys
from pathlib import Path
from damon_tuner.daemon.config import load_config
load_config(Path({str(EXAMPLE)!r}))
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if "go-w" in done.stderr:
        pytest.skip("this checkout can be written by others")
    assert done.stdout.strip() == "[]", done.stderr

"""The configuration in force, written out, is the same configuration."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from damon_tuner.daemon.config import Config, Limits, Score, TenantConfig, describe, load_config

from .examples import configs


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(configs)
def test_it_is_read_back_the_same(tmp_path: Path, config: Config) -> None:
    path = tmp_path / "written.toml"
    path.write_text(describe(config), encoding="utf-8", newline="")
    assert load_config(path) == config


@pytest.mark.parametrize(
    ("config", "key", "text"),
    [
        (Config(interval_s=5.0), "interval", "5s"),
        (Config(interval_s=0.5), "interval", "500ms"),
        (Config(interval_s=60.0), "interval", "1min"),
        (Config(interval_s=1 / 3 + 1), "interval", "1.3333333333333333s"),
        (Config(budget=0.02), "budget", "2%"),
        (Config(budget=0.0025), "budget", "0.25%"),
        (Config(budget=1.0), "budget", "100%"),
        (Config(swap_in_us=17.3), "swap_in", "17.3us"),
        (Config(swap_in_us=2000.0), "swap_in", "2ms"),
    ],
)
def test_quantities_are_written_as_people_write_them(config: Config, key: str, text: str) -> None:
    assert tomllib.loads(describe(config))[key] == text


def test_rates_and_sizes_too() -> None:
    tenant = TenantConfig(
        "db@1",
        cgroup="a/b",
        limits=Limits(120.0, 1.5 * 2**20),
        score=Score(Path("/x"), (), 3.0),
    )
    table = tomllib.loads(describe(Config(tenants=(tenant,))))
    assert table["experience"]["max_size"] == "64MiB"
    assert table["breaker"]["max_refaults"] == "50000/s"
    assert table["tenants"]["db@1"]["limits"]["min_age"] == "2min"
    assert table["tenants"]["db@1"]["limits"]["max_quota"] == "1536KiB/s"
    assert table["tenants"]["db@1"]["score"] == {"file": "/x", "floor": 3.0, "timeout": "2s"}

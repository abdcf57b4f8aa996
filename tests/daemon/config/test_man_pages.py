"""The man pages can be shown, leave no key out, and give examples that are right."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from damon_tuner.daemon.config import Config, Mode, describe, load_config

from .examples import EXAMPLE, uncommented

_PAGES = [EXAMPLE.with_name("damon-tunerd.8"), EXAMPLE.with_name("damon-tunerd.toml.5")]


def _blocks(page: Path) -> list[str]:
    """What the page shows as it is, without roff's escapes."""
    text = page.read_text(encoding="utf-8").replace(r"\(dq", '"').replace(r"\-", "-")
    return re.findall(r"^\.nf\n(.*?)^\.fi$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_groff_has_nothing_to_say(page: Path) -> None:
    done = subprocess.run(
        ["groff", "-t", "-man", "-Tascii", "-ww", page], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert "DAMON-TUNERD" in done.stdout


def test_every_key_and_table_has_an_entry(tmp_path: Path) -> None:
    (tmp_path / "all.toml").write_text(uncommented())
    written = describe(load_config(tmp_path / "all.toml"))
    page = _PAGES[1].read_text(encoding="utf-8").replace(r"\-", "-")
    keys = set(re.findall(r"^(\w+) = ", written, re.MULTILINE))
    assert keys == set(re.findall(r"^\.TP\n\.BR? (\w+)", page, re.MULTILINE))
    named = re.findall(r"^\[(.+)\]$", written, re.MULTILINE)
    tables = {re.sub(r"^tenants\.\w+", "tenants.NAME", name) for name in named}
    assert tables == set(re.findall(r'^\.S[HS] "\[(.+)\]"', page, re.MULTILINE))


def test_defaults_in_the_page_are_the_defaults() -> None:
    page = _PAGES[1].read_text(encoding="utf-8").replace(r"\(dq", '"').replace(r"\-", "-")
    told = dict(re.findall(r"^\.BR (\w+)\\~ =\\~(.+)$", page, re.MULTILINE))
    written = dict(re.findall(r"^(\w+) = (.+)$", describe(Config()), re.MULTILINE))
    # a tenant's, which no default configuration has
    assert (told.pop("price"), told.pop("timeout")) == ("1.0", '"2s"')
    assert float(told.pop("max_age_division")) == float(written["max_age_division"])
    assert told == {key: written[key] for key in told}


def test_the_examples_are_right(tmp_path: Path) -> None:
    main, drop_in = _blocks(_PAGES[1])
    path = tmp_path / "damon-tunerd.toml"
    path.write_text(main)
    assert load_config(path).mode is Mode.ACT
    (tmp_path / "damon-tunerd.toml.d").mkdir()
    (tmp_path / "damon-tunerd.toml.d" / "50-careful.toml").write_text(drop_in)
    careful = load_config(path)
    database, builds = careful.tenants
    assert careful.mode is Mode.SHADOW
    assert (database.budget, database.price, builds.budget) == (0.002, 2.0, 0.05)
    assert database.limits.max_quota_bytes_per_s == 256 * 2**20

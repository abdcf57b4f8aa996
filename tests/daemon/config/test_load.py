"""What an administrator writes is what the daemon is told, or every mistake is named at once."""

from pathlib import Path

import pytest

from damon_tuner.daemon.config import Config, Experience, Mode, load_config
from damon_tuner.errors import ConfigError


def _load(tmp_path: Path, text: str, **drop_ins: str) -> Config:
    path = tmp_path / "main.toml"
    path.write_text(text)
    for name, content in drop_ins.items():
        folder = tmp_path / "main.toml.d"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.toml").write_text(content)
    return load_config(path)


def _problems(tmp_path: Path, text: str, **drop_ins: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, text, **drop_ins)
    return caught.value.problems


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ('mode = "act"', "mode", Mode.ACT),
        ('interval = "500ms"', "interval_s", 0.5),
        ('interval = "1min"', "interval_s", 60.0),
        ('interval = "2.5 s"', "interval_s", 2.5),
        ('budget = "0.1%"', "budget", 0.001),
        ('budget = "100%"', "budget", 1.0),
        ("max_tenants = 32", "max_tenants", 32),
        ('policy = "/a/b.safetensors"', "policy", Path("/a/b.safetensors")),
        ('fallback = "none"', "fallback", "none"),
        ("protected_cgroups = []", "protected_cgroups", ()),
        ('swap_in = "17us"', "swap_in_us", 17.0),
        ('swap_in = "1.5ms"', "swap_in_us", 1500.0),
        ('disk_in = "90us"', "disk_in_us", 90.0),
        ('log = "json"', "log", "json"),
        ('[experience]\nmax_size = "2GiB"', "experience", Experience(max_bytes=2 << 30)),
    ],
)
def test_a_setting_is_understood(tmp_path: Path, line: str, field: str, value: object) -> None:
    assert getattr(_load(tmp_path, line), field) == value


def test_a_tenant_has_what_the_host_has_and_it_has_not(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        """
        budget = "3%"
        slowdown_of = "time"
        [limits]
        min_age = "1min"
        max_quota = "64MiB/s"
        [tenants.a]
        unit = "a.service"
        limits.min_age = "1h"
        [tenants."b@1.x"]
        cgroup = "b/*"
        budget = "0.5%"
        slowdown_of = "work"
        """,
    )
    a, b = config.tenants
    assert (a.name, a.budget, a.limits.min_age_s) == ("a", 0.03, 3600.0)
    assert (b.name, b.budget, b.limits) == ("b@1.x", 0.005, config.limits)
    assert (a.slowdown_of, b.slowdown_of) == ("time", "work")
    assert a.limits.max_quota_bytes_per_s == 64 * 2**20


def test_drop_ins_win_key_by_key_in_the_order_of_their_names(tmp_path: Path) -> None:
    config = _load(
        tmp_path,
        'interval = "5s"\nprotected_cgroups = ["a"]\n[tenants.x]\npid = 5\nbudget = "1%"\n',
        b='interval = "7s"\n[tenants.x]\nbudget = "4%"\n[tenants.y]\npid = 6\n',
        a='interval = "6s"\nprotected_cgroups = ["b"]\n[tenants.x.limits]\nmin_age = "9s"\n',
    )
    x, y = config.tenants
    assert (config.interval_s, config.protected_cgroups) == (7.0, ("b",))
    assert (x.pid, x.budget, x.limits.min_age_s, y.pid) == (5, 0.04, 9.0, 6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("interval = 5", 'interval: 5 has no unit; write a time such as "5s"'),
        ('interval = "5"', 'interval: "5" is not a time; write a number with us, ms, s, min or h'),
        ('interval = "5MiB"', 'interval: "5MiB" is not a time'),
        ('interval = "-5s"', 'interval: "-5s" is not a time'),
        ('interval = "61s"', 'interval: "61s" is out of range; write "500ms" to "1min"'),
        ('interval = "499ms"', "out of range"),
        ("interval = true", "interval: true is not a time"),
        ("interval = [5]", "interval: an array is not a time"),
        ("budget = 0.02", 'budget: 0.02 has no unit; write a share such as "2%"'),
        ('budget = "0%"', "out of range"),
        ('budget = "101%"', 'out of range; write "0.0001%" to "100%"'),
        ('budget = "2s"', '"2s" is not a share; write a number with %'),
        ("max_tenants = 0", "max_tenants: 0 is out of range; write 1 to 32"),
        ("max_tenants = 33", "out of range"),
        ("max_tenants = true", "true is not a whole number"),
        ("max_tenants = 2.0", "2.0 is not a whole number"),
        ('policy = "x.safetensors"', "is not an absolute path"),
        ('policy = "/a\\u0000b"', 'policy: "/a\\u0000b" holds a character that cannot be printed'),
        ('socket = "/' + "a" * 107 + '"', "longer than 107 bytes"),
        ('fallback = "damon_reclaimed"', "did you mean 'damon_reclaim'"),
        ('knob_groups = ["tiers"]', '"tiers" is not known'),
        ("knob_groups = []", "has 0 values; write 1 to"),
        ('knob_groups = ["reclaim", "reclaim"]', "there twice"),
        ('protected_cgroups = "init.scope"', "not an array; write one such as"),
        ('protected_cgroups = ["/init.scope"]', "not the relative path"),
        ('log = "xml"', "known are text, json"),
        ("mode = 1979-05-27", "mode: a date or time is not a word"),
        ('intervall = "5s"', "intervall: unknown key; did you mean 'interval'"),
        ("limits = 3", "limits: 3 is not a table; write [limits]"),
        ("[[limits]]", "limits: an array is not a table; write [limits]"),
        ('[limits]\nmin_ages = "3s"', "limits.min_ages: unknown key; did you mean 'min_age'"),
        ('[limits]\nmin_age = "1s"', 'out of range; write "2s" to "1h"'),
        ('[limits]\nmax_quota = "64MiB"', 'limits.max_quota: "64MiB" is not a rate'),
        ('[limits]\nmax_quota = "4095B/s"', 'out of range; write "4KiB/s" to "4GiB/s"'),
        ("[limits]\nmax_age_division = nan", "nan is out of range; write 1.01 to 4"),
        ('[limits]\nmode = "act"', "limits.mode: unknown key; it belongs to the top of the file"),
        ('min_age = "3s"', "min_age: unknown key; it belongs in [limits]"),
        (
            '[tenants.a]\npid = 3\nmin_age = "3s"',
            "tenants.a.min_age: unknown key; it belongs in [tenants.a.limits]",
        ),
        ("[limits]\nfloor = 3", "limits.floor: unknown key; it belongs in [tenants.NAME.score]"),
        ("[breaker]\nmax_refaults = 5", "breaker.max_refaults: 5 has no unit; write a count per"),
        ("[experience]\nmax_size = 5", 'write a size such as "64MiB"'),
        ("[tenants]\na = 3", "tenants.a: 3 is not a table; write [tenants.a]"),
        ("[[tenants]]\npid = 3", "tenants: an array is not a table; write [tenants.NAME]"),
        ('[tenants."a b"]\npid = 3', 'tenants."a b": not a name'),
        ('[tenants.""]\npid = 3', 'tenants."": not a name'),
        ("[tenants.a]", "tenants.a: names nothing; write exactly one of pid, pid_file, unit and"),
        ('[tenants.a]\npid = 3\nunit = "a.service"', "tenants.a.unit: pid is set as well"),
        ("[tenants.a]\npid = 1", "tenants.a.pid: 1 is out of range"),
        ('[tenants.a]\npid = "3"', 'tenants.a.pid: "3" is not a whole number'),
        ('[tenants.a]\nunit = "redis"', "not the name of a service or scope"),
        ('[tenants.a]\nunit = "a.slice"', 'a slice is set by cgroup = "..."'),
        ('[tenants.a]\nunit = "a/b.service"', "not the name of a service"),
        ('[tenants.a]\ncgroup = "/a"', "not the relative path of a control group"),
        ('[tenants.a]\ncgroup = "a/../b"', 'a part that is empty, "." or ".."'),
        ('[tenants.a]\ncgroup = ""', "a part that is empty"),
        ('[tenants.a]\npid_file = "a.pid"', "not an absolute path"),
        ("[tenants.a]\npid = 3\nprice = 0", "out of range; write 0.001 to 1000"),
        ("[tenants.a]\npid = 3\n[tenants.b]\npid = 3", "tenants.b.pid: tenants.a has the same"),
        ("[tenants.a]\npid = 3\n[tenants.a.score]\nfloor = 1", "score: names nothing; write"),
        ('[tenants.a]\npid = 3\nscore = {file = "/a"}', "score: has no floor"),
        (
            '[tenants.a]\npid = 3\nscore = {file = "/a", command = ["/b"], floor = 1}',
            "score.command: file is set as well; write exactly one of file and command",
        ),
        ('[tenants.a]\npid = 3\nscore = {command = "/b"}', "not an array of strings"),
        ('[tenants.a]\npid = 3\nscore = {command = ["b"]}', '"b" is not an absolute path'),
        ("[tenants.a]\npid = 3\nscore = {command = []}", "has 0 parts; write 1 to"),
        ("[tenants.a]\npid = 3\nscore = {floor = inf}", "inf is out of range; write a finite"),
        ("mode = shadow", "is not TOML: Invalid value (at line 1, column 8)"),
    ],
)
def test_one_mistake_is_one_line_that_says_what_to_write(
    tmp_path: Path, text: str, message: str
) -> None:
    (problem,) = _problems(tmp_path, text)
    assert problem.startswith(f"{tmp_path}/main.toml: ")
    assert message in problem


def test_all_mistakes_in_all_files_are_told_at_once(tmp_path: Path) -> None:
    problems = _problems(
        tmp_path,
        'interval = 5\nbudgt = "2%"\n[tenants.a]\n[tenants.b]\npid = 7\n',
        one="this is not TOML",
        two='[limits]\nmin_age = "1s"\n[tenants.b]\nunit = "b.service"\n',
    )
    folder = f"{tmp_path}/main.toml.d"
    assert [line.split(": ")[:2] for line in problems] == [
        [f"{tmp_path}/main.toml", "interval"],
        [f"{tmp_path}/main.toml", "budgt"],
        [f"{folder}/one.toml", "is not TOML"],
        [f"{folder}/two.toml", "limits.min_age"],
    ]


def test_what_two_files_say_together_is_checked(tmp_path: Path) -> None:
    (problem,) = _problems(
        tmp_path, "[tenants.b]\npid = 7", two='[tenants.b]\nunit = "b.service"\n'
    )
    assert problem.startswith(f"{tmp_path}/main.toml.d/two.toml: tenants.b.unit: pid is set")


def test_a_mistake_that_a_later_file_hides_is_still_told(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, "interval = 5", later='interval = "5s"')
    assert "main.toml: interval: 5 has no unit" in problem


def test_a_misspelt_tenant_is_not_blamed_twice(tmp_path: Path) -> None:
    (problem,) = _problems(tmp_path, '[tenants.a]\nunt = "a.service"')
    assert "tenants.a.unt: unknown key; did you mean 'unit'" in problem


def test_the_error_has_a_line_for_each_mistake(tmp_path: Path) -> None:
    path = tmp_path / "main.toml"
    path.write_text("interval = 5\nbudget = 2\nmode = 3")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(caught.value.problems) == 3
    assert str(caught.value).splitlines() == list(caught.value.problems)

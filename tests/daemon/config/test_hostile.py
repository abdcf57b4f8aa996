"""Whatever is in the files: a configuration, or an error that names them, and soon."""

import random
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from damon_tuner.daemon.config import Config, describe, load_config
from damon_tuner.errors import ConfigError

from .examples import uncommented
from .mutations import mutated

_MIB = 1 << 20
# The worst takes 2 s; the machine may be busy.
_SOON_S = 20.0


def _load(path: Path) -> Config | ConfigError:
    try:
        return load_config(path)
    except ConfigError as error:
        _check(error, path)
        return error


def _check(error: ConfigError, path: Path) -> None:
    assert error.problems
    for line in error.problems:
        assert line.isprintable()
        assert str(path) in line
        assert len(line) < 1000


def _numbered(line: str, before: str = "") -> Callable[[], bytes]:
    """``before``, and as many lines as fit, each with a number of its own at ``#``."""

    def lines() -> bytes:
        one_bytes = len(f"{line}\n".replace("#", "000000"))
        nr_lines = (_MIB - len(before)) // one_bytes
        numbered = (line.replace("#", f"{i:06}") for i in range(nr_lines))
        return f"{before}{chr(10).join(numbered)}".encode()

    return lines


@pytest.mark.parametrize("seed", range(6))
def test_damaged_examples_are_refused_or_still_right(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    example_bytes = uncommented().encode()
    path, again = tmp_path / "damaged.toml", tmp_path / "again.toml"
    nr_refused = 0
    for _ in range(100):
        path.write_bytes(mutated(example_bytes, rng))
        loaded = _load(path)
        if isinstance(loaded, ConfigError):
            nr_refused += 1
        else:
            again.write_text(describe(loaded), encoding="utf-8", newline="")
            assert load_config(again) == loaded
    assert 0 < nr_refused < 100


def test_the_same_seed_does_the_same_damage() -> None:
    raw = uncommented().encode()
    assert mutated(raw, random.Random(5)) == mutated(raw, random.Random(5))
    assert mutated(b"", random.Random(5)) is not None


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
@example(b"\xef\xbb\xbfmode = 'act'")
@example(b"")
def test_any_bytes(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "any.toml"
    path.write_bytes(raw)
    _load(path)


_values = st.recursive(
    st.sampled_from(
        ["3", "-1", "1e300", "nan", "inf", "true", '"5s"', '"2%"', '"/a"', '""', '"\\u0000"']
    )
    | st.just("0x" + "f" * 4000)
    | st.just("1979-05-27"),
    lambda values: (
        st.lists(values, max_size=3).map(lambda some: f"[{', '.join(some)}]")
        | values.map(lambda value: f"{{ a = {value} }}")
    ),
    max_leaves=4,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_value_for_any_key(tmp_path: Path, data: st.DataObject) -> None:
    lines = uncommented().splitlines()
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if " = " in line]))
    lines[at] = f"{lines[at].split(' = ')[0]} = {data.draw(_values)}"
    path = tmp_path / "any.toml"
    path.write_text("\n".join(lines))
    _load(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"a." * (_MIB // 2 - 2) + b"a=1", "more than 40 dots in line 1"),
        (lambda: b'x = {y = """\n#""", ' + b"a." * (_MIB // 2 - 20) + b"a=1}", "dots in line 2"),
        (lambda: b"a. " * (_MIB // 3 - 2) + b"a=1", "more than 40 dots"),
        (_numbered("a# = 1", f"[{'a.' * 40}a]\n"), "unknown key"),
        (_numbered(f"{'a.' * 40}a# = 1"), "unknown key"),
        (_numbered(f"[{'a.' * 40}a#]"), "unknown key"),
        (lambda: b"x = " + b"[" * (_MIB - 4), "too deeply"),
        (lambda: b"x = " + b"{a=" * (_MIB // 3 - 4), "too deeply"),
        (lambda: b"x = [" + b"[]," * (_MIB // 3 - 4) + b"]", "x: unknown key"),
        (lambda: b"x" * (_MIB - 8) + b" = 1", r'xxx\.\.\.": unknown key'),
        (lambda: b"max_tenants = 0x" + b"f" * (_MIB - 20), "a huge number is out of range"),
        (lambda: b"max_tenants = " + b"9" * (_MIB - 20), "thousands of digits"),
        (lambda: b"[limits]\nmax_age_division = 1" + b"0" * 4000, "a huge number"),
        (lambda: b"[limits]\nmax_age_division = 1e" + b"9" * 4000, "inf is out of range"),
        (lambda: b'interval = "' + b"9" * (_MIB - 20) + b's"', "999... is not a time|is not a"),
        (lambda: b'policy = "/' + b"a" * (_MIB - 20) + b'"', "longer than 4095 bytes"),
        (lambda: b"protected_cgroups = [" + b'"a",' * (_MIB // 5) + b"]", "write 0 to 256"),
        (lambda: b'knob_groups = ["' + b"r" * (_MIB - 20) + b'"]', "not known"),
        (lambda: b'x = "' + b'\\"' * (_MIB // 2 - 4) + b'"', "x: unknown key"),
        (lambda: b"# " + b"." * (_MIB - 9) + b"\nx = 1", "x: unknown key"),
        (lambda: b'"' * _MIB, "not TOML"),
        (lambda: b"\0" * _MIB, "not TOML"),
        (lambda: b"\xff" * _MIB, "not UTF-8 at byte 0"),
        (_numbered("u# = 1"), "u000000: unknown key"),
        (_numbered("[tenants.t#]"), "at most 256"),
        (_numbered("[tenants.t#]\npid = 1#"), "at most 256"),
        (_numbered("[[tenants]]\nt#=1"), "an array is not a table; write .tenants"),
    ],
)
def test_what_is_made_to_take_for_ever_does_not(
    tmp_path: Path, make: Callable[[], bytes], message: str
) -> None:
    path = tmp_path / "long.toml"
    path.write_bytes(make())
    assert path.stat().st_size <= _MIB
    started = time.monotonic()
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert time.monotonic() - started < _SOON_S
    _check(caught.value, path)
    assert len(caught.value.problems) <= 101


def test_memory_stays_bounded(tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_bytes(b"x = [" + b"{}," * (_MIB // 3 - 4) + b"]")
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ConfigError):
        load_config(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 256 << 10

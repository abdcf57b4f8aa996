"""Numbers and names as people read them."""

import math

import pytest

from damon_tuner.daemon.wording import (
    knob,
    knob_title,
    percent,
    printable,
    shortened,
    size,
    span,
)

MIB = 1 << 20


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (640 * MIB, "640 MiB"),
        (1536 * MIB, "1.5 GiB"),
        (1000 * MIB, "1.0 GiB"),
        (-3 * MIB, "-3.0 MiB"),
        (99.96 * MIB, "100 MiB"),
        (1 << 70, "1048576 PiB"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
    ],
)
def test_sizes(value: float | None, text: str) -> None:
    assert size(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0%"), (0.012, "1.2%"), (0.34, "34%"), (12.0, "1200%"), (None, "-"), (math.nan, "-")],
)
def test_shares(value: float | None, text: str) -> None:
    assert percent(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.004, "0.004 s"),
        (4.5, "4.5 s"),
        (59.0, "59 s"),
        (60.0, "1 min"),
        (200.0, "3 min 20 s"),
        (3600.0, "1 h"),
        (3661.0, "1 h 1 min"),
        (93_784.0, "1 d 2 h"),
        (86_400.0 + 59.0, "1 d"),
        (None, "-"),
        (math.nan, "-"),
    ],
)
def test_times(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("name", "value", "text", "title"),
    [
        ("min_age_s", 30.0, "30 s", "min age"),
        ("quota_bytes_per_s", 1.5 * MIB, "1.5 MiB/s", "quota"),
        ("free_bytes", MIB, "1.0 MiB", "free"),
        ("huge_threshold", 0.25, "0.25", "huge threshold"),
        ("min_age_s", None, "-", "min age"),
    ],
)
def test_knobs(name: str, value: float | None, text: str, title: str) -> None:
    assert knob(name, value) == text
    assert knob_title(name) == title


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("redis@1.service", "redis@1.service"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a b c"),
        ("é\udc80", "\\xe9\\udc80"),
    ],
)
def test_a_terminal_obeys_no_name(name: str, text: str) -> None:
    assert printable(name) == text


@pytest.mark.parametrize(
    ("width", "text"), [(9, "abcdefgh"), (8, "abcdefgh"), (4, "abc~"), (1, "~"), (0, "")]
)
def test_what_is_too_long_is_cut(width: int, text: str) -> None:
    assert shortened("abcdefgh", width) == text

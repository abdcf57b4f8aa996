"""What the daemon tells comes back as it was, and nothing else passes for it."""

import json
import math
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given

from damon_tuner.daemon.status import DaemonStatus, from_dict, from_json, to_dict, to_json
from damon_tuner.errors import TunerError

from .statuses import REDIS, STATUS, statuses


@given(statuses)
def test_a_status_comes_back_as_it_was(status: DaemonStatus) -> None:
    text = to_json(status)
    assert "\n" not in text
    assert text.isascii()
    assert from_json(text) == status
    assert from_dict(to_dict(status)) == status


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_does_not_have_are_null(odd: float) -> None:
    knobs = MappingProxyType({"min_age_s": odd})
    tenant = replace(REDIS, slowdown=odd, price=odd, knobs=knobs)
    text = to_json(replace(STATUS, tenants=(tenant,)))
    json.loads(text, parse_constant=pytest.fail)
    (back,) = from_json(text).tenants
    assert back.slowdown is None
    assert math.isnan(back.price)
    assert math.isnan(back.knobs["min_age_s"])


def _changed(path: str, value: Any) -> str:
    told: Any = json.loads(to_json(STATUS))
    *folders, last = path.split(".")
    table = told
    for folder in folders:
        table = table[int(folder)] if isinstance(table, list) else table[folder]
    if value is ...:
        del table[last]
    else:
        table[last] = value
    return json.dumps(told)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", ...),
        ("extra", 1),
        ("host.extra", 1),
        ("host.pressure", ...),
        ("host", []),
        ("tenants.0.pids", ...),
        ("tenants.1.mood", "good"),
        ("tenants", {}),
        ("tenants", [1]),
        ("tenants.0.pids", "12"),
        ("tenants.0.pids", [1.5]),
        ("tenants.0.guard", [1]),
        ("tenants.0.knobs", [1.0]),
        ("tenants.0.knobs", {"a": "b"}),
        ("tenants.0.heat", {"a": True}),
        ("pid", True),
        ("pid", 1.0),
        ("pid", None),
        ("is_fallback", 1),
        ("uptime_s", "long"),
        ("uptime_s", 10**400),
        ("phase", None),
    ],
)
def test_anything_else_is_one_line_that_says_what_to_do(path: str, value: object) -> None:
    with pytest.raises(TunerError, match=r"restart damon-tunerd") as caught:
        from_json(_changed(path, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[]", "{}", "1", "[" * 10_000, '{"a\n": 1}', '{"pid": NaN}']
)
def test_what_is_no_status_is_refused(text: str) -> None:
    with pytest.raises(TunerError, match=r"restart damon-tunerd") as caught:
        from_json(text)
    assert "\n" not in str(caught.value)

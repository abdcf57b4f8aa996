"""The metrics are what Prometheus can read, and say what the status says."""

import json
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from damon_tuner.daemon.metrics import metrics_text, write_metrics
from damon_tuner.daemon.status import DaemonStatus

from .statuses import GONE, HEAT, MIB, REDIS, STATUS, statuses

ROOT = Path(__file__).resolve().parents[2]
UNITS = ("_bytes", "_bytes_per_second", "_seconds", "_ratio", "_total")
# what is a count, a truth, or holds labels
UNITLESS = {
    *("up", "info", "fallback", "phase"),
    *("tenant_info", "tenant_phase", "tenant_guard", "tenant_processes", "tenant_regions"),
}


def _samples(status: DaemonStatus) -> list[Sample]:
    families = text_string_to_metric_families(metrics_text(status))
    return [sample for family in families for sample in family.samples]


def _value(status: DaemonStatus, name: str, **labels: str) -> float | None:
    """The one sample of that name and labels, as Prometheus's own library reads it."""
    found = [s.value for s in _samples(status) if (s.name, s.labels) == (name, labels)]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("up", {}, 1),
        ("fallback", {}, 0),
        ("status_timestamp_seconds", {}, 1_800_093_784.0),
        ("start_time_seconds", {}, 1_800_000_000.0),
        ("interval_seconds", {}, 5.0),
        ("decisions_total", {}, 3400),
        ("last_decision_timestamp_seconds", {}, 1_800_093_780.5),
        ("decision_duration_seconds", {}, 0.004),
        ("reloads_total", {}, 1),
        ("failures_total", {}, 0),
        ("phase", {"phase": "managing"}, 1),
        ("phase", {"phase": "paused"}, 0),
        ("host_memory_bytes", {}, 16384 * MIB),
        ("host_swap_free_bytes", {}, 6144 * MIB),
        ("host_pressure_ratio", {}, 0.031),
        ("tenant_info", {"tenant": "batch", "source": "cgroup jobs.slice/nightly"}, 1),
        ("tenant_phase", {"tenant": "redis", "phase": "managing"}, 1),
        ("tenant_phase", {"tenant": "batch", "phase": "managing"}, 0),
        ("tenant_phase", {"tenant": "batch", "phase": "waiting"}, 1),
        ("tenant_processes", {"tenant": "redis"}, 2),
        ("tenant_budget_ratio", {"tenant": "redis"}, 0.02),
        ("tenant_price_ratio", {"tenant": "redis"}, 1.0),
        ("tenant_slowdown_ratio", {"tenant": "redis"}, 0.012),
        ("tenant_slowdown_ratio", {"tenant": "batch"}, None),
        ("tenant_slowdown_5m_ratio", {"tenant": "redis"}, 0.0093),
        ("tenant_resident_bytes", {"tenant": "redis"}, 1536 * MIB),
        ("tenant_swapped_bytes", {"tenant": "redis"}, 640 * MIB),
        ("tenant_saved_bytes", {"tenant": "redis"}, 480 * MIB),
        ("tenant_decisions_total", {"tenant": "redis"}, 1700),
        ("tenant_breaches_total", {"tenant": "redis"}, 12),
        ("tenant_regions", {"tenant": "redis"}, 171),
        ("tenant_knob_min_age_seconds", {"tenant": "redis"}, 30.0),
        ("tenant_knob_quota_bytes_per_second", {"tenant": "redis"}, 1.5e6),
        ("tenant_knob_min_age_seconds", {"tenant": "batch"}, None),
        ("tenant_heat_ratio", {"tenant": "redis", "class": "hot"}, HEAT["hot_share"]),
        ("tenant_guard", {"tenant": "redis", "reason": "pressure"}, 0),
    ],
)
def test_the_metrics_say_what_the_status_says(
    name: str, labels: dict[str, str], value: float | None
) -> None:
    assert _value(STATUS, f"damon_tuner_{name}", **labels) == value


def test_what_the_guard_did_is_a_reason_each() -> None:
    status = replace(STATUS, tenants=(replace(REDIS, guard=("pressure", "hold")),))
    told = {
        s.labels["reason"]: s.value
        for s in _samples(status)
        if s.name == "damon_tuner_tenant_guard"
    }
    assert {reason for reason, value in told.items() if value} == {"pressure", "hold"}
    assert "slowdown" in told


def test_a_daemon_that_stops_says_that_it_is_down() -> None:
    assert _value(replace(STATUS, phase="stopping"), "damon_tuner_up") == 0


@given(statuses)
def test_every_status_is_read_by_prometheus_own_library(status: DaemonStatus) -> None:
    series = [(s.name, tuple(sorted(s.labels.items()))) for s in _samples(status)]
    assert len(series) == len(set(series))
    # a lone surrogate is told as its escape, any other name as it is
    names = {t.name.encode("utf-8", "backslashreplace").decode() for t in status.tenants}
    assert {dict(labels)["tenant"] for _, labels in series if "tenant" in dict(labels)} == names


@pytest.mark.parametrize(
    "name", ['a"b', "a\\b", "a\nb", "a\\nb", '"} 1\ndamon_tuner_up 0\n#', "é", "\x00\r\x1b[2J", ""]
)
def test_a_hostile_name_is_a_name(name: str) -> None:
    status = replace(STATUS, tenants=(replace(REDIS, name=name),))
    assert _value(status, "damon_tuner_tenant_regions", tenant=name) == 171
    assert _value(status, "damon_tuner_up") == 1


def test_names_have_base_units_and_every_family_is_explained() -> None:
    for family in text_string_to_metric_families(metrics_text(STATUS)):
        assert family.documentation, family.name
        assert family.type == ("counter" if family.samples[0].name.endswith("_total") else "gauge")
        short = family.samples[0].name.removeprefix("damon_tuner_")
        assert short.endswith(UNITS) != (short in UNITLESS), short
        if family.type == "gauge":
            assert not short.endswith("_total")


def test_the_file_is_whole_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "new" / "damon_tuner.prom"
    assert write_metrics(path, STATUS) is None
    assert write_metrics(path, replace(STATUS, tenants=(GONE,))) is None
    assert path.read_text() == metrics_text(replace(STATUS, tenants=(GONE,)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    # whatever else is there would be scraped, too
    assert os.listdir(path.parent) == [path.name]


def test_a_file_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "folder.prom").mkdir()
    (tmp_path / "file").touch()
    for path in (tmp_path / "folder.prom", tmp_path / "file" / "x.prom"):
        why = write_metrics(path, STATUS)
        assert why
        assert "\n" not in why
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.prom"]


def _known() -> set[str]:
    status = replace(STATUS, tenants=(REDIS,))
    return {sample.name for sample in _samples(status)}


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    board = json.loads((ROOT / "daemon" / "files" / "grafana-dashboard.json").read_text())
    expressions = [
        target["expr"] for panel in board["panels"] for target in panel.get("targets", ())
    ]
    expressions += [
        v["query"]["query"] for v in board["templating"]["list"] if v["type"] == "query"
    ]
    for expression in expressions:
        named = set(re.findall(r"\bdamon_tuner_\w+", expression))
        assert named, expression
        assert named <= _known(), expression


def test_every_panel_of_the_dashboard_takes_its_data_from_the_chosen_source() -> None:
    board = json.loads((ROOT / "daemon" / "files" / "grafana-dashboard.json").read_text())
    assert (
        board["templating"]["list"][0] | {"type": "datasource", "query": "prometheus"}
        == (board["templating"]["list"][0])
    )
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert panel["targets"], panel["title"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_the_documentation_has_every_metric() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    documented = set(re.findall(r"^\| `(damon_tuner_\w+)` \|", text, re.MULTILINE))
    assert documented == _known()

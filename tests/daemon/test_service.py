"""The whole daemon on a fake host: what it does, and that everything is as it was afterwards."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from damon_tuner.daemon import service as service_module
from damon_tuner.daemon.client import ask
from damon_tuner.errors import DamonBusyError, TunerError

from ..sysfs.fake_kernel import ADMIN, NR_KDAMONDS, PID
from .fake_host import Daemon, FakeHost

TENANT = f"[tenants.web]\npid = {PID}\n"
ACT = 'mode = "act"\nlog = "json"\n'


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def daemon(tmp_path: Path, host: FakeHost) -> Daemon:
    return Daemon(tmp_path, host, ACT + TENANT)


def test_it_decides_once_an_interval_and_puts_everything_back(daemon, host):
    before = host.sysfs
    daemon.run(60.0)
    decisions = daemon.decisions()
    assert 11 <= len(decisions) <= 13
    assert decisions[-1]["knobs"]["min_age_s"] > 0
    assert decisions[1]["knobs_before"] == decisions[0]["knobs"]
    assert host.sysfs == before
    assert not host.locked
    assert "stopped: everything is as it was" in daemon.lines
    assert not (daemon.folder / "run/socket").exists()
    assert not (daemon.folder / "state/journal").exists()


@pytest.mark.parametrize(
    ("named", "costs_us"),
    [
        ("", (5.0, 90.0)),
        ('disk_in = "2ms"\n', (5.0, 2000.0)),
        ('swap_in = "20us"\n', (20.0, 0.0)),
        ('swap_in = "20us"\ndisk_in = "2ms"\n', (20.0, 2000.0)),
    ],
)
def test_what_faults_cost_is_measured_where_it_is_not_named(daemon, monkeypatch, named, costs_us):
    monkeypatch.setattr(service_module, "measure_swap_in_us", lambda: 5.0)
    monkeypatch.setattr(service_module, "measure_disk_in_us", lambda: 90.0)
    daemon.config.write_text(daemon.config.read_text().replace('swap_in = "20us"\n', named))
    daemon.run(1.0)
    (decision,) = daemon.decisions()
    assert (decision["swap_in_us"], decision["disk_in_us"]) == costs_us


def test_acting_sets_the_scheme_that_was_decided(daemon, host):
    seen = []
    daemon.after(31.0, lambda: seen.append((host.schemes_of(), dict(host.committed))))
    daemon.run(40.0)
    (actions, committed), decided = seen[0], daemon.decisions()[6]
    assert actions[0] == "pageout"
    assert committed["schemes/0/quotas/bytes"] == str(int(decided["knobs"]["quota_bytes_per_s"]))


def test_freshly_installed_it_sets_no_scheme(daemon, host):
    daemon.configure('log = "json"\n' + TENANT)
    seen = []
    for second in range(1, 60):
        daemon.after(second, lambda: seen.append(host.schemes_of()))
    daemon.run(60.0)
    assert len(daemon.decisions()) >= 11
    assert {tuple(actions) for actions in seen} == {("stat",)}
    assert not any(decision["carried_out"] for decision in daemon.decisions())
    # on paper, what is idle goes out, and little of it comes back
    last = daemon.decisions()[-1]
    assert last["saved_bytes"] > 0
    assert 0.0 <= last["slowdown"] < 0.02


def test_without_a_tenant_nothing_at_all_is_written(daemon, host):
    daemon.configure("")
    daemon.run(60.0)
    assert host.writes == []
    assert "0 tenants configured" in daemon.lines[0]


def test_a_foreign_kdamond_is_named_and_left_alone(daemon, host):
    host.write(NR_KDAMONDS, "1")
    host.writes.clear()
    with pytest.raises(DamonBusyError, match="in use by kdamond 0"):
        daemon.run(10.0)
    assert host.writes == []
    assert not (daemon.folder / "run/socket").exists()


def test_who_asks_is_answered_while_it_runs(daemon):
    answers = []

    def look() -> None:
        answers.append(service.status())

    service = daemon.service()
    daemon.after(21.0, look)
    daemon.run(30.0, service)
    status = answers[0]
    assert (status.mode, status.phase) == ("act", "managing")
    assert status.tenants[0].pids == (PID,)
    assert status.tenants[0].phase in ("managing", "fallback")
    assert status.decisions == 5
    assert service.status().phase == "stopping"
    with pytest.raises(TunerError, match="no daemon answers"):
        ask(daemon.folder / "run/socket", "status")


def test_paused_it_gives_everything_back_and_resumed_it_goes_on(daemon, host):
    before, seen = host.sysfs, []
    service = daemon.service()
    daemon.after(11.0, lambda: service._answer("pause"))
    daemon.after(31.0, lambda: seen.append((host.sysfs == before, service.status().phase)))
    daemon.after(32.0, lambda: service._answer("resume"))
    daemon.after(51.0, lambda: seen.append((host.schemes_of()[:1], service.status().phase)))
    daemon.run(60.0, service)
    assert seen == [(True, "paused"), (["pageout"], "managing")]


def test_an_administrators_own_change_makes_it_stand_down_until_told(daemon, host):
    seen = []
    service = daemon.service()
    path = f"{ADMIN}/kdamonds/0/contexts/0/schemes/0/quotas/bytes"
    daemon.after(12.0, lambda: host.write(path, "12345"))
    daemon.after(31.0, lambda: seen.append(service.status()))
    daemon.after(32.0, lambda: service._answer("resume"))
    daemon.after(51.0, lambda: seen.append(service.status()))
    daemon.run(60.0, service)
    assert seen[0].phase == "stood down"
    assert "quotas/bytes=12345" in seen[0].reason
    assert [line for line in daemon.lines if line.startswith("warning: standing down")]
    assert seen[1].phase == "managing"


def test_a_foreign_kdamond_in_our_place_is_left_running(daemon, host):
    def replaced() -> None:
        host.write(f"{ADMIN}/kdamonds/0/state", "off")
        host.write(NR_KDAMONDS, "1")
        host.write(f"{ADMIN}/kdamonds/0/contexts/nr_contexts", "1")
        host.write(f"{ADMIN}/kdamonds/0/contexts/0/targets/nr_targets", "1")
        host.write(f"{ADMIN}/kdamonds/0/contexts/0/targets/0/pid_target", str(PID))
        host.write(f"{ADMIN}/kdamonds/0/state", "on")
        host.files[f"{ADMIN}/kdamonds/0/pid"] = "4711"

    daemon.after(12.0, replaced)
    daemon.run(40.0)
    assert host.files[f"{ADMIN}/kdamonds/0/state"] == "on"
    assert any("standing down" in line for line in daemon.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_each_signal_that_asks_to_stop_does(daemon, host, number):
    before = host.sysfs
    daemon.after(7.0, lambda: os.kill(os.getpid(), number))
    daemon.run(1e6)
    assert host.clock_us < 20e6
    assert host.sysfs == before


def test_a_reload_changes_what_it_says_without_a_gap(daemon, host):
    service = daemon.service()
    daemon.after(21.0, lambda: daemon.configure(ACT + TENANT + 'budget = "7%"\n'))
    daemon.after(22.0, lambda: os.kill(os.getpid(), signal.SIGHUP))
    daemon.run(60.0, service)
    budgets = [decision["budget"] for decision in daemon.decisions()]
    assert budgets[:5] == [0.02] * 5
    assert budgets[5:] == [0.07] * (len(budgets) - 5)
    assert service.status().reloads == 1
    # it was never switched off in between
    ons = [text for path, text in host.writes if path.endswith("kdamonds/0/state")]
    assert ons.count("on") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('budgett = "1%"\n', "did you mean 'budget'"),
        ('interval = "5"\n', "interval"),
        ('policy = "/nowhere/p.safetensors"\n', "cannot be read"),
        ("socket_x = 1\n", "socket"),
    ],
)
def test_a_reload_with_anything_wrong_is_refused_whole(daemon, text, told):
    service = daemon.service()
    daemon.after(21.0, lambda: daemon.configure('mode = "shadow"\n' + text + TENANT))
    daemon.after(22.0, lambda: os.kill(os.getpid(), signal.SIGHUP))
    daemon.run(40.0, service)
    assert all(decision["carried_out"] for decision in daemon.decisions())
    refused = [line for line in daemon.lines if "not reloaded" in line]
    assert refused
    assert told in refused[0]


def test_from_acting_to_shadow_the_schemes_go_at_once(daemon, host):
    seen = []
    daemon.after(21.0, lambda: daemon.configure('log = "json"\n' + TENANT))
    daemon.after(22.0, lambda: os.kill(os.getpid(), signal.SIGHUP))
    daemon.after(23.5, lambda: seen.append(host.schemes_of()))
    daemon.run(60.0)
    assert seen == [["stat"]]
    assert not daemon.decisions()[-1]["carried_out"]


def test_a_missing_policy_is_said_aloud_and_the_static_one_decides(daemon, host):
    daemon.configure(ACT + 'policy = "/nowhere.safetensors"\nfallback = "pageout_30s"\n' + TENANT)
    seen = []
    service = daemon.service()
    daemon.after(21.0, lambda: seen.append((service.status(), dict(host.committed))))
    daemon.run(30.0, service)
    status, committed = seen[0]
    assert status.is_fallback
    assert status.tenants[0].phase == "fallback"
    assert committed["schemes/0/access_pattern/age/min"] == "300"
    assert any("the static policy pageout_30s decides" in line for line in daemon.lines)


def test_what_keeps_it_from_the_host_for_a_while_is_tried_again(daemon, host):
    """A disk that is full, or DAMON in use while no tenant was there."""
    daemon.configure(ACT + '[tenants.web]\nunit = "web.service"\n')
    service, seen = daemon.service(), []
    daemon.after(7.0, lambda: host.write(NR_KDAMONDS, "1"))
    daemon.after(8.0, lambda: host.put("system.slice/web.service", PID))
    daemon.after(25.0, lambda: seen.append((service.status().phase, host.files[NR_KDAMONDS])))
    daemon.after(26.0, lambda: seen.append(service.status().reason))
    daemon.after(27.0, lambda: host.write(NR_KDAMONDS, "0"))
    daemon.after(80.0, lambda: seen.append((service.status().phase, host.schemes_of()[:1])))
    daemon.run(90.0, service)
    assert seen[0] == ("stood down", "1")
    assert "DAMON is in use by kdamond 0" in seen[1]
    assert "until 30 s have passed" in seen[1]
    assert seen[2] == ("managing", ["pageout"])


def test_a_tenant_that_cannot_be_ended_makes_it_stand_down_with_the_reason(daemon, host):
    service, seen = daemon.service(), []

    def refuse(path: str, text: str) -> None:
        if path.endswith("kdamonds/0/state") and text == "off":
            raise OSError(5, "Input/output error")

    def go() -> None:
        host.before_write = refuse
        daemon.configure(ACT)
        os.kill(os.getpid(), signal.SIGHUP)

    daemon.after(11.0, go)
    daemon.after(41.0, lambda: seen.append(service.status()))
    daemon.after(42.0, lambda: setattr(host, "before_write", lambda path, text: None))
    daemon.run(50.0, service)
    assert seen[0].phase == "stood down"
    assert "until damon-tuner resume" in seen[0].reason
    assert host.files[NR_KDAMONDS] == "0"


def test_a_policy_that_was_missing_before_keeps_nobody_from_reloading(daemon):
    text = ACT + 'policy = "/nowhere.safetensors"\n'
    daemon.configure(text + TENANT)
    service = daemon.service()
    daemon.after(11.0, lambda: daemon.configure(text + TENANT + 'budget = "5%"\n'))
    daemon.after(12.0, lambda: os.kill(os.getpid(), signal.SIGHUP))
    daemon.run(30.0, service)
    assert service.status().reloads == 1
    assert service.status().is_fallback
    assert daemon.decisions()[-1]["budget"] == 0.05

"""Which processes are a tenant's: by number, pid file, unit and control group."""

from __future__ import annotations

import os

import pytest

from damon_tuner.daemon.config import TenantConfig
from damon_tuner.daemon.tenants import MOST_PROCESSES, Finder, Found, read_pid_file
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.tree import Tree

from ..sysfs.fake_kernel import PID
from .fake_host import FakeHost


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


def find(host: FakeHost, *configs: TenantConfig, protected: tuple[str, ...] = ()) -> list[Found]:
    return Finder(Tree(host), configs, protected).find()


def test_a_process_by_its_number(host):
    found = find(host, TenantConfig("web", pid=PID))
    assert [(tenant.name, tenant.pids) for tenant in found] == [("web", (PID,))]
    host.kill(PID)
    assert find(host, TenantConfig("web", pid=PID))[0].reason == "no process of it is there now"


def test_a_process_by_its_pid_file(host, tmp_path):
    path = tmp_path / "web.pid"
    config = TenantConfig("web", pid_file=path)
    assert "cannot be read" in find(host, config)[0].reason
    path.write_text(f"{PID}\n")
    assert find(host, config)[0].pids == (PID,)


@pytest.mark.parametrize("content", ["", "web", "-4", "0", "12 34x", "9" * 100])
def test_a_pid_file_that_holds_no_process_is_said(tmp_path, content):
    path = tmp_path / "pid"
    path.write_text(content)
    with pytest.raises(TunerError, match="holds no process number"):
        read_pid_file(path)


def test_a_pipe_in_place_of_a_pid_file_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "pid")
    with pytest.raises(TunerError):
        read_pid_file(tmp_path / "pid")


@pytest.mark.parametrize(
    "folder", ["system.slice", "system.slice/system-redis.slice", "user.slice/u-1000.slice/s"]
)
def test_a_unit_is_found_wherever_systemd_puts_it(host, folder):
    host.put(f"{folder}/redis.service", 11, 12)
    found = find(host, TenantConfig("redis", unit="redis.service"))
    assert [(tenant.name, tenant.pids) for tenant in found] == [("redis", (11, 12))]
    assert found[0].source == f"cgroup {folder}/redis.service"


def test_a_pattern_is_as_many_tenants_as_match(host):
    for number in (1, 2):
        host.put(f"system.slice/web@{number}.service", 10 + number)
    host.put("system.slice/other.service", 99)
    found = find(host, TenantConfig("web", unit="web@*.service"))
    names = {tenant.name: tenant.pids for tenant in found}
    assert names == {"web:web@1.service": (11,), "web:web@2.service": (12,)}


def test_names_of_one_pattern_are_told_apart(host):
    host.put("a/pod/app", 11)
    host.put("b/pod/app", 12)
    found = find(host, TenantConfig("app", cgroup="*/pod/app"))
    assert sorted(tenant.name for tenant in found) == ["app:a/pod/app", "app:b/pod/app"]


def test_a_star_does_not_cross_a_slash(host):
    host.put("a/b/app", 11)
    assert find(host, TenantConfig("app", cgroup="*/app"))[0].pids == ()


def test_processes_of_groups_below_belong_to_it(host):
    host.put("pod", 11)
    host.put("pod/side.scope", 12)
    host.put("pod/my.app")
    host.put("pod/my.app/deep", 13)
    assert find(host, TenantConfig("pod", cgroup="pod"))[0].pids == (11, 12, 13)


def test_of_many_processes_the_largest_are_taken(host):
    pids = range(100, 100 + 2 * MOST_PROCESSES)
    host.put("pod", *pids)
    for pid in pids:
        host.files[f"proc/{pid}/statm"] = f"0 {pid % 2 * 1000 + pid} 0"
    found = find(host, TenantConfig("pod", cgroup="pod"))[0]
    assert found.pids == tuple(pid for pid in pids if pid % 2)


def test_a_process_belongs_to_the_first_that_claims_it(host):
    host.put("pod", 11, 12)
    first, second = find(host, TenantConfig("one", pid=11), TenantConfig("pod", cgroup="pod"))
    assert (first.pids, second.pids) == ((11,), (12,))
    again = find(host, TenantConfig("one", pid=11), TenantConfig("two", pid=11))
    assert "another tenant's" in again[1].reason


def test_the_daemon_itself_and_init_are_nobodys(host):
    host.put("all", 1, os.getpid(), 11)
    assert find(host, TenantConfig("all", cgroup="all"))[0].pids == (11,)
    assert find(host, TenantConfig("init", pid=1))[0].pids == ()


@pytest.mark.parametrize(
    "pattern", ["system.slice/ssh*", "system.slice/ssh.service", "system.slice", "*/ssh.service"]
)
def test_what_is_protected_is_never_managed_whatever_names_it(host, pattern):
    host.put("system.slice/ssh.service")
    host.put("system.slice/ssh.service/child", 11)
    for config in (
        TenantConfig("ssh", pid=11),
        TenantConfig("ssh", cgroup="system.slice/ssh.service"),
    ):
        found = find(host, config, protected=(pattern,))[0]
        assert found.is_protected
        assert found.pids == ()
        assert f"protected ({pattern})" in found.reason


def test_without_control_groups_that_is_the_reason(host):
    del host.files["sys/fs/cgroup/cgroup.controllers"]
    found = find(host, TenantConfig("web", unit="web.service"))
    assert found[0].reason == "cgroup v2 is not mounted here"


def test_a_unit_that_is_not_there_now_is_waited_for(host):
    config = TenantConfig("web", unit="web.service")
    assert find(host, config)[0].reason == "there is no such cgroup now"
    host.put("system.slice/web.service", 11)
    assert find(host, config)[0].pids == (11,)
    host.put("system.slice/web.service")
    assert find(host, config)[0].reason == "no process of it is there now"
    host.remove("system.slice/web.service")
    assert find(host, config)[0].pids == ()

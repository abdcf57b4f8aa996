"""Which processes are a tenant's: by number, pid file, unit and control group."""

from __future__ import annotations

import errno
import os

import pytest

from damon_tuner.daemon.config import TenantConfig
from damon_tuner.daemon.tenants import MOST_PROCESSES, Finder, Found, read_pid_file
from damon_tuner.errors import TunerError
from damon_tuner.kernel_iface.sysfs.tree import Tree

from ..sysfs.fake_kdamond import failure
from ..sysfs.fake_kernel import PID, Fault
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


@pytest.mark.parametrize("folder", ["system.slice", "system.slice/system-redis.slice"])
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
    slice = "system.slice"
    assert names == {f"web:{slice}/web@1.service": (11,), f"web:{slice}/web@2.service": (12,)}


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


def test_a_user_cannot_be_the_unit_of_the_system(host):
    host.put("system.slice/redis.service", 11)
    before = find(host, TenantConfig("redis", unit="redis.service"))
    host.put("user.slice/user-1000.slice/user@1000.service/app.slice/redis.service", 12)
    assert find(host, TenantConfig("redis", unit="redis.service")) == before
    assert before[0].pids == (11,)


def test_a_name_does_not_depend_on_what_else_matches(host):
    host.put("pods/a/app", 11)
    first = find(host, TenantConfig("app", cgroup="pods/*/app"))
    host.put("pods/b/app", 12)
    assert find(host, TenantConfig("app", cgroup="pods/*/app"))[0] == first[0]


def test_a_pattern_that_matches_too_much_is_cut_off_and_said(host):
    for number in range(100):
        host.put(f"pods/{number}", 1_000 + number)
    found = find(host, TenantConfig("pods", cgroup="pods/*"))
    assert len(found) == 65
    assert "100 match, and only 64 are looked at" in found[-1].reason


def test_a_number_that_was_given_to_another_process_is_not_the_tenant(host):
    finder = Finder(Tree(host), [TenantConfig("web", pid=PID)], ())
    assert finder.find()[0].pids == (PID,)
    host.kill(PID)
    assert finder.find()[0].pids == ()
    host.spawn(PID, start=999)
    assert finder.find()[0].pids == ()
    assert "belongs to another one now" in finder.find()[0].reason


def test_a_process_younger_than_the_pid_file_is_not_the_one_that_it_means(host, tmp_path):
    path = tmp_path / "web.pid"
    path.write_text(str(PID))
    now_s = int(path.stat().st_mtime)
    host.files["proc/stat"] += f"btime {now_s - 50}\n"
    ticks = os.sysconf("SC_CLK_TCK")
    host.spawn(PID, start=40 * ticks)
    assert find(host, TenantConfig("web", pid_file=path))[0].pids == (PID,)
    host.spawn(PID, start=100 * ticks)
    assert "is older than process" in find(host, TenantConfig("web", pid_file=path))[0].reason


@pytest.mark.parametrize(
    "text", ["1:name=systemd:/system.slice/ssh.service", "nonsense", ""], ids=["v1", "odd", "none"]
)
def test_who_cannot_be_told_from_the_protected_is_protected(host, text):
    host.files[f"proc/{PID}/cgroup"] = text
    found = find(host, TenantConfig("ssh", pid=PID), protected=("system.slice/ssh*",))[0]
    assert found.is_protected
    assert found.pids == ()


def test_what_cannot_be_looked_up_just_now_may_be_there_and_leaves_the_others(host):
    host.put("pod", 11)
    host.read_faults = [Fault("proc/4242/cgroup", failure(errno.EIO), times=1000)]
    host.files[f"proc/{PID}/cgroup"] = "0::/x"
    one, other = find(host, TenantConfig("web", pid=PID), TenantConfig("pod", cgroup="pod"))
    assert one.is_unknown
    assert other.pids == (11,)

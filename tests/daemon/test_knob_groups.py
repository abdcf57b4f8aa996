"""Policies of other knob groups: only where they are allowed, and all of it is given back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from damon_tuner.policies.policy_file import save_policy
from damon_tuner.policies.schema import schema_of

from ..policies.helpers import constant_policy, random_policy
from ..sysfs.fake_kernel import NR_KDAMONDS
from ..sysfs.plans.fake_tiers import BALANCING, DEMOTION, TierKernel
from .fake_host import MIB, Daemon, FakeHost

GROUPS = ("reclaim", "tiering", "thp", "power")
WEB, DB = 5000, 6000
CONFIG = """
mode = "act"
log = "json"
policy = "{policy}"
knob_groups = ["reclaim", "tiering", "thp", "power"]
[tenants.web]
unit = "web.service"
[tenants.db]
unit = "db.service"
"""


class TieredHost(TierKernel, FakeHost):
    """Two tiers, memory blocks, huge pages, and units with processes."""

    def put(self, cgroup: str, *pids: int) -> None:
        self.add_cgroup(f"/{cgroup}", resident={0: 64 * MIB, 1: 64 * MIB})
        super().put(cgroup, *pids)


@pytest.fixture
def host() -> TieredHost:
    host = TieredHost()
    host.put("system.slice/web.service", WEB)
    host.put("system.slice/db.service", DB)
    return host


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """It demotes, promotes, collapses, splits, and keeps a seventh of all memory spare."""
    path = tmp_path / "tiers.safetensors"
    schema = schema_of(GROUPS)
    save_policy(constant_policy((0.0,) * schema.nr_knobs, schema), path)
    return path


def settings(host: TieredHost) -> dict[str, str]:
    """What can be changed; what the fake kernel counts when it is read is none of it."""
    return {path: text for path, text in host.sysfs.items() if not path.endswith("meminfo")}


def daemon_on(host: TieredHost, folder: Path, policy: Path) -> Daemon:
    return Daemon(folder, host, CONFIG.format(policy=policy))


def actions(host: TieredHost) -> list[list[str]]:
    """What each kdamond that is on runs, but for what only watches."""
    return [
        [action for action in host.schemes_of(slot) if action != "stat"]
        for slot in range(len(host.kdamonds))
        if host.files.get(f"sys/kernel/mm/damon/admin/kdamonds/{slot}/state") == "on"
    ]


def test_each_tenant_has_its_schemes_and_its_part_of_the_nodes(host, policy, tmp_path) -> None:
    before, seen = settings(host), []
    daemon = daemon_on(host, tmp_path, policy)
    daemon.after(21.0, lambda: seen.append((actions(host), host.files[DEMOTION])))
    service = daemon.run(22.0)
    running, demotion = seen[0]
    own = ["pageout", "hugepage", "collapse", "nohugepage", "pageout"]
    assert running.count(own) == 2
    assert sorted(a for each in running if each != own for a in each) == [
        "migrate_cold",
        "migrate_cold",
        "migrate_hot",
        "migrate_hot",
    ]
    assert demotion == "true"
    assert {tenant.phase for tenant in service.status().tenants} == {"waiting"}
    knobs = daemon.decisions()[-1]["knobs"]
    assert set(schema_of(GROUPS).knob_names) == set(knobs)
    assert settings(host) == before
    assert host.files[NR_KDAMONDS] == "0"
    assert (host.files[DEMOTION], host.files[BALANCING]) == ("false", "3")


def test_a_tenant_that_vanishes_takes_its_part_with_it_and_a_newcomer_gets_one(
    host, policy, tmp_path
) -> None:
    seen: list[list[list[str]]] = []

    def vanish() -> None:
        host.kill(DB)
        host.remove_cgroup("/system.slice/db.service")

    daemon = daemon_on(host, tmp_path, policy)
    daemon.after(16.0, vanish)
    daemon.after(31.0, lambda: seen.append(actions(host)))
    daemon.after(32.0, lambda: host.put("system.slice/db.service", DB + 1))
    daemon.after(46.0, lambda: seen.append(actions(host)))
    daemon.run(47.0)
    alone, both = (sorted(a for each in run for a in each if "migrate" in a) for run in seen)
    assert alone == ["migrate_cold", "migrate_hot"]
    assert both == ["migrate_cold", "migrate_cold", "migrate_hot", "migrate_hot"]


def test_a_policy_that_sets_more_than_is_allowed_does_not_decide(host, policy, tmp_path) -> None:
    daemon = daemon_on(host, tmp_path, policy)
    daemon.configure(
        CONFIG.format(policy=policy).replace(
            '["reclaim", "tiering", "thp", "power"]', '["reclaim"]'
        )
    )
    daemon.run(12.0)
    (warning,) = [line for line in daemon.lines if line.startswith("warning: the static")]
    assert "tiering, thp, power" in warning
    assert 'knob_groups = ["reclaim", "tiering", "thp", "power"]' in warning
    assert all(not decision["knobs"] for decision in daemon.decisions())


def test_a_reload_takes_up_a_policy_of_other_knobs(host, policy, tmp_path) -> None:
    before, seen = settings(host), []
    reclaim = tmp_path / "reclaim.safetensors"
    save_policy(random_policy(), reclaim)
    daemon = daemon_on(host, tmp_path, reclaim)

    def reload(path: Path) -> None:
        daemon.configure(CONFIG.format(policy=path))
        os.kill(os.getpid(), signal.SIGHUP)

    daemon.after(11.0, lambda: seen.append(actions(host)))
    daemon.after(12.0, lambda: reload(policy))
    daemon.after(31.0, lambda: seen.append(actions(host)))
    daemon.after(32.0, lambda: reload(reclaim))
    daemon.after(51.0, lambda: seen.append(actions(host)))
    daemon.run(52.0)
    # a node demotes for each tenant by a kdamond of its own
    assert [len(run) for run in seen] == [2, 5, 2]
    assert settings(host) == before


@pytest.mark.parametrize(("word", "none"), [("alone", "511"), ("tamed", "64")])
def test_khugepaged_is_left_alone_unless_it_is_to_be_tamed(
    host, policy, tmp_path, word: str, none: str
) -> None:
    seen: list[str] = []
    path = "sys/kernel/mm/transparent_hugepage/khugepaged/max_ptes_none"
    host.files["sys/kernel/mm/transparent_hugepage/enabled"] = "[always] madvise never"
    daemon = daemon_on(host, tmp_path, policy)
    daemon.configure(f'khugepaged = "{word}"\n' + CONFIG.format(policy=policy))
    daemon.after(16.0, lambda: seen.append(host.files[path]))
    daemon.run(17.0)
    assert seen == [none]
    assert host.files[path] == "511"


def test_in_shadow_mode_nothing_of_it_is_carried_out(host, policy, tmp_path) -> None:
    seen = []
    daemon = daemon_on(host, tmp_path, policy)
    daemon.configure(CONFIG.format(policy=policy).replace('"act"', '"shadow"'))
    daemon.after(21.0, lambda: seen.append((actions(host), host.files[DEMOTION])))
    daemon.run(22.0)
    assert seen == [([[], []], "false")]


def test_a_policy_of_page_out_alone_does_not_load_what_acts_on_the_host() -> None:
    code = (
        "import sys; import damon_tuner.daemon.main as m; m.keep_light();"
        "from damon_tuner.daemon.service import Service;"
        "print([n for n in sys.modules if '.plans' in n or '.actors' in n])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""What the doctor says of hosts that have and that lack things."""

from __future__ import annotations

import json
import shutil

import pytest

from damon_tuner.kernel_iface.doctor import Status, as_json, as_text, is_ready

from .good_host import KDAMONDS


def verdict(look, name):
    return look()[name].verdict


def test_a_host_that_has_everything(look):
    findings = list(look().values())
    assert {f.name: f.verdict.says for f in findings if f.verdict.status is not Status.OK} == {}
    assert is_ready(findings)
    text = as_text(findings)
    assert text.endswith("Ready: damon-tuner run can manage a process here.")
    for said in ("Linux 7.3.4", "/dev/zram0 (1 GiB), 1 MiB used", "node 1 (1 GiB, tier 50)"):
        assert said in text
    assert "1 of 3 blocks of 128 MiB, 1 are offline" in text
    assert "package_00_die_00 (800 to 2400 MHz)" in text
    assert "only damon_stat, which rests" in text
    assert "the kernel demotes by itself" in text


@pytest.mark.parametrize(
    ("changes", "name", "says", "remedy"),
    [
        ({"proc/self/status": "Uid:\t0\t1000\t0\t0\n"}, "user", "user 1000", "run as root"),
        ({"proc/self/uid_map": "0 1000 65536\n"}, "user", "container", "host itself"),
        (
            {"proc/self/mounts": "sysfs /sys sysfs ro,nosuid 0 0\n"},
            "sysfs",
            "read-only",
            "writable /sys",
        ),
        ({"proc/self/mounts": "proc /proc proc rw 0 0\n"}, "sysfs", "not mounted", "mount -t"),
        ({KDAMONDS: None}, "interface", "no DAMON", "CONFIG_DAMON_SYSFS"),
        ({f"{KDAMONDS}/nr_kdamonds": "2\n"}, "users", "in use by kdamond 0", "write off"),
        (
            {"sys/module/damon_reclaim/parameters/enabled": "Y\n"},
            "users",
            "in use by damon_reclaim",
            "write N to /sys/module/damon_reclaim",
        ),
        ({"proc/sys/kernel/osrelease": "6.5.0\n"}, "features", "apply_interval_us", "Linux 6.9"),
        ({"proc/pressure": None}, "pressure", "does not measure", "psi=1"),
        ({"proc/swaps": "Filename Type Size Used Priority\n"}, "swap", "no swap", "zram"),
        (
            {"proc/swaps": "F T S U P\n/dev/vda2 partition 1024 0 -2\n"},
            "compression",
            "not compressed",
            "zswap",
        ),
        ({"sys/kernel/tracing": None}, "tracing", "not mounted", "mount -t tracefs"),
        ({"sys/kernel/tracing/events/damon": None}, "tracing", "cannot trace", "CONFIG_TRACE"),
        ({"sys/fs/cgroup": None}, "cgroup v2", "not mounted", "mount -t cgroup2"),
        ({"sys/fs/cgroup/cgroup.controllers": "cpu\n"}, "cgroup v2", "no memory", "boot with"),
        ({"sys/fs/cgroup/cgroup.subtree_control": "\n"}, "cgroup v2", "no group", "+memory"),
        ({"sys/devices/system/node/has_memory": "0\n"}, "tiers", "one tier", "CXL"),
        (
            {"sys/kernel/mm/transparent_hugepage/enabled": "always madvise [never]\n"},
            "transparent",
            "off",
            "write madvise",
        ),
        ({"sys/kernel/mm/transparent_hugepage": None}, "transparent", "no transparent", "CONFIG"),
        ({"sys/devices/system/memory": None}, "blocks", "no memory blocks", "CONFIG_MEMORY_HOT"),
        (
            {"sys/devices/system/memory/memory1/valid_zones": "Normal\n"},
            "blocks",
            "none of 3 blocks",
            "movablecore",
        ),
        ({"sys/devices/system/cpu": None}, "clocks", "no clock", "intel_uncore_frequency"),
        ({"sys/class/powercap": None}, "energy", "no meter", "intel_rapl"),
    ],
)
def test_what_a_host_lacks(root, look, changes, name, says, remedy):
    for path, text in changes.items():
        if text is None:
            shutil.rmtree(root / path)
        else:
            (root / path).write_text(text)
    finding = look()[name]
    assert finding.verdict.status is Status.MISSING
    assert says in finding.verdict.says
    assert remedy in finding.verdict.remedy + finding.verdict.says
    assert finding.verdict.means
    assert is_ready(list(look().values())) is not finding.needed


def test_a_zswap_counts_as_compression(root, look):
    (root / "proc/swaps").write_text("F T S U P\n/dev/vda2 partition 1024 0 -2\n")
    (root / "sys/module/zswap/parameters/enabled").write_text("Y\n")
    assert verdict(look, "compression").says == "zswap (lzo) in front of /dev/vda2"


def test_nodes_of_one_kernel_tier_are_told_apart_by_their_cpus(root, look):
    shutil.rmtree(root / "sys/devices/virtual")
    assert "tier without CPUs" in verdict(look, "tiers").says


def test_features_by_release_say_what_is_lost_and_since_when(root, look):
    (root / "proc/sys/kernel/osrelease").write_text("6.12.30+deb13-amd64\n")
    found = verdict(look, "features")
    assert found.status is Status.OK
    assert "by the kernel's release" in found.says
    assert any("Linux 7.0: " in line and "do not stop" in line for line in found.details)
    assert found.facts["by_release"]
    releases = [line.split()[2] for line in found.details]
    assert releases == sorted(releases, key=lambda text: [int(n) for n in text[:-1].split(".")])


def test_a_release_that_tells_nothing(root, look):
    (root / "proc/sys/kernel/osrelease").write_text("mine\n")
    assert verdict(look, "features").status is Status.UNKNOWN
    assert not is_ready(list(look().values()))


def test_json_for_programs(look):
    told = json.loads(as_json(list(look().values())))
    assert told["ready"] is True
    facts = {finding["name"]: finding["facts"] for finding in told["findings"]}
    assert facts["swap"]["devices"][0]["size_bytes"] == 1048572 << 10
    assert facts["tiers"]["nodes"][1]["tier"] == 50
    assert facts["blocks"]["movable"] == [1]
    assert facts["pressure"] == {"some_us": 2500000, "full_us": 999}
    assert {finding["status"] for finding in told["findings"]} == {"ok"}


def test_lines_are_folded_and_nothing_is_lost(look, root):
    shutil.rmtree(root / "proc/pressure")
    findings = list(look().values())
    folded = as_text(findings, 80)
    assert max(map(len, folded.splitlines())) <= 80
    assert folded.split() == as_text(findings).split()
    assert as_text(findings, 20) == as_text(findings)


def test_what_blocks_is_marked_and_named(look, root):
    (root / "proc/swaps").unlink()
    text = as_text(list(look().values()))
    assert "missing !    swap" in text
    assert text.endswith("Not ready: see swap, marked with an exclamation mark.")

"""DRAM's meters: which are counted, and what happens when they begin again."""

from __future__ import annotations

import pytest

from damon_tuner.kernel_iface.sysfs.observe.energy import DramEnergy, dram_domains

POWERCAP = "sys/class/powercap"


def meter(zone: str, energy_uj: int, name: str = "dram", most_uj: int = 1000) -> dict[str, str]:
    folder = f"{POWERCAP}/{zone}"
    return {
        f"{folder}/name": f"{name}\n",
        f"{folder}/energy_uj": f"{energy_uj}\n",
        f"{folder}/max_energy_range_uj": f"{most_uj}\n",
    }


def test_only_dram_and_each_meter_once(tree, put):
    put(
        {
            **meter("intel-rapl:0", 1, "package-0"),
            **meter("intel-rapl:0:0", 2, "core"),
            **meter("intel-rapl:0:1", 3),
            **meter("intel-rapl:1:1", 4),
            **meter("intel-rapl-mmio:0:0", 3),
            f"{POWERCAP}/intel-rapl/enabled": "1\n",
            f"{POWERCAP}/dtpm/enabled": "1\n",
        }
    )
    assert [domain.energy_uj for domain in dram_domains(tree)] == [3, 4]


def test_the_other_interface_where_it_is_the_only_one(tree, put):
    put(meter("intel-rapl-mmio:0:0", 3))
    assert [domain.name for domain in dram_domains(tree)] == ["intel-rapl-mmio:0:0"]


def test_energy_is_added_up_over_wrap_around(tree, put):
    put({**meter("intel-rapl:0:1", 900), **meter("intel-rapl:1:1", 100)})
    energy = DramEnergy(tree)
    assert energy.used_uj() == 0
    put({**meter("intel-rapl:0:1", 950), **meter("intel-rapl:1:1", 100)})
    assert energy.used_uj() == 50
    put({**meter("intel-rapl:0:1", 20), **meter("intel-rapl:1:1", 300)})
    assert energy.used_uj() == 50 + 70 + 200
    assert energy.used_uj() == 320


def test_a_meter_that_appears_later_counts_from_then_on(tree, put):
    put(meter("intel-rapl:0:1", 10))
    energy = DramEnergy(tree)
    put({**meter("intel-rapl:0:1", 15), **meter("intel-rapl:1:1", 500)})
    assert energy.used_uj() == 5
    put(meter("intel-rapl:1:1", 510))
    assert energy.used_uj() == 15


@pytest.mark.parametrize("gone", ["energy_uj", "max_energy_range_uj"])
def test_without_a_meter_it_is_none(tree, put, tmp_path, gone):
    put(meter("intel-rapl:0:1", 10))
    (tmp_path / POWERCAP / "intel-rapl:0:1" / gone).unlink()
    assert DramEnergy(tree).used_uj() is None

"""Energy that memory uses and that is saved: measured, or estimated from a host profile."""

from __future__ import annotations

import pytest

from damon_tuner.kernel_iface.energy import DramPower, EnergyAccount, dram_power

GIB = 1 << 30
POWER = DramPower("made_up", 55.0, 41.0, 36.0, 0.4, is_interleaved=False)
METER = "sys/class/powercap/intel-rapl:0:0"


def metered(put, energy_uj: int) -> None:
    put(
        {
            f"{METER}/name": "dram\n",
            f"{METER}/energy_uj": f"{energy_uj}\n",
            f"{METER}/max_energy_range_uj": "262143328850\n",
        }
    )


def test_without_a_meter_the_profile_estimates(tree):
    account = EnergyAccount(tree, POWER)
    account.look(0, 8 * GIB, 0)
    account.look(100_000_000, 8 * GIB, 2 * GIB)
    account.look(300_000_000, 8 * GIB, 2 * GIB, 0.5)
    account.look(400_000_000, 8 * GIB, 2 * GIB, 0.5)
    report = account.report()
    at_rest_w, offline_w = 8 * 41e-3, 6 * 41e-3 + 2 * 36e-3
    slow_w = 6 * 41e-3 * 0.8 + 2 * 36e-3
    used_j = 100 * at_rest_w + 200 * offline_w + 100 * slow_w
    assert report.used_j == pytest.approx(used_j)
    assert report.saved_j == pytest.approx(400 * at_rest_w - used_j)
    assert (report.source, report.is_measured, report.seconds) == ("made_up", False, 400.0)


def test_interleaved_ranks_save_nothing():
    interleaved = DramPower("x", 55.0, 41.0, 36.0, 0.4, is_interleaved=True)
    assert interleaved.used_w(8 * GIB, 4 * GIB) == interleaved.used_w(8 * GIB) == 8 * 55e-3


def test_a_meter_tells_what_was_saved_against_rest(tree, put):
    metered(put, 0)
    account = EnergyAccount(tree, POWER)
    account.look(0, 8 * GIB, 0)
    metered(put, 400_000_000)  # 4 W over 100 s
    account.look(100_000_000, 8 * GIB, 2 * GIB)
    metered(put, 550_000_000)  # 3 W over 50 s
    account.look(150_000_000, 8 * GIB, 0)
    report = account.report()
    assert (report.used_j, report.saved_j) == (550.0, 50.0)
    assert (report.source, report.is_measured) == ("powercap", True)


def test_a_host_that_was_never_at_rest_cannot_say(tree, put):
    metered(put, 0)
    account = EnergyAccount(tree, POWER)
    account.look(0, 8 * GIB, 2 * GIB)
    metered(put, 30_000_000)
    account.look(10_000_000, 8 * GIB, 2 * GIB)
    assert account.report().saved_j is None
    assert account.report().used_j == 30.0


def test_the_bundled_profile_is_read():
    power = dram_power()
    assert power.profile == "ddr4_power"
    assert (
        0 < power.self_refresh_mw_per_gib < power.powerdown_mw_per_gib < power.standby_mw_per_gib
    )
    assert not power.is_interleaved

"""Measures the host it runs on, on memory of its own: what a simulated host is made of.

Nothing of the host is changed, and no privileges are needed. ``calibrate`` runs everything;
``huge_pages.compare`` alone tells what huge pages give a load that waits for memory here.
"""

from damon_tuner.kernel_iface.calibrate.finding import Finding, Origin
from damon_tuner.kernel_iface.calibrate.limits import Limits, limits
from damon_tuner.kernel_iface.calibrate.run import Calibration, calibrate

__all__ = ["Calibration", "Finding", "Limits", "Origin", "calibrate", "limits"]

"""A real kernel for tests and measurements: boots one in an emulator and runs a command there."""

from damon_tuner.kernel_iface.guest.emulator import ensure_emulator
from damon_tuner.kernel_iface.guest.runner import run_in_guest
from damon_tuner.kernel_iface.guest.spec import GuestResult, GuestSpec

__all__ = ["GuestResult", "GuestSpec", "ensure_emulator", "run_in_guest"]

"""The demo: policies on a real process, under the real DAMON of a real kernel in an emulator.

``run`` is the part on this machine, ``inside`` the part in the guest, which has no NumPy:
importing this package imports neither.
"""

from pathlib import Path

DEFAULT_OUT = Path("out/kernel-demo")
DEFAULT_SECONDS = 300.0

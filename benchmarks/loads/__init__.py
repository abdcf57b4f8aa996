"""Real programs under a real kernel's DAMON, in an emulator: policies in turn, in one boot.

``run`` is the part on this machine, ``inside`` the part in the guest, which has NumPy only for
the load that uses it: importing this package imports neither.
"""

from pathlib import Path

DEFAULT_OUT = Path("out/kernel-loads")
DEFAULT_SECONDS = 160.0
RESULT = "load.json"

LOADS = ("redis", "memcached", "sqlite", "batch")
"""By name, each a module of this package."""

PROGRAMS = Path("/programs")
"""Where Debian's programs are in the guest."""

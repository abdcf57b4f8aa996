"""Whether the simulator ranks policies as a real kernel does: the same loads played in both.

``run`` is the part on this machine, ``inside`` the part in the guest, which has no NumPy:
importing this package imports neither.
"""

from pathlib import Path

DEFAULT_OUT = Path("out/kernel-ranks")
DEFAULT_SECONDS = 150.0
RESULT = "ranks.json"

POLICIES = (
    "none",
    "pageout_5s",
    "pageout_30s",
    "pageout_120s",
    "goals_psi_consist",
    "cold_age_percentile",
    "damon_reclaim",
    "learned",
)

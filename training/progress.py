"""How often a progress bar says something: often to a person, rarely to a log."""

import sys


def progress_interval_s() -> float:
    """Seconds between two updates of a bar on standard error."""
    return 0.2 if sys.stderr.isatty() else 15.0

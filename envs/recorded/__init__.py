"""Recordings of real loads, read into programs that the simulator plays.

One reader a file: damo's JSON and perf's text of DAMON's tracepoint, address traces, the
configuration files of masim, and the daemon's experience. ``load_recording`` finds out
which it is.
"""

from damon_tuner.envs.recorded.formats import FORMATS, load_recording
from damon_tuner.envs.recorded.recording import Recording

__all__ = ["FORMATS", "Recording", "load_recording"]

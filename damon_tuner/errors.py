"""Errors that a user can act on: each message is one line that says what to do."""

from __future__ import annotations

from collections.abc import Sequence


class TunerError(Exception):
    """Base of every error that the command line prints as one line, without a traceback."""


class DamonMissingError(TunerError):
    """The running kernel has no DAMON, or lacks the part that was asked for."""


class DamonBusyError(TunerError):
    """Somebody else uses DAMON on this host."""


class NoPermissionError(TunerError):
    """A file of the kernel cannot be read or written by this user."""


class KernelRejectedError(TunerError):
    """The kernel refused a value or a command."""


class KernelFileError(TunerError):
    """A file of the kernel holds something else than this program knows to read."""


class NotRestoredError(TunerError):
    """Something that was changed on the host could not be put back."""


class JournalError(TunerError):
    """The journal of changes cannot be written, or cannot be believed."""


class LeftoverError(TunerError):
    """An earlier run was killed, and what it changed on the host is not put back yet."""


class TakenOverError(TunerError):
    """Somebody else changed what this process had set up; it is theirs now."""


class TargetGoneError(TunerError):
    """The managed process has exited or never existed."""


class PolicyFileError(TunerError):
    """A policy file is truncated, altered, or made for another version of the decision path."""


class HyperparamsError(TunerError):
    """A file of hyper-parameters has an unknown name or a value of the wrong kind."""


class ConfigError(TunerError):
    """The daemon's configuration is refused: ``problems``, and the text, have a line for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class WorkloadFileError(TunerError):
    """A workload file has an unknown key or a value out of range."""


class ProfileFileError(TunerError):
    """A host profile has an unknown parameter or a value out of range."""


class RecordingError(TunerError):
    """A recording of a load is damaged, of an unknown format, or holds nothing to play."""


class GuestError(TunerError):
    """The emulated kernel could not be prepared, booted, or did not return."""


class GuestDiedError(GuestError):
    """The emulated kernel ended before its command did."""

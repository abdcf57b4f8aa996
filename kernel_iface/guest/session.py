"""What a running guest tells: the events of its control port, and the lines that it prints."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable
from dataclasses import dataclass

from damon_tuner.errors import GuestDiedError, GuestError


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a guest that ran to its end has told; ``ready_at`` is of the monotonic clock."""

    kernel_version: str
    ready_at: float
    exit_status: int
    results_sha256: str


class _Lines:
    """Cuts a stream of bytes, arriving in pieces, into lines of text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        *whole, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        return [line.rstrip("\r") for line in whole]

    def finish(self) -> list[str]:
        return self.feed(b"\n") if self._rest else []


class Session:
    """The guest's side of the conversation, fed with what its ports deliver.

    Events, one a line: ``ready RELEASE`` before the command starts, ``exit STATUS`` after it,
    ``results SHA256`` when its files are through, ``error TEXT`` when /init cannot go on.
    """

    def __init__(self, echo: Callable[[str], None] | None) -> None:
        self._echo = echo or (lambda line: None)
        self._control = _Lines()
        self._output = _Lines()
        self._kernel_version = ""
        self._ready_at: float | None = None
        self._exit_status: int | None = None
        self._results_sha256 = ""

    @property
    def finished(self) -> bool:
        """Whether everything has arrived."""
        return bool(self._results_sha256)

    @property
    def ready(self) -> bool:
        """Whether the guest has come as far as to start the command."""
        return self._ready_at is not None

    @property
    def stage(self) -> str:
        """What the guest is doing, as the end of the sentence "the guest died ..."."""
        if self._ready_at is None:
            return "before it ran the command"
        if self._exit_status is None:
            return "while the command ran"
        return "while it sent its files back"

    def outcome(self) -> Outcome:
        """Return what the guest told; raises ``GuestDiedError`` if it died before the end."""
        if self._ready_at is None or self._exit_status is None or not self.finished:
            raise GuestDiedError(f"the guest died {self.stage}")
        return Outcome(
            self._kernel_version, self._ready_at, self._exit_status, self._results_sha256
        )

    def feed_control(self, data: bytes) -> None:
        """Take bytes of the control port; raises ``GuestError`` when /init reports an error."""
        for line in self._control.feed(data):
            event, _, value = line.partition(" ")
            if event == "ready":
                self._ready_at, self._kernel_version = time.monotonic(), value
            elif event == "exit":
                self._exit_status = int(value)
            elif event == "results":
                self._results_sha256 = value
            elif event == "error":
                raise GuestError(f"the guest could not be set up: {value}")

    def feed_output(self, data: bytes) -> None:
        """Take bytes that the command printed; whole lines go to ``echo``."""
        for line in self._output.feed(data):
            self._echo(line)

    def finish_output(self) -> None:
        """Hand a last line without an end to ``echo``."""
        for line in self._output.finish():
            self._echo(line)

"""One client of the control socket: one line of JSON in, one line out, and it is over."""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Any

from damon_tuner.errors import TunerError

COMMANDS = ("status", "pause", "resume")
MAX_REQUEST_BYTES = 4096
CLIENT_TIMEOUT_S = 5.0

Answer = Callable[[str], Mapping[str, Any]]
"""What the daemon says to a command; what it raises is told to the client as an error."""


class Connection:
    """Reads, answers and writes as far as it goes without waiting.

    A client has ``CLIENT_TIMEOUT_S`` to ask, and as long to take the answer; ``until_s``, of
    ``clock``, is when that is over.
    """

    def __init__(
        self,
        client: socket.socket,
        selector: selectors.BaseSelector,
        answer: Answer,
        clock: Callable[[], float],
    ) -> None:
        self.until_s = clock() + CLIENT_TIMEOUT_S
        self.is_open = True
        self._client = client
        self._selector = selector
        self._answer = answer
        self._clock = clock
        self._request = bytearray()
        self._reply: memoryview | None = None
        selector.register(client, selectors.EVENT_READ, self.serve)

    def serve(self, mask: int) -> None:
        """Go on; called when the client is ready, and never raises for what it does."""
        # an earlier callback of the same round may have closed this one
        if not self.is_open:
            return
        try:
            if self._reply is None:
                self._read()
            if self._reply is not None:
                self._write(self._reply)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()

    def close(self) -> None:
        """Forget the client."""
        if self.is_open:
            self.is_open = False
            self._selector.unregister(self._client)
            self._client.close()

    def _read(self) -> None:
        received = self._client.recv(MAX_REQUEST_BYTES - len(self._request))
        self._request += received
        has_ended = not received or len(self._request) == MAX_REQUEST_BYTES
        if not self._request:
            self.close()
        elif has_ended or b"\n" in received:
            self._reply = memoryview(reply_to(bytes(self._request), self._answer))
            # how long the daemon took is not the client's fault
            self.until_s = self._clock() + CLIENT_TIMEOUT_S
            self._selector.modify(self._client, selectors.EVENT_WRITE, self.serve)

    def _write(self, reply: memoryview) -> None:
        self._reply = reply[self._client.send(reply) :]
        if not self._reply:
            self.close()


def reply_to(request: bytes, answer: Answer) -> bytes:
    """Return the line that answers a request, whatever the request is."""
    try:
        return _line(answer(_command(request)))
    except TunerError as error:
        return refusal(str(error))
    # a question must not end what answers it
    except Exception as error:
        return refusal(f"the daemon could not answer: {type(error).__name__}: {error}")


def refusal(why: str) -> bytes:
    """Return the line that says why there is no answer."""
    return _line({"error": why})


def _line(told: Mapping[str, Any]) -> bytes:
    return json.dumps(told, allow_nan=False).encode() + b"\n"


def _command(request: bytes) -> str:
    # what follows the first line may not have come yet, so that it counts for nothing
    line, newline, _ = request.partition(b"\n")
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    known = isinstance(told, dict) and told.keys() == {"command"} and told["command"] in COMMANDS
    if not newline or not known:
        raise TunerError(
            f'not a request: send one line of at most {MAX_REQUEST_BYTES} bytes, {{"command": '
            f"COMMAND}}, where COMMAND is one of {', '.join(COMMANDS)}"
        )
    return str(told["command"])

"""What the daemon holds of the host, and gives back as often as it takes."""

from __future__ import annotations

from collections.abc import Callable

from damon_tuner.errors import NotRestoredError
from damon_tuner.kernel_iface.sysfs.session import Session


class Held:
    """A session with room for so many tenants, from ``make_session``."""

    def __init__(self, make_session: Callable[[int], Session], nr_slots: int) -> None:
        self._make_session = make_session
        self.session = make_session(nr_slots)
        self.unrestored = ""
        """What could not be put back yet; empty when everything is as it was."""

    def give_back(self) -> str:
        """Put everything back, or try it again; return what there is to say of it, if anything.

        What somebody else has changed meanwhile is left alone, and that is said once.
        """
        self.unrestored, told = "", ""
        try:
            self.session.close()
        except NotRestoredError as error:
            told = str(error)
        if self.session.has_changes:
            self.unrestored = told or "something could not be put back"
        return told

    def resize(self, nr_slots: int) -> None:
        """Have room for another number of tenants, once everything is given back.

        Raises:
            NotRestoredError: it could not be; the session stays the one that knows how to.
        """
        told = self.give_back()
        if self.unrestored:
            raise NotRestoredError(told)
        self.session = self._make_session(nr_slots)

"""What the standard library brings along and the daemon can do without: a tenth of its memory."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


def keep_light() -> None:
    """Call it before anything else is imported; what is there already stays.

    ``hashlib`` then uses Python's own SHA-256 instead of OpenSSL. ``inspect``, which
    ``dataclasses`` imports for classes without a docstring, is loaded when it is first used.
    """
    sys.modules.setdefault("_hashlib", None)  # type: ignore[arg-type]
    sys.modules.setdefault("inspect", _LoadedWhenUsed("inspect"))


class _LoadedWhenUsed(ModuleType):
    """A module that becomes the real one as soon as something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the import system asks what kind of module this is
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        real = importlib.import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        return getattr(real, name)

"""The fake host of the tests: what is claimed of the daemon without a kernel is measured on it."""

from __future__ import annotations

import importlib
from types import ModuleType

from damon_tuner.errors import TunerError


def harness(name: str) -> ModuleType:
    """Import a module of the tests, such as ``daemon.fake_host``.

    Raises:
        TunerError: this is not run in the project's folder, whose tests have it.
    """
    try:
        return importlib.import_module(f"tests.{name}")
    except ModuleNotFoundError as error:
        raise TunerError(
            f"{error.name} is missing: run python -m damon_tuner figures daemon in the folder of "
            "this project"
        ) from error

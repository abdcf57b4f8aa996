import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _files_that_only_their_owner_may_write() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)

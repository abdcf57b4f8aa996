"""What the guest's tests share: the emulator, or a plain reason why there is none."""

import pytest

from damon_tuner.errors import GuestError
from damon_tuner.kernel_iface.guest import ensure_emulator


@pytest.fixture(scope="session")
def emulator() -> str:
    """The emulator's path; where it is missing and cannot be installed, the test is skipped."""
    try:
        return ensure_emulator()
    except GuestError as error:
        pytest.skip(str(error))

"""The way back: what is remembered, joined, undone with another word, and left alone."""

from __future__ import annotations

import errno

import pytest

from damon_tuner.errors import NotRestoredError, TunerError
from damon_tuner.kernel_iface.sysfs.ledger import Change, Ledger
from damon_tuner.kernel_iface.sysfs.tree import Tree

from .fake_kernel import FakeKernel, Fault, failure

CAP = "sys/class/devfreq/dmc0/max_freq"
OTHER = "sys/class/devfreq/dmc1/max_freq"


@pytest.fixture
def ledger(kernel: FakeKernel) -> Ledger:
    kernel.files[CAP] = kernel.files[OTHER] = "900"
    return Ledger(Tree(kernel, busy_timeout_s=0))


def test_many_writes_to_a_file_are_one_change(kernel: FakeKernel, ledger: Ledger) -> None:
    for text in ("800", "700", "600"):
        ledger.write(CAP, text)
    assert ledger.changes == (Change(CAP, "900", "600"),)
    ledger.restore()
    assert kernel.files[CAP] == "900"


def test_a_file_written_back_by_hand_is_forgotten(ledger: Ledger) -> None:
    ledger.write(CAP, "800")
    ledger.write(CAP, "900")
    assert ledger.changes == ()


def test_a_refused_second_write_does_not_lose_the_first(
    kernel: FakeKernel, ledger: Ledger
) -> None:
    ledger.write(CAP, "800")
    kernel.write_faults.append(Fault("max_freq", failure(errno.EINVAL), text="700"))
    with pytest.raises(TunerError):
        ledger.write(CAP, "700")
    ledger.restore()
    assert kernel.files[CAP] == "900"


def test_one_file_is_put_back_alone(kernel: FakeKernel, ledger: Ledger) -> None:
    ledger.write(CAP, "800")
    ledger.write(OTHER, "800")
    ledger.put_back(CAP)
    assert (kernel.files[CAP], kernel.files[OTHER]) == ("900", "800")
    assert [change.path for change in ledger.changes] == [OTHER]


def test_another_word_undoes_the_change(kernel: FakeKernel, ledger: Ledger) -> None:
    ledger.write(CAP, "800", undo="0")
    ledger.restore()
    assert kernel.writes[-1] == (CAP, "0")


def test_the_commands_that_mend_use_that_word(kernel: FakeKernel, ledger: Ledger) -> None:
    ledger.write(CAP, "800", undo="0")
    kernel.write_faults.append(Fault("max_freq", failure(errno.EIO), times=9))
    with pytest.raises(NotRestoredError, match=f"echo 0 > /{CAP}"):
        ledger.put_back(CAP)
    assert ledger.changes


def test_what_somebody_else_wrote_is_left_alone(kernel: FakeKernel, ledger: Ledger) -> None:
    ledger.write(CAP, "800")
    kernel.files[CAP] = "500"
    with pytest.raises(NotRestoredError, match="left alone"):
        ledger.put_back(CAP)
    assert kernel.files[CAP] == "500" and ledger.changes == ()

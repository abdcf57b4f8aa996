"""Asking DAMON's files for its features takes a kdamond, and leaves nothing."""

from __future__ import annotations

import errno

import pytest

from damon_tuner.errors import NotRestoredError
from damon_tuner.kernel_iface.doctor import Status, examine
from damon_tuner.kernel_iface.sysfs.lock import LOCK
from damon_tuner.kernel_iface.sysfs.restore import restore
from damon_tuner.kernel_iface.sysfs.tree import Tree

from ..sysfs.fake_kernel import NR_KDAMONDS, STATE, FakeKernel, Fault, failure
from .good_host import GOOD_HOST


@pytest.fixture
def kernel() -> FakeKernel:
    kernel = FakeKernel()
    kernel.files.update({p: t.strip() for p, t in GOOD_HOST.items() if p != NR_KDAMONDS})
    return kernel


@pytest.fixture
def features(kernel, tmp_path):
    def features():
        findings = examine(Tree(kernel, busy_timeout_s=0.1), tmp_path, probe=True)
        return next(f.verdict for f in findings if f.name == "features")

    return features


def test_features_are_told_by_files_and_everything_is_as_before(kernel, features, tmp_path):
    before = dict(kernel.files)
    found = features()
    assert found.status is Status.OK
    assert "by DAMON's files" in found.says
    assert not found.facts["by_release"]
    assert kernel.files == before
    assert kernel.writes
    assert not kernel.locked
    assert not list(tmp_path.iterdir())


def test_a_file_that_a_patched_kernel_lacks_is_noticed(kernel, features, monkeypatch):
    populate = kernel._populate

    def without(*arguments):
        populate(*arguments)
        for path in [path for path in kernel.files if path.endswith("effective_bytes")]:
            del kernel.files[path]

    monkeypatch.setattr(kernel, "_populate", without)
    found = features()
    assert found.status is Status.MISSING
    assert "effective_bytes" in found.says
    assert kernel.files[NR_KDAMONDS] == "0"


def test_a_damon_in_use_is_not_touched(kernel, features):
    kernel.write(NR_KDAMONDS, "1")
    kernel.files[STATE] = "on"
    writes = list(kernel.writes)
    found = features()
    assert found.status is Status.UNKNOWN
    assert "in use" in found.says
    assert kernel.writes == writes


def test_another_tuner_at_work_is_not_disturbed(kernel, features):
    kernel.locked.add(LOCK)
    found = features()
    assert found.status is Status.UNKNOWN
    assert "another damon-tuner" in found.says
    assert not kernel.writes


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EIO, errno.ENOMEM])
def test_a_write_that_fails_is_a_finding_and_is_put_back(kernel, features, number):
    before = dict(kernel.files)
    features()
    for nth in range(1, len(kernel.writes) + 1):
        kernel.write_faults = [Fault("", failure(number), nth)]
        if nth == len(kernel.writes):
            break
        assert features().status is Status.UNKNOWN
        assert kernel.files == before
        kernel.writes.clear()
        kernel.write_faults = []
        features()


def test_what_cannot_be_removed_again_is_an_error_that_names_the_command(kernel, features):
    kernel.write_faults = [Fault(NR_KDAMONDS, failure(errno.EIO), times=9, text="0")]
    with pytest.raises(NotRestoredError, match=f"echo 0 > /{NR_KDAMONDS}"):
        features()
    assert not kernel.locked


def test_an_interrupt_leaves_nothing(kernel, features):
    before = dict(kernel.files)
    kernel.write_faults = [Fault("nr_schemes", KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        features()
    assert kernel.files == before
    assert not kernel.locked


def test_a_kdamond_that_a_killed_probe_left_can_be_put_back(kernel, features, tmp_path):
    before = dict(kernel.files)
    with pytest.MonkeyPatch.context() as killed:
        killed.setattr("damon_tuner.kernel_iface.sysfs.ledger.Ledger.restore", lambda ledger: None)
        features()
    kernel.locked.clear()
    assert kernel.files[NR_KDAMONDS] == "1"
    restore(kernel, tmp_path)
    assert kernel.files == before

"""The control loop observes, decides and acts, and whatever ends it, the host is put back."""

import os
import signal
from collections.abc import Sequence

import pytest

from damon_tuner import _core
from damon_tuner.daemon.control import control
from damon_tuner.daemon.outcome import Outcome
from damon_tuner.errors import TargetGoneError
from damon_tuner.kernel_iface.host import Scheme, Snapshot
from damon_tuner.kernel_iface.sim import SimHost
from damon_tuner.policies.decision import MONITORING, LearnedPolicy
from damon_tuner.policies.rules import STATIC_POLICIES
from damon_tuner.signals import Stopped, stop_on_signals

from ..policies.helpers import random_policy


class RecordedHost:
    """A simulated host that keeps a record of the calls and can be told to fail."""

    def __init__(self, fail_at: str | None = None, error: BaseException | None = None) -> None:
        self._host = SimHost(_core.Spec("phases"), seed=1, attrs=MONITORING)
        self._fail_at, self._error = fail_at, error
        self.calls: list[str] = []
        self.now_s = 0.0

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self._fail_at and self._error is not None:
            raise self._error

    def start(self, schemes: Sequence[Scheme]) -> None:
        self._call("start")
        self._host.start(schemes)

    def advance(self, seconds: float) -> None:
        self._call("advance")
        self.now_s += seconds
        self._host.advance(seconds)

    def snapshot(self) -> Snapshot:
        self._call("snapshot")
        return self._host.snapshot()

    def apply(self, schemes: Sequence[Scheme]) -> None:
        self._call("apply")
        self._host.apply(schemes)

    def stop(self) -> None:
        self.calls.append("stop")


def _run(host: RecordedHost, **options: object) -> list[Outcome]:
    steps: list[Outcome] = []
    policy = LearnedPolicy(random_policy().network(), 0.02)
    control(
        host,
        policy,
        on_step=steps.append,
        clock=lambda: host.now_s,
        **{"duration_s": 22.0, **options},  # type: ignore[arg-type]
    )
    return steps


def test_it_decides_once_an_interval_and_lasts_as_long_as_asked() -> None:
    host = RecordedHost()
    steps = _run(host)
    assert [step.elapsed_s for step in steps] == [0.0, 5.0, 10.0, 15.0, 20.0, 22.0]
    assert host.calls[0] == "start"
    assert host.calls[-1] == "stop"
    assert host.now_s == 22.0


def test_a_static_policy_is_applied_as_it_is() -> None:
    host = RecordedHost()
    steps: list[Outcome] = []
    policy = STATIC_POLICIES["pageout_5s"]
    control(host, policy, on_step=steps.append, duration_s=30.0, clock=lambda: host.now_s)
    assert all(step.decision.schemes == policy.schemes for step in steps)
    assert steps[-1].snapshot.swapped_bytes > 0


@pytest.mark.parametrize("where", ["start", "advance", "snapshot", "apply"])
@pytest.mark.parametrize("error", [TargetGoneError("gone"), KeyboardInterrupt(), Stopped()])
def test_whatever_fails_the_host_is_put_back(where: str, error: BaseException) -> None:
    host = RecordedHost(where, error)
    with pytest.raises(type(error)):
        _run(host)
    assert host.calls[-1] == "stop"


def test_a_signal_while_the_host_is_put_back_does_not_cut_that_short() -> None:
    class SlowToStop(RecordedHost):
        def stop(self) -> None:
            if "stop" not in self.calls:
                self.calls.append("interrupted")
                self.calls.append("stop")
                os.kill(os.getpid(), signal.SIGTERM)
                for _ in range(1_000):
                    pass
            else:
                self.calls.append("put back")

    host = SlowToStop()
    with pytest.raises(Stopped), stop_on_signals():
        _run(host)
    assert host.calls[-1] == "put back"

"""Signals unwind what runs, and never what puts a host back."""

import os
import signal
import time

import pytest

from damon_tuner.signals import Stopped, signals_held, stop_on_signals

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


def _send(number: int) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_unwinds_and_a_second_one_does_not_interrupt_that(number: int) -> None:
    unwound = False
    before = signal.getsignal(number)
    with pytest.raises(Stopped), stop_on_signals():
        try:
            _send(number)
            deadline = time.monotonic() + 5.0
            while time.monotonic() < deadline:
                pass
        finally:
            _send(number)
            unwound = True
    assert unwound
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", SIGNALS)
def test_a_held_signal_arrives_afterwards(number: int) -> None:
    finished = False
    with pytest.raises(Stopped), stop_on_signals():
        with signals_held():
            _send(number)
            _send(number)
            finished = True
        for _ in range(1_000):
            pass
        pytest.fail("the signal was lost")
    assert finished


def test_what_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_on_signals(), signals_held():
            _send(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)

"""A handler may set the flag at any instant, also while its own thread is about to wait for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from recorder.uplink.stop_flag import StopFlag


@pytest.fixture
def flag() -> Iterator[StopFlag]:
    made = StopFlag()
    before = signal.signal(signal.SIGALRM, lambda *_: made.set())
    yield made
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.timeout(30)
def test_a_signal_ends_the_wait(flag: StopFlag) -> None:
    assert not flag.is_set() and not flag.wait(0.0)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    assert flag.wait(20.0) and flag.is_set()


@pytest.mark.timeout(30)
def test_signals_at_every_instant_of_many_waits_hang_nothing(flag: StopFlag) -> None:
    """With a ``threading.Event`` the handler soon waits for the very thread it runs on."""
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    for _ in range(200_000):
        flag._set = False
        flag.wait(0.0)
    flag.set()
    assert flag.wait(20.0)

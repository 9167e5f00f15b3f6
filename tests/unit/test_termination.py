"""A signal may come between any two instructions of the main thread, also while it holds the event queue's lock."""

from __future__ import annotations

import os
import queue
import signal
from collections.abc import Iterator

import pytest

from recorder.unit.events import UnitEvent
from recorder.unit.termination import Termination


@pytest.fixture
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_inside_queue_get_does_not_hang_the_unit(number: int) -> None:
    termination = Termination()
    termination.install()
    events: queue.Queue[UnitEvent] = queue.Queue()
    assert not termination.requested
    with events.mutex:  # as inside Queue.get; a handler that enqueues would wait here for ever
        os.kill(os.getpid(), number)
    assert termination.requested

from __future__ import annotations

import os
import signal
import threading

import pytest

from hw_sim.runner.stop_flag import StopFlag


def test_unset_it_waits_and_set_it_does_not() -> None:
    flag = StopFlag()
    assert not flag.wait(0.0) and not flag.is_set()
    flag.set()
    assert flag.wait(3600.0) and flag.is_set()
    assert flag.wait(3600.0), "and stays set"


def test_another_thread_ends_the_wait() -> None:
    flag = StopFlag()
    timer = threading.Timer(0.05, flag.set)
    timer.start()
    assert flag.wait(30.0)
    timer.join()


@pytest.mark.timeout(20)
def test_a_signal_handler_ends_the_wait_of_the_thread_it_interrupts() -> None:
    flag = StopFlag()
    before = signal.signal(signal.SIGUSR1, lambda *_: flag.set())
    try:
        timer = threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        timer.start()
        assert flag.wait(30.0)
        timer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_many_signals_do_not_block() -> None:
    flag = StopFlag()
    for _ in range(100_000):
        flag.set()
    assert flag.is_set()

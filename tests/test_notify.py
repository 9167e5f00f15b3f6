"""sd_notify(3): what is said, and that nobody who listens badly can stop the unit."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from recorder.notify import Notifier


@pytest.fixture
def listener(tmp_path: Path) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(tmp_path / "n"))
    receiver.settimeout(5)
    return receiver


def test_the_messages_systemd_knows(listener: socket.socket) -> None:
    with listener:
        notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "15000000"})
        notifier.ready("待机 standby")
        notifier.status("recording")
        notifier.watchdog()
        notifier.stopping()
        said = [listener.recv(4096).decode() for _ in range(4)]
        notifier.close()
    assert said == ["READY=1\nSTATUS=待机 standby", "STATUS=recording", "WATCHDOG=1", "STOPPING=1"]
    assert notifier.watchdog_us == 15_000_000


def test_a_watchdog_may_be_told_to_wait_longer_and_as_long_as_before(listener: socket.socket) -> None:
    with listener:
        notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "6000000"})
        notifier.watchdog_within(60_000_000)
        notifier.watchdog_within()
        assert [listener.recv(4096).decode() for _ in range(2)] == [
            "WATCHDOG_USEC=60000000\nWATCHDOG=1",
            "WATCHDOG_USEC=6000000\nWATCHDOG=1",
        ]
        notifier.close()


def test_a_listener_that_does_not_read_blocks_nothing(listener: socket.socket) -> None:
    """The queue of a datagram socket holds a handful: the hundredth message has to be let go, not waited for."""
    with listener:
        notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname(), "WATCHDOG_USEC": "1"})
        for _ in range(1000):
            notifier.watchdog()
        notifier.close()


def test_no_watchdog_is_fed_that_nobody_asked_for(listener: socket.socket) -> None:
    with listener:
        notifier = Notifier({"NOTIFY_SOCKET": listener.getsockname()})
        notifier.watchdog()
        notifier.watchdog_within(1)
        notifier.status("x")
        assert listener.recv(4096) == b"STATUS=x"
        notifier.close()


def test_a_listener_that_went_away_is_no_error(tmp_path: Path) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    notifier.ready("x")
    notifier.stopping()
    notifier.close()
    Notifier({}).ready("nobody asked")

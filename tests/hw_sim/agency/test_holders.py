"""One request at a time per upload, the later one first."""

from __future__ import annotations

import socket
import threading

import pytest

from hw_sim.agency.store.holders import Holders, StillHeld


def test_the_later_request_ends_the_reading_of_the_earlier() -> None:
    holders = Holders(5.0)
    mine, peer = socket.socketpair()
    order: list[str] = []
    holding = threading.Event()

    def stale() -> None:
        with holders.hold("u", mine):
            holding.set()
            assert mine.recv(10) == b""
            order.append("stale let go")

    thread = threading.Thread(target=stale)
    thread.start()
    assert holding.wait(5)
    with holders.hold("u", None):
        order.append("later holds")
    thread.join(5)
    assert order == ["stale let go", "later holds"]
    mine.close()
    peer.close()


def test_a_holder_that_does_not_let_go_makes_the_later_one_give_up() -> None:
    holders = Holders(0.05)
    release, holding = threading.Event(), threading.Event()

    def stubborn() -> None:
        with holders.hold("u", None):
            holding.set()
            release.wait(5)

    thread = threading.Thread(target=stubborn)
    thread.start()
    assert holding.wait(5)
    with pytest.raises(StillHeld), holders.hold("u", None):
        pass
    with holders.hold("another", None):
        pass
    release.set()
    thread.join(5)
    with holders.hold("u", None):
        pass


def test_the_same_connection_does_not_throw_itself_off() -> None:
    holders = Holders(0.05)
    mine, peer = socket.socketpair()
    with holders.hold("u", mine), pytest.raises(StillHeld), holders.hold("u", mine):
        pass
    peer.send(b"x")
    assert mine.recv(1) == b"x"
    mine.close()
    peer.close()

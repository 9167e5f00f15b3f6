"""Locks and messages between the instances of a store; a journal and an upload used by two of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.store.holders import Holders
from hw_sim.agency.store.instances import Instances
from hw_sim.agency.store.journal_log import JournalLog
from hw_sim.agency.store.journal_rules import Head
from hw_sim.agency.store.locks import Locks, StillHeld
from recorder.evidence.encoding import b64u, sha256_b64u

HOLD = """
import sys
from pathlib import Path
from firmware_bridge.clock import SystemClock
from hw_sim.agency.store.locks import Locks
with Locks(Path(sys.argv[1]), SystemClock()).hold("a"):
    print("held", flush=True)
    sys.stdin.read()
"""


def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "locks", SystemClock())


def test_two_holders_exclude_each_other_by_name(tmp_path: Path) -> None:
    one, two = locks(tmp_path), locks(tmp_path)
    asked: list[str] = []
    with one.hold("a"):
        with pytest.raises(StillHeld), two.hold("a", 0.05, lambda: asked.append("let go")):
            pass
        with pytest.raises(StillHeld), one.hold("a", 0.0):
            pass
        with two.hold("b", 0.0), one.hold("c", 0.0):
            pass
        with pytest.raises(StillHeld), two.hold("a", 0.0):  # closing the descriptors of b and c released nothing
            pass
    assert asked
    with two.hold("a", 0.0):
        pass


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    mine = locks(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path / "locks")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StillHeld), mine.hold("a", 0.0):
            pass
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait(10)
        with mine.hold("a", 5.0):
            pass


def test_what_is_kept_is_kept_by_one(tmp_path: Path) -> None:
    one, two = locks(tmp_path), locks(tmp_path)
    assert one.keep("leader")
    assert not two.keep("leader")
    assert two.keep("another")


def test_a_message_reaches_the_others_and_a_dead_socket_is_cleared_away(tmp_path: Path) -> None:
    root = tmp_path / ("deep" * 40)  # longer than a socket address may be
    heard: list[tuple[str, str]] = []
    arrived = threading.Event()

    def hear(kind: str, subject: str) -> None:
        heard.append((kind, subject))
        arrived.set()

    one, two = Instances(root, lambda *_: pytest.fail("one hears itself")), Instances(root, hear)
    folder = root / "instances"
    dead = _dead(folder)
    for instance in (one, two):
        instance.start()
    one.tell("let-go", "upload")
    assert arrived.wait(5)
    assert heard == [("let-go", "upload")]
    assert not dead.exists()
    for instance in (one, two):
        instance.close()
    assert list(folder.iterdir()) == []


def test_one_that_closes_leaves_the_others_reachable(tmp_path: Path) -> None:
    heard: list[str] = []
    arrived = threading.Event()

    def hear(_kind: str, subject: str) -> None:
        heard.append(subject)
        arrived.set()

    lower = os.open(os.devnull, os.O_RDONLY)
    one, two, three = (Instances(tmp_path, hearer) for hearer in (lambda *_: None, hear, lambda *_: None))
    for instance in (one, two, three):
        instance.start()
    one.close()
    os.close(lower)  # the next descriptor is this one: that of the folder stays unused, its addresses read as missing
    one.tell("let-go", "of one that is closed")
    assert len(list((tmp_path / "instances").iterdir())) == 2
    three.tell("let-go", "upload")
    assert arrived.wait(5)
    assert heard == ["upload"]
    for instance in (two, three):
        instance.close()


def _dead(folder: Path) -> Path:
    """The socket of an instance that was killed."""
    fd = os.open(folder, os.O_RDONLY)
    left = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind(f"/proc/self/fd/{fd}/1-dead")
    left.close()
    os.close(fd)
    return folder / "1-dead"


def test_a_request_throws_off_the_connection_another_instance_reads_from(tmp_path: Path) -> None:
    one = Holders(5.0, locks(tmp_path))
    two = Holders(5.0, locks(tmp_path), one.let_go)
    mine, peer = socket.socketpair()
    order: list[str] = []
    holding = threading.Event()

    def stale() -> None:
        with one.hold("u", mine):
            holding.set()
            assert mine.recv(10) == b""
            order.append("stale let go")

    thread = threading.Thread(target=stale)
    thread.start()
    assert holding.wait(5)
    with two.hold("u", None):
        order.append("later holds")
        with one.hold_if_free("u") as held:
            assert not held
        with one.hold_if_free("v") as held:
            assert held
    thread.join(5)
    assert order == ["stale let go", "later holds"]
    with one.hold_if_free("u") as held:
        assert held
    for end in (mine, peer):
        end.close()


def test_housekeeping_throws_nobody_off(tmp_path: Path) -> None:
    one, two = Holders(1.0, locks(tmp_path)), Holders(1.0, locks(tmp_path))
    mine, peer = socket.socketpair()
    with one.hold("u", mine):
        for holders in (one, two):
            with holders.hold_if_free("u") as held:
                assert not held
        peer.send(b"x")
        assert mine.recv(1) == b"x"
    for end in (mine, peer):
        end.close()


# --- a journal two instances append to --------------------------------------------------------------------------------


def line(number: int) -> bytes:
    """Enough of a JWS for ``jws.split``: header and payload are objects."""
    header = b64u(b'{"alg":"ES256","kid":"%s","typ":"event"}' % (b"k" * 43))
    payload = b64u(b'{"seq":%d}' % number)
    return f"{header}.{payload}.{'A' * 86}".encode()


def append(log: JournalLog, count: int) -> None:
    first = log.head.next_seq
    lines = [line(number) for number in range(first, first + count)]
    log.append(Head(first + count, sha256_b64u(lines[-1]), "k" * 43), lines)


@pytest.mark.parametrize("file_bytes", [1, 700, 1 << 20])
def test_what_another_instance_appended_is_caught_up_with(tmp_path: Path, file_bytes: int) -> None:
    one, two = JournalLog(tmp_path / "journal", file_bytes), JournalLog(tmp_path / "journal", file_bytes)
    for log in (one, two):
        assert log.open() == Head()
    for turn in range(12):
        mine, other = (one, two) if turn % 3 else (two, one)
        if not mine.current():
            mine.catch_up()
        append(mine, turn % 4 + 1)
        assert mine.current()
        assert not other.current()
        with_fresh_eyes = JournalLog(tmp_path / "journal", file_bytes).open()
        assert other.catch_up() == mine.head == with_fresh_eyes
        assert other.current()


def test_the_torn_line_of_a_killed_instance_is_cut(tmp_path: Path) -> None:
    one, two = JournalLog(tmp_path), JournalLog(tmp_path)
    one.open()
    append(one, 3)
    two.open()
    with (tmp_path / f"{0:012d}.jws").open("ab") as file:
        file.write(line(3)[:50])
    assert not two.current()
    assert two.catch_up() == one.head
    append(two, 1)
    assert one.catch_up().next_seq == 4

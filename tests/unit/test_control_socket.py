"""The control socket and its client over a real Unix socket; the main loop is a thread that answers."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recorder.unit import control_socket
from recorder.unit.control_client import ControlError, request
from recorder.unit.control_socket import MAX_LINE, MOST_CONNECTIONS, PASSED_FILE, ControlSocket, refusal
from recorder.unit.events import ControlRequest, UnitEvent


def standing() -> int:
    """A clock that stands still."""
    return 0


@dataclass
class Loop:
    """The main loop: takes requests until the test ends."""

    path: Path
    events: queue.Queue[UnitEvent | None]
    answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda message: {"ok": True, "echo": message}
    seen: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> None:
        while (event := self.events.get()) is not None:
            assert isinstance(event, ControlRequest)
            self.seen.append(event.message)
            event.reply(self.answer(event.message))

    def raw(self, data: bytes) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(10)
            connection.connect(str(self.path))
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = json.loads(connection.makefile("rb").readline())
            assert isinstance(answer, dict)
            return answer


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    events: queue.Queue[Any] = queue.Queue()
    path = tmp_path / "control.sock"
    server = ControlSocket(path, events, standing)
    running = Loop(path, events)
    thread = threading.Thread(target=running.run)
    thread.start()
    yield running
    events.put(None)
    thread.join(10)
    server.close()
    assert not path.exists()


def test_a_request_and_its_answer(loop: Loop) -> None:
    answer = request(loop.path, {"cmd": "mark", "kind": "出示证件"}, timeout_s=10)
    assert answer["ok"] and answer["echo"]["kind"] == "出示证件"
    assert loop.seen == [{"v": 1, "cmd": "mark", "kind": "出示证件"}]


def test_only_owner_and_group_may_speak(loop: Loop) -> None:
    assert stat.S_IMODE(loop.path.stat().st_mode) == 0o660


@pytest.mark.parametrize("uid", [None, 4711])
def test_who_asks_is_known(uid: int | None, tmp_path: Path) -> None:
    events: queue.Queue[Any] = queue.Queue()
    path = tmp_path / "control.sock"
    server = (
        ControlSocket(path, events, standing)
        if uid is None
        else ControlSocket(path, events, standing, lambda connection: uid)
    )
    asking = threading.Thread(target=request, args=(path, {"cmd": "status"}, 10))
    asking.start()
    event = events.get(timeout=10)
    event.reply({"ok": True})
    asking.join(10)
    server.close()
    assert event.peer_uid == (os.getuid() if uid is None else uid)


def test_a_refusal_reaches_the_caller_in_both_languages(loop: Loop) -> None:
    loop.answer = lambda message: refusal("not-recording", "没有在记录", "not recording")
    with pytest.raises(ControlError) as caught:
        request(loop.path, {"cmd": "stop"}, timeout_s=10)
    assert (caught.value.zh, caught.value.en) == ("没有在记录", "not recording")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}\n",
        b"not json\n",
        b'{"v":1}\n',
        b'{"v":2,"cmd":"x"}\n',
        b'{"v":1,"cmd":7}\n',
        b"[1]\n",
        b'{"v":1,"cmd":"x"}',
    ],
)
def test_bad_requests_are_answered_and_never_reach_the_main_loop(loop: Loop, data: bytes) -> None:
    answer = loop.raw(data)
    assert answer["ok"] is False and answer["error"]["code"] == "bad-request"
    assert answer["error"]["zh"] and answer["error"]["en"]
    assert loop.seen == []


@pytest.mark.parametrize("data", [b"\xff\xfe\n", b'{"v":1,"cmd":"\xff"}\n', b"[" * 50_000 + b"\n"])
def test_hostile_requests_are_answered_too(loop: Loop, data: bytes) -> None:
    assert loop.raw(data)["error"]["code"] == "bad-request"
    assert request(loop.path, {"cmd": "status"}, timeout_s=10)["ok"]


def test_an_endless_line_is_refused(loop: Loop) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(loop.path))
        connection.sendall(b"x" * MAX_LINE)
        assert json.loads(connection.makefile("rb").readline())["error"]["code"] == "bad-request"


def test_many_at_once(loop: Loop) -> None:
    answers: list[dict[str, Any]] = []
    threads = [
        threading.Thread(target=lambda n=n: answers.append(request(loop.path, {"cmd": "x", "n": n}, timeout_s=10)))
        for n in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(answer["echo"]["n"] for answer in answers) == list(range(20))


def test_one_user_cannot_use_up_the_units_threads_and_files(tmp_path: Path) -> None:
    events: queue.Queue[Any] = queue.Queue()
    path, uids = tmp_path / "control.sock", [4711] * (MOST_CONNECTIONS + 1)
    server = ControlSocket(path, events, standing, lambda connection: uids.pop() if uids else 0)
    before = threading.active_count()
    held = []
    for _ in range(MOST_CONNECTIONS):
        held.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        held[-1].connect(str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as refused:
        refused.settimeout(10)
        refused.connect(str(path))
        # Its answer says that all before it were taken: they are accepted in their order.
        answer = json.loads(refused.makefile("rb").readline())
    assert answer["error"]["code"] == "busy" and answer["error"]["zh"] and answer["error"]["en"]
    assert threading.active_count() <= before + MOST_CONNECTIONS
    asking = threading.Thread(target=request, args=(path, {"cmd": "status"}, 10))
    asking.start()
    event = events.get(timeout=10)
    event.reply({"ok": True})
    asking.join(10)
    assert event.peer_uid == 0, "root is served all the same"
    for connection in held:
        connection.close()
    server.close()


def test_one_who_left_makes_room_for_the_next(loop: Loop) -> None:
    for number in range(MOST_CONNECTIONS + 8):
        assert request(loop.path, {"cmd": "x", "n": number}, timeout_s=10)["ok"]


def test_a_request_that_trickles_in_is_given_up(tmp_path: Path) -> None:
    """Every look at the clock is four seconds later."""
    events: queue.Queue[Any] = queue.Queue()
    path, now_us = tmp_path / "control.sock", itertools.count(0, 4_000_000)
    server = ControlSocket(path, events, lambda: next(now_us))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(path))
        got = b"?"
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(50):
                connection.sendall(b" ")
                connection.settimeout(0.2)
                with contextlib.suppress(TimeoutError):
                    got = connection.recv(1)
                    break
            else:
                pytest.fail("still listening after fifty bytes")
        assert got in (b"", b"?")
    server.close()
    assert events.empty()


def test_a_main_loop_that_does_not_answer(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_socket, "ANSWER_TIMEOUT_S", 0.05)
    blocked = threading.Event()

    def slow(message: dict[str, Any]) -> dict[str, Any]:
        blocked.wait(10)
        return {"ok": True}

    loop.answer = slow
    with pytest.raises(ControlError, match="did not answer in time"):
        request(loop.path, {"cmd": "start"}, timeout_s=10)
    blocked.set()


def test_without_a_unit_the_client_says_so(tmp_path: Path) -> None:
    with pytest.raises(ControlError) as caught:
        request(tmp_path / "control.sock", {"cmd": "start"}, timeout_s=1)
    assert "无法连接" in caught.value.zh and "cannot reach" in caught.value.en


def test_an_answer_that_makes_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen(2)

        def serve() -> None:
            for reply in (b"garbage\n", b""):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1024)
                    connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(2):
            with pytest.raises(ControlError, match="cannot be read"):
                request(path, {"cmd": "x"}, timeout_s=10)
        thread.join(10)


def test_a_stale_socket_of_a_crashed_unit_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(path))
    ControlSocket(path, queue.Queue(), standing).close()


def test_an_open_file_comes_with_the_request(loop: Loop, tmp_path: Path) -> None:
    document = tmp_path / "document"
    document.write_bytes(b"the document")
    read: list[bytes] = []

    def answer(message: dict[str, Any]) -> dict[str, Any]:
        read.append(message[PASSED_FILE].read())
        return {"ok": True}

    loop.answer = answer
    with document.open("rb") as stream:
        request(loop.path, {"cmd": "statement-sign", "text": "x" * 40_000}, 10, stream)
    assert read == [b"the document"]
    (message,) = loop.seen
    assert len(message["text"]) == 40_000


def test_an_answer_that_is_there_already_is_read(tmp_path: Path) -> None:
    """The unit may have answered and hung up before the client goes on: nothing more is sent then."""
    path = tmp_path / "quick.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server, (tmp_path / "document").open("wb+") as stream:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            socket.recv_fds(connection, 1 << 16, 4)
            connection.sendall(b'{"v": 1, "ok": true}\n')
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        assert request(path, {"cmd": "x"}, 10, stream)["ok"]
        thread.join(10)


def test_no_json_can_pretend_to_be_a_file(loop: Loop) -> None:
    request(loop.path, {"cmd": "statement-sign", PASSED_FILE: "/etc/passwd"}, 10)
    assert PASSED_FILE not in loop.seen[0]


def test_a_file_is_closed_once_the_request_is_answered(loop: Loop, tmp_path: Path) -> None:
    kept: list[Any] = []

    def answer(message: dict[str, Any]) -> dict[str, Any]:
        kept.append(message.pop(PASSED_FILE))
        return {"ok": True}

    loop.answer = answer
    with (tmp_path / "document").open("wb+") as stream:
        request(loop.path, {"cmd": "x"}, 10, stream)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(loop.path))  # the server goes on
    wait_until_closed(kept[0])


def wait_until_closed(file: Any) -> None:
    gate = threading.Event()
    for _ in range(500):
        if file.closed:
            return
        gate.wait(0.01)
    raise AssertionError("the passed file is still open")

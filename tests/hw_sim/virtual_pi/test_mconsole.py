"""The management console's datagrams, against one that answers as the kernel does."""

from __future__ import annotations

import socket
import struct
import threading
from pathlib import Path

import pytest

from hw_sim.virtual_pi import mconsole
from hw_sim.virtual_pi.errors import VirtualPiError


class Console:
    """Answers each request with ``parts``; ``asked``: the commands."""

    def __init__(self, path: Path, parts: list[tuple[int, int, bytes]]) -> None:
        self.asked: list[str] = []
        self._parts = parts
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        request, asker = self._socket.recvfrom(4096)
        magic, version, length, data = struct.unpack("=III512s", request)
        assert (magic, version) == (0xCAFEBABE, 2)
        self.asked.append(data[:length].decode())
        for error, more, text in self._parts:
            self._socket.sendto(struct.pack("=iII", error, more, len(text) + 1) + text + b"\0", asker)

    def close(self) -> None:
        self._thread.join(10)
        self._socket.close()


@pytest.mark.parametrize(("parts", "said"), [([(0, 0, b"OK ")], "OK "), ([(0, 1, b"one "), (0, 0, b"two")], "one two")])
def test_a_command_and_its_answer(tmp_path: Path, parts: list[tuple[int, int, bytes]], said: str) -> None:
    console = Console(tmp_path / "mconsole", parts)
    try:
        assert mconsole.tell(tmp_path / "mconsole", "config ubdb=/盘.ext4") == said
    finally:
        console.close()
    assert console.asked == ["config ubdb=/盘.ext4"]


def test_a_refusal_is_an_error_with_its_reason(tmp_path: Path) -> None:
    console = Console(tmp_path / "mconsole", [(-1, 0, b"ERR Device is already configured")])
    try:
        with pytest.raises(VirtualPiError, match=r"config ubdb=x.*already configured"):
            mconsole.tell(tmp_path / "mconsole", "config ubdb=x")
    finally:
        console.close()


def test_nobody_there_nothing_said_and_too_much_asked(tmp_path: Path) -> None:
    with pytest.raises(VirtualPiError, match="mconsole"):
        mconsole.tell(tmp_path / "mconsole", "version")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        with pytest.raises(VirtualPiError, match="timed out"):
            mconsole.tell(tmp_path / "deaf", "version", timeout_s=0.05)
    with pytest.raises(VirtualPiError, match="too long"):
        mconsole.encode("x" * mconsole.MOST)
    with pytest.raises(VirtualPiError, match="only 3 bytes"):
        mconsole.decode(b"ERR")

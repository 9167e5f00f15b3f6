"""Memory of an upload does not depend on the size of the file."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recorder.uplink.tls_socket import use_tls_socket
from tests.uplink.pki import Pki
from tests.uplink.uplink_process import ROOT

MB = 1_000_000


class Sink:
    """A tus server that forgets: it has the first half of everything already, so the rest is read twice (its digest goes
    before it), and takes the second half."""

    def __init__(self, pki: Pki) -> None:
        self._context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._context.load_cert_chain(pki.server_cert, pki.server_key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.taken: list[int] = []
        self.checksums = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            raw, _ = self._listener.accept()
            with self._context.wrap_socket(raw, server_side=True) as link:
                self._serve(link)

    def _serve(self, link: ssl.SSLSocket) -> None:
        buffer = memoryview(bytearray(1 << 18))
        while head := self._head(link):
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            if head.startswith(b"POST"):
                half = int(fields[b"upload-length"]) // 2
                link.sendall(
                    b"HTTP/1.1 201 Created\r\nLocation: /uploads/x\r\nUpload-Offset: %d\r\nContent-Length: 0\r\n\r\n"
                    % half
                )
                continue
            left = length = int(fields[b"content-length"])
            self.checksums += b"upload-checksum" in fields
            while left:
                left -= link.recv_into(buffer[: min(left, len(buffer))])
            self.taken.append(length)
            end = int(fields[b"upload-offset"]) + length
            link.sendall(b"HTTP/1.1 204 No Content\r\nUpload-Offset: %d\r\n\r\n" % end)

    @staticmethod
    def _head(link: ssl.SSLSocket) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = link.recv(1)
            if not byte:
                return b""
            head += byte
        return head

    def close(self) -> None:
        self._listener.close()
        self._thread.join(5)


@pytest.fixture
def sink(pki: Pki) -> Iterator[Sink]:
    made = Sink(pki)
    yield made
    made.close()


def test_a_gigabyte_takes_no_more_memory_than_ten_megabytes(sink: Sink, pki: Pki, tmp_path: Path) -> None:
    """Sparse files: the disk is not what is looked at."""
    sizes = (10 * MB, 1000 * MB)
    files = []
    for size in sizes:
        path = tmp_path / f"{size}"
        with path.open("wb") as file:
            file.truncate(size)
        files.append(str(path))
    command = [sys.executable, "-W", "error", "-m", "tests.uplink.measure_memory", sink.url, str(pki.tls), *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    small_kb, large_kb = (int(line) for line in done.stdout.split())
    assert sink.taken == [size // 2 for size in sizes]
    assert sink.checksums == 2
    assert large_kb / small_kb < 1.05, f"{small_kb} kB for 10 MB, {large_kb} kB for 1000 MB"

"""Foreign tus servers behind the mutual TLS our client insists on."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from firmware_bridge.ports import Clock
from hw_sim.agency.objects.seaweed import HOST, SeaweedFS, program
from hw_sim.agency.processes import AgencyError, free_port, kill, wait_until
from recorder.uplink.tls_socket import use_tls_socket
from tests.support import require_program
from tests.uplink.pki import Pki

START_S = 30.0
ATTEMPTS = 4


class Foreign(Protocol):
    """``port`` (TLS) stays the same over ``kill`` and ``start``."""

    port: int

    def endpoint(self, name: str) -> str:
        """Where an upload of that name is created, below the server's URL."""

    def start(self) -> None: ...

    def kill(self) -> None:
        """SIGKILL."""

    def stop(self) -> None: ...

    def stored(self, name: str) -> bytes:
        """What the server holds of the upload of that name (a server without names has one upload only)."""


class TusNodeServer:
    """@tus/server with its file store, the reference implementation in TypeScript."""

    def __init__(self, node: Path, folder: Path, pki: Pki, clock: Clock) -> None:
        self._node = node
        self._folder = folder
        self._pki = pki
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        (folder / "files").mkdir()

    def endpoint(self, name: str) -> str:
        return "/uploads"

    def start(self) -> None:
        log = self._folder / "node.log"
        files = (self._pki.server_cert, self._pki.server_key, self._pki.ca)
        command = ["node", "server.mjs", str(self.port), str(self._folder / "files"), *map(str, files)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(command, cwd=self._node, stdout=output, stderr=subprocess.STDOUT)
        wait_until(lambda: b"ready" in log.read_bytes(), self._process, self._clock, START_S, "node", log)

    def kill(self) -> None:
        kill(self._process)

    def stop(self) -> None:
        self.kill()

    def stored(self, name: str) -> bytes:
        (file,) = [path for path in (self._folder / "files").iterdir() if path.suffix != ".json"]
        return file.read_bytes()


class SeaweedTus:
    """The tus endpoint of SeaweedFS's filer, which speaks plain HTTP: TLS ends in front of it."""

    def __init__(self, folder: Path, pki: Pki, clock: Clock) -> None:
        if program() is None:
            require_program("weed")
        self._folder = folder
        self._clock = clock
        self._weed = self._fresh(0)
        self._started = False
        self._front = TlsFront(pki, lambda: self._weed.ports.filer)
        self.port = self._front.port

    def _fresh(self, number: int) -> SeaweedFS:
        folder = self._folder / f"weed-{number}"
        folder.mkdir()
        return SeaweedFS(folder, self._clock, secured=False)

    def endpoint(self, name: str) -> str:
        return f"/.tus/evidence/{name}"

    def start(self) -> None:
        """A free port may be taken by somebody else before weed binds it: then once more with others."""
        for number in range(1, ATTEMPTS):
            try:
                self._weed.start()
            except AgencyError:
                if self._started or number == ATTEMPTS - 1:
                    raise
                self._weed.kill()
                self._weed = self._fresh(number)
            else:
                self._started = True
                return

    def kill(self) -> None:
        self._weed.kill()

    def stop(self) -> None:
        self._weed.kill()
        self._front.close()

    def stored(self, name: str) -> bytes:
        link = http.client.HTTPConnection(HOST, self._weed.ports.filer, timeout=20)
        link.request("GET", f"/evidence/{name}")
        response = link.getresponse()
        data = response.read()
        link.close()
        assert response.status == http.client.OK, (response.status, data[:200])
        return data


class TlsFront:
    """Ends TLS, asks for a certificate of the agency, passes the bytes on."""

    def __init__(self, pki: Pki, target_port: Callable[[], int]) -> None:
        self._target_port = target_port
        self._context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._context.load_cert_chain(pki.server_cert, pki.server_key)
        self._context.load_verify_locations(pki.ca)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server((HOST, 0))
        # Bounded, as a line's buffers are: what is under way when the server dies goes again.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            with (
                self._context.wrap_socket(raw, server_side=True) as link,
                socket.create_connection((HOST, self._target_port())) as server,
            ):
                back = threading.Thread(target=copy, args=(server, link), daemon=True)
                back.start()
                copy(link, server)
                back.join(20)
        except OSError:
            return  # no certificate, or nobody behind: the client is told by the closed connection


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass  # one of the two has gone; the other is told below
    for sock in (source, target):
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            continue  # gone already

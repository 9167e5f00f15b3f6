"""A scripted store on raw sockets with TLS: docs/wire.md plus every way a network or a server can misbehave.

Switches are lists consumed one per use, so a test says exactly what happens when. Not the real store of the simulator:
this one is there to misbehave.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import socketserver
import ssl
import struct
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from recorder.evidence import jws
from recorder.evidence.encoding import b64u, sha256_b64u
from recorder.uplink.tls_socket import use_tls_socket
from tests.uplink.pki import UNIT, Pki

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class Upload:
    location: str
    length: int
    metadata: dict[str, str]
    data: bytearray = field(default_factory=bytearray)
    complete: bool = False
    received: int = 0
    busy: threading.Lock = field(default_factory=threading.Lock)
    """Held while a PATCH is being received: whoever comes next sees all that arrived, as docs/wire.md asks."""


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]


class Drop(Exception):
    """Close the connection with a reset."""


class FakeStore:
    def __init__(self, pki: Pki, port: int = 0) -> None:
        self.pki = pki
        self.signer = pki.store_signer
        self.lock = threading.RLock()
        self.requests: list[Request] = []
        self.uploads: dict[str, Upload] = {}
        self.journal: dict[str, list[bytes]] = {}
        self.receipts: dict[str, dict[str, Any]] = {}
        # --- switches ---
        self.replies: list[tuple[str, str, Reply]] = []
        """(method, path prefix, reply): answered instead of doing anything, once each, in order."""
        self.drop_after: list[int] = []
        """Each PATCH takes one: reset after so many body bytes."""
        self.stall_after: list[int] = []
        """Each PATCH takes one: stop reading after so many bytes and hold the connection."""
        self.early: list[tuple[int, Reply]] = []
        """Each PATCH takes one: answer after so many body bytes without reading the rest."""
        self.lose: list[int] = []
        """At each interrupted PATCH: forget so many of the bytes already there, as after a power cut."""
        self.skew: list[int] = []
        """Each HEAD or POST /uploads takes one: added to the offset told."""
        self.drop_final_answer = 0
        """So many complete uploads get no answer."""
        self.corrupt = 0
        """So many uploads arrive with a flipped bit."""
        self.checksums = False
        """Whether it has tus's checksum extension: a PATCH that came whole is compared with its ``Upload-Checksum``."""
        self.silent_about_offset = False
        """A creation does not say the offset: tus does not ask for it."""
        self.objects_away = False
        """Its object store cannot be used: what is complete and named has no receipt yet."""
        self.on_body: Callable[[Upload], None] = lambda _upload: None
        self.released = threading.Event()
        context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.load_cert_chain(pki.server_cert, pki.server_key)
        context.load_verify_locations(pki.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self.context = context
        store = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                store.serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = int(self.server.server_address[1])
        # What the unit sends twice after a fault is its own send buffer plus what the path holds. Loopback grows its
        # receive buffers to megabytes, which no radio link does; bounded, the unit's share is what is measured.
        self.server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def __enter__(self) -> FakeStore:
        self.thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)

    # --- one connection ----------------------------------------------------------------------------------------------

    def serve(self, raw: socket.socket) -> None:
        raw.settimeout(20)
        try:
            connection = self.context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        except OSError:
            return
        with connection:
            try:
                try:
                    connection.do_handshake()
                except ssl.SSLError:
                    farewell(connection)
                    return
                while self._one(connection):
                    continue
            except (OSError, Drop):
                reset(connection)

    def _one(self, connection: ssl.SSLSocket) -> bool:
        head = b""
        while b"\r\n\r\n" not in head:
            block = connection.recv(4096)
            if not block:
                return False
            head += block
        top, _, rest = head.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        request = Request(method, path, headers)
        with self.lock:
            self.requests.append(request)
            scripted = next((r for r in self.replies if r[0] == method and path.startswith(r[1])), None)
            if scripted is not None:
                self.replies.remove(scripted)
        length = int(headers.get("content-length", "0"))
        if method == "PATCH" and scripted is None:
            return self._patch(connection, request, rest, length)
        body = rest
        while len(body) < length:
            block = connection.recv(65536)
            if not block:
                raise Drop
            body += block
        reply = scripted[2] if scripted is not None else self._answer(request, body)
        send(connection, reply)
        return True

    def _answer(self, request: Request, body: bytes) -> Reply:
        self._settle(request)
        with self.lock:
            if request.method == "POST" and request.path == "/uploads":
                return self._create(request)
            if request.method == "HEAD":
                return self._head(request)
            if request.path.startswith("/journals/") and request.path.endswith("/receipt"):
                return self._receipt_of(request.path.split("/")[4])
            if request.path.startswith("/journals/"):
                return self._journals(request, body)
        return problem(404, "urn:zfy:unknown")

    # --- tus ---------------------------------------------------------------------------------------------------------

    def _create(self, request: Request) -> Reply:
        pairs = (item.split(" ") for item in request.headers["upload-metadata"].split(","))
        metadata = {key: base64.b64decode(value).decode() for key, value in pairs}
        location = f"/uploads/{metadata['segment_id']}"
        upload = self.uploads.setdefault(location, Upload(location, int(request.headers["upload-length"]), metadata))
        offset = len(upload.data) + self._skew()
        headers = {"Location": location, "Upload-Offset": str(offset), "Tus-Resumable": "1.0.0"}
        if self.silent_about_offset:
            del headers["Upload-Offset"]
        return 201, headers, b""

    def _settle(self, request: Request) -> None:
        """Wait until the last PATCH of the upload concerned has taken in what was on its way."""
        for upload in list(self.uploads.values()):
            named = upload.location == request.path or request.path == "/uploads"
            if named and upload.busy.acquire(timeout=5):
                upload.busy.release()

    def _head(self, request: Request) -> Reply:
        upload = self.uploads.get(request.path)
        if upload is None:
            return 404, {}, b""
        offset = len(upload.data) + self._skew()
        return 200, {"Upload-Offset": str(offset), "Upload-Length": str(upload.length)}, b""

    def _skew(self) -> int:
        return self.skew.pop(0) if self.skew else 0

    def _patch(self, connection: ssl.SSLSocket, request: Request, rest: bytes, length: int) -> bool:
        with self.lock:
            upload = self.uploads.get(request.path)
            drop = self.drop_after.pop(0) if self.drop_after else None
            stall = self.stall_after.pop(0) if self.stall_after else None
            early = self.early.pop(0) if self.early else None
        if upload is None:
            send(connection, problem(404, "urn:zfy:unknown"))
            return False
        with upload.busy:
            reply, linger = self._receive(connection, upload, request, rest, length, (drop, stall, early))
        if reply is not None:
            send(connection, reply)
        if linger:
            self.released.wait(20)
            raise Drop
        return reply is not None and reply[0] == 204

    def _receive(
        self,
        connection: ssl.SSLSocket,
        upload: Upload,
        request: Request,
        rest: bytes,
        length: int,
        switches: tuple[int | None, int | None, tuple[int, Reply] | None],
    ) -> tuple[Reply | None, bool]:
        """(what to answer, whether to keep the connection open without reading on)."""
        drop, stall, early = switches
        offset = int(request.headers["upload-offset"])
        if offset != len(upload.data):
            return problem(409, "urn:zfy:offset", offset=len(upload.data)), False
        got = 0
        block = rest
        while True:
            with self.lock:
                upload.data += block
                upload.received += len(block)
            got += len(block)
            self.on_body(upload)
            if drop is not None and got >= drop:
                self._interrupted(upload)
                raise Drop
            if stall is not None and got >= stall:
                self._interrupted(upload)
                return None, True
            if early is not None and got >= early[0]:
                self._interrupted(upload)
                return early[1], True
            if got >= length:
                break
            block = connection.recv(65536)
            if not block:
                self._interrupted(upload)
                raise Drop
        with self.lock:
            reply = self._wrong_checksum(upload, request, offset) or self._finished(upload)
            if upload.complete and self.drop_final_answer:
                self.drop_final_answer -= 1
                raise Drop
        return reply, False

    def _wrong_checksum(self, upload: Upload, request: Request, offset: int) -> Reply | None:
        """460 and the offset as it was, when the PATCH says what it holds and holds something else."""
        said = request.headers.get("upload-checksum")
        if not self.checksums or said is None:
            return None
        algorithm, _, value = said.partition(" ")
        if self.corrupt:
            self.corrupt -= 1
            upload.data[-1] ^= 1
        if (algorithm, base64.b64decode(value)) == ("sha256", hashlib.sha256(upload.data[offset:]).digest()):
            return None
        del upload.data[offset:]
        return problem(460, "urn:zfy:checksum-mismatch", offset=offset)

    def _interrupted(self, upload: Upload) -> None:
        with self.lock:
            if self.lose:
                keep = max(0, len(upload.data) - self.lose.pop(0))
                del upload.data[keep:]

    def _finished(self, upload: Upload) -> Reply:
        if len(upload.data) < upload.length:
            return 204, {"Upload-Offset": str(len(upload.data))}, b""
        if self.corrupt:
            self.corrupt -= 1
            upload.data[0] ^= 1
        digest = b64u(hashlib.sha256(upload.data).digest())
        if digest != upload.metadata["sha256"]:
            upload.data.clear()
            return problem(460, "urn:zfy:digest-mismatch")
        upload.complete = True
        return 204, {"Upload-Offset": str(upload.length)}, b""

    # --- journal and receipts ----------------------------------------------------------------------------------------

    def _journals(self, request: Request, body: bytes) -> Reply:
        journal_id, _, query = request.path.removeprefix("/journals/").partition("?from=")
        lines = self.journal.get(journal_id)
        if request.method == "GET":
            return problem(404, "urn:zfy:no-journal") if lines is None else js(200, self._position(lines))
        lines = self.journal.setdefault(journal_id, [])
        start = int(query)
        if start > len(lines):
            return problem(409, "urn:zfy:journal-gap", next_seq=len(lines))
        for seq, line in enumerate(body.splitlines(keepends=True), start):
            if seq < len(lines):
                if lines[seq] != line:
                    return problem(409, "urn:zfy:journal-fork", seq=seq)
                continue
            if jws.split(line.decode().strip()).payload["seq"] != seq:
                return problem(422, "urn:zfy:journal-invalid", seq=seq, reason="seq")
            lines.append(line)
        covered = [upload for upload in self.uploads.values() if self._claimable(upload, lines)]
        return js(200, {**self._position(lines), "receipt": self.receipt(journal_id, covered)})

    def _position(self, lines: list[bytes]) -> dict[str, Any]:
        digest = sha256_b64u(lines[-1].strip()) if lines else ""
        return {"next_seq": len(lines), "head_seq": len(lines) - 1, "head_digest": digest}

    def _claimable(self, upload: Upload, lines: list[bytes]) -> bool:
        segment_id = upload.metadata["segment_id"]
        return (
            not self.objects_away
            and upload.complete
            and segment_id not in self.receipts
            and self._closed(segment_id, lines)
        )

    def _closed(self, segment_id: str, lines: list[bytes]) -> bool:
        parts = (jws.split(line.decode().strip()) for line in lines)
        return any(p.typ in ("segment-close", "recovery") and p.payload.get("segment_id") == segment_id for p in parts)

    def _receipt_of(self, segment_id: str) -> Reply:
        upload = self.uploads.get(f"/uploads/{segment_id}")
        if upload is None or not upload.complete:
            state = "unknown" if upload is None else "uploading"
            return problem(404, "urn:zfy:no-receipt", state=state)
        journal_id = upload.metadata["journal_id"]
        if not self._closed(segment_id, self.journal.get(journal_id, [])):
            return problem(404, "urn:zfy:no-receipt", state="awaiting-journal")
        if self.objects_away:
            return problem(404, "urn:zfy:no-receipt", state="awaiting-store")
        return 200, {"Content-Type": "application/jose"}, self.receipt(journal_id, [upload]).encode()

    def receipt(self, journal_id: str, uploads: list[Upload], **changes: Any) -> str:
        segments = [
            {
                "segment_id": upload.metadata["segment_id"],
                "session_id": upload.metadata["session_id"],
                "sha256": upload.metadata["sha256"],
                "size": upload.length,
                "object": upload.location,
                "version": "1",
                "lock_mode": "compliance",
                "retain_until": 4e9,
                "stored_at": 1.8e9,
            }
            for upload in uploads
        ]
        for segment in segments:
            self.receipts[str(segment["segment_id"])] = segment
        payload = {
            "ver": 1,
            "iss": "test store",
            "iat": 1.8e9,
            "jti": str(uuid.uuid4()),
            "unit_id": UNIT,
            "device_kid": "x" * 43,
            "journal_id": journal_id,
            "head_seq": max(0, len(self.journal.get(journal_id, [])) - 1),
            "head_digest": "x" * 43,
            "segments": segments,
            "tst": None,
            **changes,
        }
        return jws.sign("receipt", payload, self.signer)

    # --- what the tests look at --------------------------------------------------------------------------------------

    def count(self, method: str, prefix: str = "/") -> int:
        with self.lock:
            return sum(r.method == method and r.path.startswith(prefix) for r in self.requests)


def js(status: int, value: dict[str, Any]) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def problem(status: int, kind: str, **members: Any) -> Reply:
    value = {"type": kind, "title": kind, "title_zh": "测试", "status": status, **members}
    return status, {"Content-Type": "application/problem+json"}, json.dumps(value).encode()


def send(connection: ssl.SSLSocket, reply: Reply) -> None:
    status, headers, body = reply
    lines = [f"HTTP/1.1 {status} X", *(f"{key}: {value}" for key, value in headers.items())]
    if status != 204:
        lines.append(f"Content-Length: {len(body)}")
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def farewell(connection: ssl.SSLSocket) -> None:
    """Let the alert arrive: closing with unread bytes would send a reset that overtakes it."""
    socket.socket.shutdown(connection, socket.SHUT_WR)
    while socket.socket.recv(connection, 65536):
        continue


def reset(connection: ssl.SSLSocket) -> None:
    """Make the close that follows a reset, as a vanished peer's is."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        return  # gone already

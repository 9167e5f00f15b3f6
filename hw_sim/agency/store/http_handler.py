"""One HTTP connection: which request is meant, what of it is well-formed, and how the answer goes out (docs/wire.md)."""

from __future__ import annotations

import base64
import binascii
import io
import json
import logging
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

from hw_sim.agency.authority import is_unit_id
from hw_sim.agency.store.journals import MAX_BODY
from hw_sim.agency.store.problem import (
    BAD_REQUEST,
    FORBIDDEN,
    INTERNAL,
    LENGTH_REQUIRED,
    MEDIA_TYPE,
    METHOD,
    NOT_FOUND,
    TOO_LARGE,
    TUS_VERSION,
    Problem,
)
from hw_sim.agency.store.segments import Place, claim_of
from hw_sim.agency.store.tls import peer_name

if TYPE_CHECKING:
    from hw_sim.agency.store.http_server import IngestServer

log = logging.getLogger("agency.store")

TUS = "1.0.0"
SMALL_BODY = 64 * 1024
LINGER_BYTES = 8 << 20
LINGER_S = 2.0
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_JOURNAL = re.compile(rf"^/journals/({_UUID})$")
_RECEIPT = re.compile(rf"^/journals/({_UUID})/segments/({_UUID})/receipt$")
_UPLOAD = re.compile(r"^/uploads/([0-9a-f]{40})$")
_NUMBER = re.compile(r"^[0-9]{1,15}$")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``io_s``: without a byte within a request; ``idle_s``: between requests of one connection."""

    handshake_s: float = 10.0
    io_s: float = 20.0
    idle_s: float = 75.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class ConnectionEnded(Exception):
    """The client is gone in the middle of its request: there is nobody to answer."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "zfy-store"
    sys_version = ""
    disable_nagle_algorithm = True
    server: IngestServer

    def setup(self) -> None:
        super().setup()
        self._unit_id = peer_name(cast(ssl.SSLSocket, self.connection)) or ""
        self._left = 0

    def handle_one_request(self) -> None:
        self.connection.settimeout(self.server.timeouts.idle_s)
        self._left = 0
        try:
            super().handle_one_request()
        except ssl.SSLError as error:
            log.info("%s: %s", self._unit_id, error)
            self.close_connection = True

    # --- dispatch ----------------------------------------------------------------------------------------------------

    def do_GET(self) -> None:
        self._serve(self._get)

    def do_HEAD(self) -> None:
        self._serve(self._head)

    def do_POST(self) -> None:
        self._serve(self._post)

    def do_PATCH(self) -> None:
        self._serve(self._patch)

    def do_DELETE(self) -> None:
        self._serve(self._delete)

    def do_OPTIONS(self) -> None:
        self._serve(self._options)

    def _serve(self, handle: Callable[[str], Reply]) -> None:
        self.connection.settimeout(self.server.timeouts.io_s)
        try:
            reply = self._answered(handle)
        except (ConnectionEnded, ConnectionError, TimeoutError, ssl.SSLError) as error:
            log.info("%s %s %s: %s", self._unit_id, self.command, self.path, str(error) or type(error).__name__)
            self.close_connection = True
            return
        self._send(reply)

    def _answered(self, handle: Callable[[str], Reply]) -> Reply:
        try:
            self._left = self._content_length()
            told = self.server.admin.answer(self._unit_id, self.path) if self.command == "GET" else None
            if told is not None:
                return _json(200, told)
            if not is_unit_id(self._unit_id):
                raise Problem(FORBIDDEN, f"CN {self._unit_id!r}")
            return handle(urlsplit(self.path).path)
        except Problem as problem:
            log.info("%s %s %s: %s", self._unit_id, self.command, self.path, problem)
            return _problem(problem)
        except (ConnectionEnded, ConnectionError, TimeoutError, ssl.SSLError):
            raise
        except Exception as error:
            log.exception("%s %s %s", self._unit_id, self.command, self.path)
            return _problem(Problem(INTERNAL, type(error).__name__))

    # --- resources ---------------------------------------------------------------------------------------------------

    def _get(self, path: str) -> Reply:
        if match := _JOURNAL.match(path):
            return _json(200, self.server.journals.position(self._unit_id, match[1]))
        if match := _RECEIPT.match(path):
            jws = self.server.segments.receipt(self._unit_id, match[1], match[2])
            return Reply(200, {"Content-Type": "application/jose"}, jws.encode("ascii"))
        raise Problem(NOT_FOUND, path)

    def _post(self, path: str) -> Reply:
        if match := _JOURNAL.match(path):
            return self._post_lines(match[1])
        if path == "/uploads":
            return self._create()
        raise Problem(NOT_FOUND, path)

    def _post_lines(self, journal_id: str) -> Reply:
        if self.headers.get_content_type() != "application/jose":
            raise Problem(MEDIA_TYPE, "application/jose")
        from_seq = parse_qs(urlsplit(self.path).query).get("from", [""])[0]
        if not _NUMBER.match(from_seq):
            raise Problem(BAD_REQUEST, f"from={from_seq!r}: 不是序号 not a sequence number")
        if self._left > MAX_BODY:
            raise Problem(TOO_LARGE, f"{self._left} > {MAX_BODY}")
        body = self._body()
        return _json(200, self.server.journals.post(self._unit_id, journal_id, int(from_seq), body))

    def _create(self) -> Reply:
        self._require_tus()
        length = self.headers.get("Upload-Length", "")
        if not _NUMBER.match(length):
            raise Problem(BAD_REQUEST, f"Upload-Length {length!r}")
        if self._left:
            raise Problem(BAD_REQUEST, "creation-with-upload is not offered: PATCH the bytes")
        claim = claim_of(_metadata(self.headers.get("Upload-Metadata", "")), int(length))
        place = self.server.segments.create(self._unit_id, claim, self.connection)
        return Reply(201, {"Location": f"/uploads/{place.upload_id}", **_tus(place)})

    def _head(self, path: str) -> Reply:
        self._require_tus()
        place = self.server.segments.head(self._unit_id, self._upload(path), self.connection)
        return Reply(200, {**_tus(place), "Cache-Control": "no-store"})

    def _patch(self, path: str) -> Reply:
        self._require_tus()
        upload_id = self._upload(path)
        if self.headers.get_content_type() != "application/offset+octet-stream":
            raise Problem(MEDIA_TYPE, "application/offset+octet-stream")
        offset = self.headers.get("Upload-Offset", "")
        if not _NUMBER.match(offset):
            raise Problem(BAD_REQUEST, f"Upload-Offset {offset!r}")
        if "Content-Length" not in self.headers:
            raise Problem(LENGTH_REQUIRED)
        place = self.server.segments.patch(
            self._unit_id, upload_id, int(offset), self._left, self._read, self.connection
        )
        if place is None:
            raise ConnectionEnded("ended in the middle of a PATCH")
        return Reply(204, _tus(place))

    def _delete(self, path: str) -> Reply:
        self._require_tus()
        self.server.segments.terminate(self._unit_id, self._upload(path), self.connection)
        return Reply(204, {"Tus-Resumable": TUS})

    def _options(self, path: str) -> Reply:
        if path != "/uploads":
            raise Problem(METHOD, path)
        return Reply(
            204, {"Tus-Version": TUS, "Tus-Resumable": TUS, "Tus-Extension": "creation,expiration,termination"}
        )

    # --- reading -----------------------------------------------------------------------------------------------------

    def _content_length(self) -> int:
        if "Transfer-Encoding" in self.headers:
            raise Problem(LENGTH_REQUIRED, "Transfer-Encoding is not taken")
        text = self.headers.get("Content-Length", "0")
        if not _NUMBER.match(text):
            raise Problem(BAD_REQUEST, f"Content-Length {text!r}")
        return int(text)

    def _require_tus(self) -> None:
        if self.headers.get("Tus-Resumable") != TUS:
            raise Problem(TUS_VERSION, headers={"Tus-Version": TUS})

    def _upload(self, path: str) -> str:
        match = _UPLOAD.match(path)
        if match is None:
            raise Problem(NOT_FOUND, path)
        return match[1]

    def _read(self, buffer: memoryview) -> int:
        """Some bytes of the body; 0 when the client is gone, silent for too long, or thrown off by a later request."""
        try:
            count = cast(io.BufferedReader, self.rfile).readinto1(buffer)
        except (OSError, ssl.SSLError) as error:
            log.info("%s: %s", self._unit_id, error)
            return 0
        self._left -= count
        return count

    def _body(self) -> bytes:
        data = bytearray(self._left)
        view = memoryview(data)
        while view:
            count = self._read(view)
            if count == 0:
                raise ConnectionEnded("ended in the middle of its body")
            view = view[count:]
        return bytes(data)

    # --- answering ---------------------------------------------------------------------------------------------------

    def _send(self, reply: Reply, *, unread: bool = False) -> None:
        """``unread``: there may be a body nobody knows the length of."""
        if 0 < self._left <= SMALL_BODY:
            self._body()
        early = unread or self._left > 0
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        if early:
            self.send_header("Connection", "close")
        self.end_headers()
        if reply.body and self.command != "HEAD":
            self.wfile.write(reply.body)
        if early:
            self._linger()

    def _linger(self) -> None:
        """Read on for a moment: closing with unread bytes resets the connection and may destroy the answer on its way."""
        self.close_connection = True
        socket.socket.shutdown(self.connection, socket.SHUT_WR)
        self.connection.settimeout(LINGER_S)
        deadline = self.server.clock.boottime_us() + round(LINGER_S * 1e6)
        buffer = memoryview(bytearray(SMALL_BODY))
        total = 0
        while total < LINGER_BYTES and self.server.clock.boottime_us() < deadline:
            count = self._read(buffer)
            if count == 0:
                return
            total += count

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What ``http.server`` finds malformed before we see it, in our form."""
        self.close_connection = True
        kind = METHOD if code == 501 else BAD_REQUEST
        self._send(_problem(Problem(kind, message or str(code))), unread=True)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s %s", self._unit_id, format % args)


def _tus(place: Place) -> dict[str, str]:
    headers = {"Tus-Resumable": TUS, "Upload-Offset": str(place.offset), "Upload-Length": str(place.size)}
    if place.expires_at is not None:
        headers["Upload-Expires"] = formatdate(place.expires_at, usegmt=True)
    return headers


def _metadata(text: str) -> dict[str, str]:
    """``key base64,key base64`` (tus creation). Raises Problem."""
    found: dict[str, str] = {}
    for pair in filter(None, (piece.strip() for piece in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Problem(BAD_REQUEST, f"Upload-Metadata {key}: {error}") from error
    return found


def _json(status: int, value: dict[str, Any], content_type: str = "application/json") -> Reply:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Reply(status, {"Content-Type": content_type}, body)


def _problem(problem: Problem) -> Reply:
    reply = _json(problem.kind.status, problem.body(), "application/problem+json")
    return Reply(reply.status, {"Tus-Resumable": TUS, **reply.headers, **problem.headers}, reply.body)

"""tus 1.0.0 over HTTP: creation, checksum, expiration, termination (docs/wire.md, Segments)."""

from __future__ import annotations

import base64
import binascii
import re
from email.utils import formatdate

from hw_sim.agency.store.problem import BAD_REQUEST, LENGTH_REQUIRED, MEDIA_TYPE, TUS_VERSION, Problem
from hw_sim.agency.store.quota import Gate
from hw_sim.agency.store.routes import NUMBER, Exchange, Reply, Route, route
from hw_sim.agency.store.segments import Gone, Place, SegmentDesk, claim_of
from hw_sim.agency.store.statements import repr_digest

TUS = "1.0.0"
EXTENSIONS = "creation,checksum,expiration,termination"
_LOCATION = r"/uploads/([0-9a-f]{40})"


class UploadRoutes:
    """``gate``: how many of these requests one unit may have under way at once."""

    def __init__(self, segments: SegmentDesk, gate: Gate) -> None:
        self._segments = segments
        self._gate = gate

    def routes(self) -> tuple[Route, ...]:
        return (
            route("OPTIONS", r"/uploads(?:/[0-9a-f]{40})?", self._options),
            route("POST", r"/uploads", self._create),
            route("HEAD", _LOCATION, self._head),
            route("PATCH", _LOCATION, self._patch),
            route("DELETE", _LOCATION, self._delete),
        )

    def _options(self, _exchange: Exchange, _match: re.Match[str]) -> Reply:
        headers = {
            "Tus-Resumable": TUS,
            "Tus-Version": TUS,
            "Tus-Extension": EXTENSIONS,
            "Tus-Checksum-Algorithm": "sha256",
            "Tus-Max-Size": str(self._segments.max_size),
        }
        return Reply(204, headers)

    def _create(self, exchange: Exchange, _match: re.Match[str]) -> Reply:
        _require_tus(exchange)
        length = exchange.headers.get("Upload-Length", "")
        if not NUMBER.match(length):
            raise Problem(BAD_REQUEST, f"Upload-Length {length!r}")
        if exchange.left:
            raise Problem(BAD_REQUEST, "creation-with-upload is not offered: PATCH the bytes")
        claim = claim_of(metadata(exchange.headers.get("Upload-Metadata", "")), int(length))
        said = exchange.headers.get("Repr-Digest")
        if said is not None and repr_digest(said) != claim.sha256:
            raise Problem(BAD_REQUEST, "Repr-Digest 与 sha256 不符 is not the sha256 of Upload-Metadata")
        with self._gate.enter(exchange.peer):
            place = self._segments.create(exchange.peer, claim, exchange.connection)
        return Reply(201, {"Location": f"/uploads/{place.upload_id}", **_tus(place)})

    def _head(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        _require_tus(exchange)
        with self._gate.enter(exchange.peer):
            place = self._segments.head(exchange.peer, match[1], exchange.connection)
        return Reply(200, {**_tus(place), "Cache-Control": "no-store"})

    def _patch(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        _require_tus(exchange)
        headers = exchange.headers
        if headers.get_content_type() != "application/offset+octet-stream":
            raise Problem(MEDIA_TYPE, "application/offset+octet-stream")
        offset = headers.get("Upload-Offset", "")
        if not NUMBER.match(offset):
            raise Problem(BAD_REQUEST, f"Upload-Offset {offset!r}")
        if "Content-Length" not in headers:
            raise Problem(LENGTH_REQUIRED)
        expected = checksum(headers.get("Upload-Checksum"))
        with self._gate.enter(exchange.peer):
            place = self._segments.patch(
                exchange.peer, match[1], int(offset), exchange.left, exchange.read, exchange.connection, expected
            )
        if place is None:
            raise Gone("ended in the middle of a PATCH")
        return Reply(204, _tus(place))

    def _delete(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        _require_tus(exchange)
        with self._gate.enter(exchange.peer):
            self._segments.terminate(exchange.peer, match[1], exchange.connection)
        return Reply(204, {"Tus-Resumable": TUS})


def _require_tus(exchange: Exchange) -> None:
    if exchange.headers.get("Tus-Resumable") != TUS:
        raise Problem(TUS_VERSION, headers={"Tus-Version": TUS})


def _tus(place: Place) -> dict[str, str]:
    headers = {"Tus-Resumable": TUS, "Upload-Offset": str(place.offset), "Upload-Length": str(place.size)}
    if place.expires_at is not None:
        headers["Upload-Expires"] = formatdate(place.expires_at, usegmt=True)
    return headers


def metadata(text: str) -> dict[str, str]:
    """``key base64,key base64`` (tus creation). Raises Problem."""
    found: dict[str, str] = {}
    for pair in filter(None, (piece.strip() for piece in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value.strip(), validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Problem(BAD_REQUEST, f"Upload-Metadata {key}: {error}") from error
    return found


def checksum(text: str | None) -> bytes | None:
    """``Upload-Checksum: sha256 <base64>`` (tus checksum) as 32 bytes; None without the header. Raises Problem 400, which
    is also what tus wants for an algorithm the server does not know."""
    if text is None:
        return None
    algorithm, _, value = text.strip().partition(" ")
    if algorithm != "sha256":
        raise Problem(BAD_REQUEST, f"Upload-Checksum {algorithm!r}: sha256 only")
    try:
        digest = base64.b64decode(value.strip(), validate=True)
    except binascii.Error as error:
        raise Problem(BAD_REQUEST, f"Upload-Checksum: {error}") from error
    if len(digest) != 32:
        raise Problem(BAD_REQUEST, f"Upload-Checksum: {len(digest)} bytes are no SHA-256")
    return digest

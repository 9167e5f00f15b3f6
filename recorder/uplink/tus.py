"""Resumable upload of one segment: tus 1.0 (creation, checksum) as docs/wire.md fixes it. The offset is the server's.

One PATCH to the end of the file. After any doubt a HEAD asks where the store is; as long as the store gains at least one
block between two faults the upload goes on at once, otherwise the scheduler backs off.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

from recorder.evidence.encoding import unb64u
from recorder.uplink.answers import fault_of, members, offset_of, says_digest_conflict, whole_number
from recorder.uplink.checksum import repr_digest, upload_checksum, worth_reading_twice
from recorder.uplink.facts import Segment
from recorder.uplink.faults import (
    NO_PROGRESS,
    OFFSET_CONFLICT,
    PROTOCOL,
    SEGMENT_SIZE,
    SEGMENT_UNREADABLE,
    LinkFault,
    UplinkFault,
)
from recorder.uplink.http import Answer, StoreClient, parse_store_url
from recorder.uplink.sending import BLOCK

TUS = {"Tus-Resumable": "1.0.0"}
MAX_CONFLICTS = 3


class Outcome(Enum):
    COMPLETE = "complete"
    """The store says it has all bytes. Still not stored evidence: the receipt decides."""
    GONE = "gone"
    """The store no longer knows the upload: it may be complete, so ask for the receipt before creating it again."""


class TusUploader:
    """``progressed`` is called whenever the store has gained bytes. ``endpoint``: where uploads are created, below
    the store URL."""

    def __init__(
        self, client: StoreClient, store_url: str, progressed: Callable[[], None], endpoint: str = "/uploads"
    ) -> None:
        self._client = client
        self._store_url = store_url
        self._progressed = progressed
        self._endpoint = endpoint
        self._unfinished: tuple[Segment, str] | None = None
        """What a link fault left, and where. Our store gives a repeated creation the same upload; others make a new one."""

    def upload(
        self,
        segment: Segment,
        path: Path,
        between_blocks: Callable[[], None],
        priority: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Send what the store lacks. ``path`` must hold exactly ``segment.size`` bytes. ``priority``: header fields of the
        requests that cost the store something (RFC 9218).

        Raises UplinkFault (every refusal has its own name), LinkFault after a fault without progress, Stopped.
        """
        first = dict(priority or {})
        location, created_at = self._begin(segment, first)
        if created_at is None:
            return Outcome.GONE
        offset, gained = created_at, None
        conflicts = 0
        while offset < segment.size:
            started_at = offset
            try:
                answer = self._patch(location, offset, gained, segment, path, between_blocks, first)
            except LinkFault as fault:
                self._unfinished = (segment, location)
                found = self._head(location, segment)
                if found is None:
                    self._unfinished = None
                    return Outcome.GONE
                offset, gained = found, max(0, found - started_at)
                if offset < segment.size and offset - started_at < BLOCK:
                    raise fault
                self._progressed()
                continue
            if answer.status in (404, 410):
                return Outcome.GONE
            if answer.status == 409 and not says_digest_conflict(answer):
                conflicts += 1
                if conflicts > MAX_CONFLICTS:
                    raise UplinkFault(OFFSET_CONFLICT, f"ours {offset}", subject=segment.segment_id)
                told = whole_number(members(answer).get("offset"))
                found = told if told is not None else self._head(location, segment)
                if found is None:
                    return Outcome.GONE
                offset = self._plausible(found, segment)
                continue
            if answer.status != 204:
                raise fault_of(answer, segment.segment_id)
            offset = self._plausible(offset_of(answer), segment)
            if offset <= started_at:
                raise UplinkFault(NO_PROGRESS, f"204 at {offset}", subject=segment.segment_id)
            self._progressed()
        self._unfinished = None
        return Outcome.COMPLETE

    def _begin(self, segment: Segment, priority: dict[str, str]) -> tuple[str, int | None]:
        """(location, offset): of the upload a link fault interrupted here, else of a creation. None: it is gone."""
        if self._unfinished is not None and self._unfinished[0] == segment:
            location = self._unfinished[1]
            offset = self._head(location, segment)
            if offset is None:
                self._unfinished = None
            return location, offset
        self._unfinished = None
        return self._create(segment, priority)

    def _create(self, segment: Segment, priority: dict[str, str]) -> tuple[str, int | None]:
        """(location, offset). A repeat finds the upload there is. The offset is in the answer by our contract; a tus server
        that does not say it (the standard does not ask for it) is asked: None when it does not know its own upload."""
        metadata = {
            "journal_id": segment.journal_id,
            "session_id": segment.session_id,
            "segment_id": segment.segment_id,
            "sha256": segment.sha256,
        }
        encoded = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())
        headers = {
            **TUS,
            **priority,
            "Upload-Length": str(segment.size),
            "Upload-Metadata": encoded,
            "Repr-Digest": repr_digest(segment.sha256),
            "Content-Length": "0",
        }
        answer = self._client.request("POST", self._endpoint, headers)
        if answer.status not in (200, 201):
            raise fault_of(answer, segment.segment_id)
        location = self._location(answer.headers.get("location", ""))
        if "upload-offset" not in answer.headers:
            return location, self._head(location, segment)
        return location, self._plausible(offset_of(answer), segment)

    def _location(self, value: str) -> str:
        """Path of the upload below the store URL. Whatever host it names, only the configured store is talked to."""
        parts = urlsplit(value)
        prefix = parse_store_url(self._store_url).path
        if not parts.path.startswith(f"{prefix}/"):
            raise UplinkFault(PROTOCOL, f"Location {value[:100]!r}")
        return parts.path[len(prefix) :] + (f"?{parts.query}" if parts.query else "")

    def _patch(
        self,
        location: str,
        offset: int,
        gained: int | None,
        segment: Segment,
        path: Path,
        between_blocks: Callable[[], None],
        priority: dict[str, str],
    ) -> Answer:
        headers = {
            **TUS,
            **priority,
            "Content-Type": "application/offset+octet-stream",
            "Upload-Offset": str(offset),
        }
        rest = segment.size - offset
        with path.open("rb", buffering=0) as file:
            if offset == 0:
                headers["Upload-Checksum"] = upload_checksum(unb64u(segment.sha256))
            elif worth_reading_twice(rest, gained):
                headers["Upload-Checksum"] = upload_checksum(_digest_of_rest(file, offset, rest, between_blocks))
            file.seek(offset)
            return self._client.send_file("PATCH", location, headers, file, rest, between_blocks)

    def _head(self, location: str, segment: Segment) -> int | None:
        """The offset the store confirms; None when it does not know the upload."""
        answer = self._client.request("HEAD", location, TUS)
        if answer.status in (404, 410):
            return None
        if answer.status not in (200, 204):
            raise fault_of(answer, segment.segment_id)
        return self._plausible(offset_of(answer), segment)

    @staticmethod
    def _plausible(offset: int, segment: Segment) -> int:
        if offset > segment.size:
            raise UplinkFault(PROTOCOL, f"offset {offset} beyond size {segment.size}", subject=segment.segment_id)
        return offset


def _digest_of_rest(file: io.FileIO, offset: int, rest: int, between_blocks: Callable[[], None]) -> bytes:
    """SHA-256 of what a resumed PATCH is about to send."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(BLOCK))
    file.seek(offset)
    while rest > 0:
        try:
            count = file.readinto(buffer[: min(BLOCK, rest)])
        except OSError as error:
            raise UplinkFault(SEGMENT_UNREADABLE, f"{file.name}: {error}") from error
        if not count:
            raise UplinkFault(SEGMENT_SIZE, f"{file.name}: {rest} 字节缺失 bytes missing")
        digest.update(buffer[:count])
        rest -= count
        between_blocks()
    return digest.digest()

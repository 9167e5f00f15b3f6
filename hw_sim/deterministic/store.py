"""The agency's store in memory: its real rules for journals, its real receipts, and tus 1.0 as docs/wire.md fixes it."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from cryptography import x509

from hw_sim.agency.store.journal_rules import (
    Accepted,
    DeviceKey,
    Head,
    KeyRefused,
    Keys,
    Refusal,
    judge,
    split_body,
)
from hw_sim.deterministic.clocks import TrueClock
from hw_sim.deterministic.signing import StoreKey
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.jws import Parts, Signer
from recorder.evidence.records import Receipt, Recovery, SegmentClose, SegmentOpen, StoredSegment
from recorder.evidence.trust import Trust, judge_chain, key_id, leaf_key, parse_x5c
from recorder.uplink.http import Answer

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Named:
    """What the journal says of a finished segment."""

    session_id: str
    segment_id: str
    sha256: str
    size: int


@dataclass(slots=True)
class _Upload:
    segment_id: str
    sha256: str
    size: int
    data: bytes = b""
    """Most come in one request: then this is its body, and no copy."""


class SimulatedStore:
    """``answer`` takes one whole request. Everything it keeps is durable: its own failures are another test's matter."""

    def __init__(self, unit_id: str, authority: x509.Certificate, signer: Signer, clock: TrueClock, rnd: random.Random):
        self.unit_id = unit_id
        self.busy = False
        self.journal_id: str | None = None
        self.lines: list[bytes] = []
        self.objects: dict[str, bytes] = {}
        self.named: dict[str, Named] = {}
        self.receipts: list[tuple[Receipt, str]] = []
        self.refusals: list[Refusal] = []
        self._covered: dict[str, str] = {}
        self._trust = Trust((authority,))
        self._signer = signer
        self._clock = clock
        self._rnd = rnd
        self._head = Head()
        self._devices: dict[str, DeviceKey] = {}
        self._uploads: dict[str, _Upload] = {}
        self._suffix: dict[str, str] = {}

    def covers(self, segment_id: str, sha256: str, size: int) -> bool:
        """It holds exactly these bytes and has said so."""
        held = self.objects.get(segment_id)
        return segment_id in self._covered and held is not None and len(held) == size and sha256_b64u(held) == sha256

    # --- requests ----------------------------------------------------------------------------------------------------

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self.busy:
            return _problem(503, "urn:zfy:unavailable", {"retry-after": "2"})
        parts = urlsplit(target)
        names = parts.path.strip("/").split("/")
        match (method, names):
            case ("GET", ["journals", _]):
                return self._position()
            case ("POST", ["journals", journal_id]):
                return self._post(journal_id, int(parse_qs(parts.query)["from"][0]), body)
            case ("GET", ["journals", _, "segments", segment_id, "receipt"]):
                return self._receipt_of(segment_id)
            case ("POST", ["uploads"]):
                return self._create(headers)
            case ("HEAD", ["uploads", upload_id]):
                return self._offset(upload_id)
            case ("PATCH", ["uploads", upload_id]):
                return self._patch(upload_id, int(headers["Upload-Offset"]), body)
        return _problem(404, "urn:zfy:not-found")

    # --- the journal -------------------------------------------------------------------------------------------------

    def _position(self) -> Answer:
        if not self.lines:
            return _problem(404, "urn:zfy:not-found")
        return _json(200, {"next_seq": self._head.next_seq})

    def _post(self, journal_id: str, from_seq: int, body: bytes) -> Answer:
        if from_seq > self._head.next_seq:
            return _problem(409, "urn:zfy:journal-gap", next_seq=self._head.next_seq)
        keys = Keys(self._devices.get, self._devices.get, self._introduce)
        stored = iter(self.lines[from_seq:])
        judgement = judge(self.unit_id, journal_id, self._head, from_seq, split_body(body), stored, keys)
        for key in judgement.new_keys:
            self._devices[key.kid] = key
        placed = [named for item in judgement.accepted if (named := self._take(item)) is not None]
        if judgement.accepted:
            self.journal_id = journal_id
        if judgement.refusal is not None:
            self.refusals.append(judgement.refusal)
            kind = "fork" if judgement.refusal.kind == "fork" else "invalid"
            status = 409 if kind == "fork" else 422
            return _problem(
                status, f"urn:zfy:journal-{kind}", seq=judgement.refusal.seq, reason=judgement.refusal.reason
            )
        return _json(200, {"next_seq": self._head.next_seq, "receipt": self._issue(placed)})

    def _introduce(self, parts: Parts) -> DeviceKey:
        chain = parse_x5c(parts.payload.get("x5c"))
        public = leaf_key(chain)
        if public is None or key_id(public) != parts.kid:
            raise KeyRefused("x5c does not begin with the certificate of the signing key")
        verdict = judge_chain(chain, self.unit_id, self._trust)
        if not verdict.trusted:
            raise KeyRefused(verdict.en)
        return DeviceKey(parts.kid, StoreKey(public), chain)

    def _take(self, item: Accepted) -> Named | None:
        """Store a line; the segment it names, when its bytes are here already."""
        self.lines.append(item.line)
        self._head = Head(item.seq + 1, item.digest, item.kid)
        record = item.record
        if isinstance(record, SegmentOpen):
            self._suffix[record.segment_id] = ".mp4" if record.encryption.format == "none" else ".mp4.age"
        named: Named | None = None
        if isinstance(record, SegmentClose):
            named = Named(record.session_id, record.segment_id, record.sha256, record.size)
        elif isinstance(record, Recovery) and record.outcome == "kept" and record.segment_id and record.sha256:
            named = Named(record.session_id or "", record.segment_id, record.sha256, record.kept_bytes)
        if named is None or named.segment_id in self.named:
            return None
        self.named[named.segment_id] = named
        return self._place(named)

    def _place(self, named: Named) -> Named | None:
        if named.segment_id in self.objects:
            return None
        for upload in self._uploads.values():
            whole = (upload.segment_id, upload.sha256, upload.size) == (named.segment_id, named.sha256, named.size)
            if whole and len(upload.data) == upload.size:
                self.objects[named.segment_id] = upload.data
                return named
        return None

    # --- receipts ----------------------------------------------------------------------------------------------------

    def _issue(self, placed: list[Named]) -> str:
        assert self._head.digest is not None and self._head.kid is not None and self.journal_id is not None
        last = self.receipts[-1] if self.receipts else None
        if not placed and last is not None and last[0].head_seq == self._head.next_seq - 1:
            return last[1]
        now = round(self._clock.wall_us() / 1e6, 3)
        receipt = Receipt(
            ver=1,
            iss="simulated-store",
            iat=now,
            jti=str(UUID(int=self._rnd.getrandbits(128), version=4)),
            unit_id=self.unit_id,
            device_kid=self._head.kid,
            journal_id=self.journal_id,
            head_seq=self._head.next_seq - 1,
            head_digest=self._head.digest,
            segments=tuple(self._stored(named, now) for named in placed),
        )
        text = jws.sign("receipt", receipt.model_dump(mode="json"), self._signer)
        self.receipts.append((receipt, text))
        for named in placed:
            self._covered[named.segment_id] = text
        return text

    @staticmethod
    def _stored(named: Named, now: float) -> StoredSegment:
        return StoredSegment(
            segment_id=named.segment_id,
            session_id=named.session_id,
            sha256=named.sha256,
            size=named.size,
            object=f"segments/{named.session_id}/{named.segment_id}",
            version="1",
            lock_mode="compliance",
            retain_until=now + 30 * DAY_S,
            stored_at=now,
        )

    def _receipt_of(self, segment_id: str) -> Answer:
        self._settle(segment_id)
        text = self._covered.get(segment_id)
        if text is not None:
            return Answer(200, {}, text.encode("ascii"))
        uploads = [upload for upload in self._uploads.values() if upload.segment_id == segment_id]
        whole = any(len(upload.data) == upload.size for upload in uploads)
        state = "awaiting-journal" if whole else "uploading" if uploads else "unknown"
        return _problem(404, "urn:zfy:no-receipt", state=state)

    def _settle(self, segment_id: str) -> None:
        named = self.named.get(segment_id)
        if named is not None and self._place(named) is not None:
            self._issue([named])

    # --- uploads -----------------------------------------------------------------------------------------------------

    def _create(self, headers: Mapping[str, str]) -> Answer:
        said = dict(pair.split(" ") for pair in headers["Upload-Metadata"].split(","))
        values = {key: base64.b64decode(value).decode() for key, value in said.items()}
        upload_id = f"{values['segment_id']}.{values['sha256']}"
        size = int(headers["Upload-Length"])
        upload = self._uploads.setdefault(upload_id, _Upload(values["segment_id"], values["sha256"], size))
        return Answer(201, {"location": f"/uploads/{upload_id}", "upload-offset": str(len(upload.data))}, b"")

    def _offset(self, upload_id: str) -> Answer:
        upload = self._uploads.get(upload_id)
        if upload is None:
            return _problem(404, "urn:zfy:not-found")
        return Answer(200, {"upload-offset": str(len(upload.data))}, b"")

    def _patch(self, upload_id: str, offset: int, body: bytes) -> Answer:
        upload = self._uploads.get(upload_id)
        if upload is None:
            return _problem(404, "urn:zfy:not-found")
        if offset != len(upload.data):
            here = len(upload.data)
            return _problem(409, "urn:zfy:wrong-offset", {"upload-offset": str(here)}, offset=here)
        upload.data += body
        if len(upload.data) == upload.size:
            if sha256_b64u(upload.data) != upload.sha256:
                upload.data = b""
                return _problem(460, "urn:zfy:digest-mismatch", {"upload-offset": "0"}, offset=0)
            self._settle(upload.segment_id)
        return Answer(204, {"upload-offset": str(len(upload.data))}, b"")

    # --- for the verifier --------------------------------------------------------------------------------------------

    def write_vault(self, root: Path) -> None:
        """Its vault as ``recorder verify`` reads it: ``<root>/<unit>/<journal>/``."""
        if self.journal_id is None:
            return
        vault = root / self.unit_id / self.journal_id
        for name in ("journal", "segments", "receipts"):
            (vault / name).mkdir(parents=True)
        (vault / "journal" / f"{0:012d}.jws").write_bytes(b"".join(line + b"\n" for line in self.lines))
        for segment_id, data in self.objects.items():
            folder = vault / "segments" / self.named[segment_id].session_id
            folder.mkdir(exist_ok=True)
            (folder / f"{segment_id}{self._suffix.get(segment_id, '.mp4.age')}").write_bytes(data)
        for receipt, text in self.receipts:
            if receipt.segments or receipt is self.receipts[-1][0]:
                (vault / "receipts" / f"{receipt.jti}.jws").write_text(text + "\n", encoding="ascii")


def _json(status: int, value: dict[str, Any]) -> Answer:
    return Answer(status, {}, json.dumps(value).encode())


def _problem(status: int, kind: str, headers: dict[str, str] | None = None, **members: Any) -> Answer:
    return Answer(status, headers or {}, json.dumps({"type": kind, **members}).encode())


Handle = Callable[[str, str, Mapping[str, str], bytes], Answer]

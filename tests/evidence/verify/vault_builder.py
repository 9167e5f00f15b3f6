"""Builds realistic vaults record by record: what a unit leaves behind, with every knob an attacker might want to turn.

Records go through the contract's models and ``jws.sign``, nothing else of the unit is used. Call the verbs in the order of
a shift, then :meth:`write`. ``files`` can be edited before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recorder.evidence import jws
from recorder.evidence import records as r
from recorder.evidence.age import CHUNK, AgeEncryptor, seal_bytes
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.personal import seal_field
from recorder.evidence.signer import FileSigner
from recorder.evidence.statement_files import file_name
from recorder.evidence.statement_signatures import SignatureClaims, sign_statement
from tests.evidence.verify import little_mp4
from tests.evidence.verify.agency import NOW, TestAgency

EndedBy = Literal["button", "command", "shutdown", "abandoned"]
Role = Literal["live", "preroll", "postroll"]

FRAGMENT_FRAMES = 5
FRAGMENT_US = FRAGMENT_FRAMES * 40_000


@dataclass(slots=True)
class BuiltSegment:
    """A segment as the unit wrote it. ``stored``: bytes of each entry."""

    segment_id: str
    session_id: str
    camera_id: str
    start_us: int
    end_us: int
    sealed: bool
    stored: list[bytes] = field(default_factory=list)
    plain: list[bytes] = field(default_factory=list)
    close_seq: int | None = None

    @property
    def name(self) -> str:
        return f"segments/{self.session_id}/{self.segment_id}.mp4{'.age' if self.sealed else ''}"

    @property
    def data(self) -> bytes:
        return b"".join(self.stored)

    def entry_offset(self, number: int) -> int:
        return sum(len(entry) for entry in self.stored[:number])


@dataclass(slots=True)
class VaultBuilder:
    agency: TestAgency
    unit_id: str = "zfy-000001"
    recipients: tuple[str, ...] = ()
    signer: FileSigner | None = None
    seed: int = 1
    journal_id: str = ""
    us: int = 10_000_000
    wall_offset: float = NOW - 10.0
    bootcount: int = 0
    bootseed: str = ""
    seq: int = 0
    prev: str | None = None
    shift_id: str | None = None
    session_id: str | None = None
    covered_us: int = 0
    files: list[list[str]] = field(default_factory=lambda: [[]])
    first_seqs: list[int] = field(default_factory=lambda: [0])
    segments: dict[str, BuiltSegment] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    last_receipt: str | None = None
    documents: dict[str, bytes] = field(default_factory=dict)
    _ids: int = 0
    _indexes: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signer is None:
            self.signer = self.agency.issue(self.unit_id)
        self.journal_id = self.new_id()

    def new_id(self) -> str:
        self._ids += 1
        text = hashlib.sha256(f"{self.seed}/{self.unit_id}/{self._ids}".encode()).hexdigest()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:32]}"

    # --- records ---

    @property
    def iat(self) -> float:
        return round(self.wall_offset + self.us / 1e6, 3)

    @property
    def lines(self) -> list[str]:
        """All lines, in order, over all files (a copy)."""
        return [line for file in self.files for line in file]

    def append(self, record: r.Record, *, without: tuple[str, ...] = (), **changes: Any) -> int:
        """Sign and append; ``changes`` replace payload fields, those named in ``without`` are left out. Returns the seq."""
        assert self.signer is not None
        self.us += 1_000
        payload = {
            "ver": 1,
            "journal_id": self.journal_id,
            "seq": self.seq,
            "prev": self.prev,
            "iat": self.iat,
            "uptime_us": self.us,
            "bootcount": self.bootcount,
            "bootseed": self.bootseed,
            "clock": {"source": "ntp", "synchronized": True, "max_error_ms": 20.0},
            **record.model_dump(mode="json"),
            **changes,
        }
        for name in without:
            del payload[name]
        line = jws.sign(record.TYP, payload, self.signer)
        self.files[-1].append(line)
        self.prev = sha256_b64u(line.encode("ascii"))
        self.seq += 1
        return self.seq - 1

    def rotate(self) -> None:
        """A new journal file, beginning with a checkpoint."""
        self.files.append([])
        self.first_seqs.append(self.seq)
        self.append(
            r.Checkpoint(
                reason="rotation",
                shift_id=self.shift_id,
                session_id=self.session_id,
                session_index=0,
                open_segments=(),
                open_gaps=(),
            )
        )

    def wait(self, seconds: float) -> None:
        self.us += round(seconds * 1e6)

    # --- boots and shifts ---

    def boot(self, *, same_boot: bool = False, off_s: float = 0.0, x5c: tuple[str, ...] | None = None) -> int:
        """A start of the unit process, in a new boot unless ``same_boot``."""
        assert self.signer is not None
        if not same_boot:
            wall = self.iat + off_s
            self.bootcount += 1
            self.bootseed = self.new_id()
            self.us = 8_000_000
            self.wall_offset = wall - 8.0
        return self.append(
            r.Boot(
                ueid="ueid-1",
                unit_id=self.unit_id,
                hwmodel="rpi5",
                hwversion="1.0",
                swname="zfy-recorder",
                swversion="0.1.0",
                hash_alg="sha-256",
                x5c=self.signer.x5c if x5c is None else x5c,
                previous_end="first" if self.seq == 0 else "unclean",
                same_boot=same_boot,
            )
        )

    def shift_start(self) -> None:
        self.shift_id = self.new_id()
        self.covered_us = self.us
        self.append(r.ShiftStart(shift_id=self.shift_id, trigger="auto"))

    def shift_end(self) -> None:
        assert self.shift_id is not None
        self.standby_to_now()
        self.append(r.ShiftEnd(shift_id=self.shift_id, trigger="power-off"))
        self.shift_id = None

    def standby_to_now(self) -> None:
        if self.us > self.covered_us:
            self.append(r.Standby(shift_id=self.shift_id, from_us=self.covered_us, to_us=self.us))
            self.covered_us = self.us - 1_000

    def standby(self, seconds: float) -> None:
        self.wait(seconds)
        self.standby_to_now()

    def sign_in(self, name: str = "张三", cert_no: str = "130100001", count: int = 2) -> int:
        """``count``: officers signed in by now; the others are of no interest."""
        assert self.shift_id is not None
        return self.append(
            r.OfficerSignIn(
                shift_id=self.shift_id,
                officer=seal_field({"name": name, "cert_no": cert_no}, self.recipients),
                officer_ref=sha256_b64u(cert_no.encode()),
                method="command",
                count=count,
            )
        )

    # --- sessions ---

    def session_start(self, cameras: tuple[str, ...] = ("cam0",), officers: int = 2, **context: Any) -> str:
        """``context``: ``mode`` and ``matter``."""
        self.standby_to_now()
        self.session_id = self.new_id()
        self.append(
            r.SessionStart(
                session_id=self.session_id,
                shift_id=self.shift_id,
                trigger="button",
                resumes=None,
                at_us=self.us,
                cameras=cameras,
                officers=officers,
                last_receipt=self.last_receipt,
                **{"matter": None, **context},
            )
        )
        return self.session_id

    def session_stop(
        self, at_us: int | None = None, reason: EndedBy = "button", stated: r.StopReason | None = None
    ) -> None:
        assert self.session_id is not None
        at_us = self.us if at_us is None else at_us
        count = sum(segment.session_id == self.session_id for segment in self.segments.values())
        self.append(
            r.SessionStop(session_id=self.session_id, reason=reason, at_us=at_us, segment_count=count, stated=stated)
        )
        self.session_id = None
        self.covered_us = at_us

    def open_segment(self, camera_id: str = "cam0", role: Role = "live", start_us: int | None = None) -> BuiltSegment:
        assert self.session_id is not None
        start_us = self.us if start_us is None else start_us
        segment = BuiltSegment(self.new_id(), self.session_id, camera_id, start_us, start_us, bool(self.recipients))
        self.segments[segment.segment_id] = segment
        key = (self.session_id, camera_id)
        index = self._indexes[key] = self._indexes.get(key, -1) + 1
        self.append(
            r.SegmentOpen(
                session_id=self.session_id,
                segment_id=segment.segment_id,
                segment_index=index,
                camera_id=camera_id,
                role=role,
                media_start_us=start_us,
                media=r.Media(mime="video/mp4", codecs="avc1", width=320, height=180, frame_rate=25.0, audio_rate=None),
                encryption=r.Encryption(format="age-v1" if self.recipients else "none", recipients=self.recipients),
                overlay=seal_field({"officers": ["130100001"]}, self.recipients),
            )
        )
        return segment

    def fill(
        self,
        segment: BuiltSegment,
        fragments: int,
        per_head: int = 2,
        *,
        close: bool = True,
        signed: int | None = None,
    ) -> None:
        """Media of ``fragments`` × 0.2 s, signed in heads; time passes with them. ``close``: also the final entry.
        ``signed``: only so many entries get into a head."""
        writer = AgeEncryptor(self.recipients) if segment.sealed else None
        plains = [little_mp4.padded(little_mp4.head(), CHUNK if segment.sealed else 1024)]
        for number in range(fragments):
            media = hashlib.sha256(f"{segment.segment_id}/{number}".encode()).digest() * 8
            piece = little_mp4.fragment(
                number * FRAGMENT_FRAMES * little_mp4.FRAME,
                FRAGMENT_FRAMES,
                media[: 100 * FRAGMENT_FRAMES],
                number + 1,
            )
            plains.append(little_mp4.padded(piece, CHUNK if segment.sealed else 64))
        ends = [segment.start_us] + [segment.start_us + (n + 1) * FRAGMENT_US for n in range(fragments)]
        if close:
            plains.append(little_mp4.free(8))
            ends.append(ends[-1])
        entries: list[r.Entry] = []
        for number, plain in enumerate(plains):
            last = close and number == len(plains) - 1
            stored = plain
            if writer is not None:
                stored = writer.finish(plain) if last else writer.seal(plain)
                stored = writer.header + stored if number == 0 else stored
            entries.append(
                (segment.entry_offset(number), len(stored), sha256_b64u(stored), sha256_b64u(plain), ends[number])
            )
            segment.stored.append(stored)
            segment.plain.append(plain)
        entries = entries[:signed]
        for first in range(0, len(entries), per_head):
            batch = entries[first : first + per_head]
            self.us = max(self.us, batch[-1][4])
            self.append(r.Head(segment_id=segment.segment_id, first=first, entries=tuple(batch)))
        segment.end_us = entries[-1][4]

    def fill_end(self, segment: BuiltSegment) -> None:
        """The final entry of a segment that was filled with ``close=False``; not for sealed ones."""
        assert not segment.sealed
        plain = little_mp4.free(8)
        number, digest = len(segment.stored), sha256_b64u(plain)
        entry = (segment.entry_offset(number), len(plain), digest, digest, segment.end_us)
        segment.stored.append(plain)
        segment.plain.append(plain)
        self.append(r.Head(segment_id=segment.segment_id, first=number, entries=(entry,)))

    def close_segment(self, segment: BuiltSegment, **changes: Any) -> None:
        plain = b"".join(segment.plain)
        segment.close_seq = self.append(
            r.SegmentClose(
                session_id=segment.session_id,
                segment_id=segment.segment_id,
                camera_id=segment.camera_id,
                reason="split",
                entries=len(segment.stored),
                size=len(segment.data),
                sha256=sha256_b64u(segment.data),
                plaintext_size=len(plain),
                plaintext_sha256=sha256_b64u(plain),
                media_start_us=segment.start_us,
                media_end_us=segment.end_us,
                frames=max(0, len(segment.stored) - 2) * FRAGMENT_FRAMES,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            ),
            **changes,
        )

    def segment(
        self, fragments: int = 5, camera_id: str = "cam0", role: Role = "live", start_us: int | None = None
    ) -> BuiltSegment:
        """A whole segment: open, heads, close."""
        segment = self.open_segment(camera_id, role, start_us)
        self.fill(segment, fragments)
        self.close_segment(segment)
        return segment

    def session(self, segments: int = 2, fragments: int = 5, *, preroll: bool = False) -> list[BuiltSegment]:
        """A whole recording with contiguous segments."""
        self.session_start()
        built: list[BuiltSegment] = []
        begin = self.us
        for number in range(segments):
            built.append(self.segment(fragments, start_us=begin if number == 0 else built[-1].end_us))
        if preroll:
            self.segment(3, role="preroll", start_us=begin - 3 * FRAGMENT_US)
        end = max(segment.end_us for segment in built)
        self.us = max(self.us, end)
        self.session_stop(end)
        return built

    # --- what goes wrong in the field ---

    def interruption(self, last: BuiltSegment | None, cause: r.InterruptionCause, from_us: int, bootseed: str) -> str:
        assert self.session_id is not None
        gap_id = self.new_id()
        self.append(
            r.Interruption(
                gap_id=gap_id,
                session_id=self.session_id,
                camera_id=last.camera_id if last else "cam0",
                cause=cause,
                detail="",
                from_us=from_us,
                from_bootseed=bootseed,
                last_segment_id=last.segment_id if last else None,
            )
        )
        return gap_id

    def resumption(
        self, gap_id: str, segment: BuiltSegment, duration_us: int, basis: Literal["boottime", "wall"]
    ) -> None:
        self.append(
            r.Resumption(
                gap_id=gap_id,
                session_id=segment.session_id,
                camera_id=segment.camera_id,
                segment_id=segment.segment_id,
                to_us=segment.start_us,
                duration_us=duration_us,
                duration_basis=basis,
            )
        )

    def recover(self, segment: BuiltSegment, signed: int, unsigned: int = 0) -> None:
        """The recovery record of a torn segment: ``signed`` entries and ``unsigned`` more stay in the file."""
        kept = b"".join(segment.stored[: signed + unsigned])
        signed_end = segment.entry_offset(signed)
        rest = kept[signed_end:]
        segment.stored = segment.stored[: signed + unsigned]
        self.append(
            r.Recovery(
                subject="segment",
                reason="unclean-stop",
                session_id=segment.session_id,
                segment_id=segment.segment_id,
                camera_id=segment.camera_id,
                outcome="kept" if kept else "empty",
                signed_entries=signed,
                last_signed_offset=signed_end,
                kept_bytes=len(kept),
                torn_bytes=0,
                sha256=sha256_b64u(kept),
                unsigned=r.UnsignedRange(offset=signed_end, length=len(rest), sha256=sha256_b64u(rest))
                if rest
                else None,
            )
        )

    def unit_down(self, from_us: int, bootseed: str) -> None:
        self.append(
            r.Event(
                event="unit-down",
                at_us=self.us,
                detail={
                    "from_us": from_us,
                    "from_bootseed": bootseed,
                    "to_us": self.us,
                    "cause": "power-loss",
                    "duration_us": 0,
                    "duration_basis": "wall",
                },
            )
        )
        self.covered_us = self.us

    def statement(
        self,
        gap_id: str,
        signers: Sequence[FileSigner],
        document: bytes = b"%PDF-1.7 the statement",
        legal_cause: r.LegalCause = "设备故障",
        changes: dict[str, Any] | None = None,
    ) -> str:
        """A statement each of ``signers`` signed with a certificate; ``changes`` replace fields of the record. Returns the
        statement's id."""
        claims = SignatureClaims(
            ver=1,
            gap_id=gap_id,
            document_sha256=sha256_b64u(document),
            legal_cause=legal_cause,
            method="certificate",
            iat=self.iat,
        )
        texts = [sign_statement(claims, signer) for signer in signers]
        return self.signed_statement(gap_id, texts, document, legal_cause, changes)

    def signed_statement(
        self,
        gap_id: str,
        texts: Sequence[str],
        document: bytes,
        legal_cause: r.LegalCause,
        changes: dict[str, Any] | None = None,
    ) -> str:
        """The record, whatever the signatures ``texts`` are worth, and the document for ``statements/``."""
        statement_id, sealed = self.new_id(), bool(self.recipients)
        stored = seal_bytes(document, self.recipients) if sealed else document
        self.documents[file_name(statement_id, sealed)] = stored
        signers = tuple(
            r.Signer(
                officer_ref=sha256_b64u(f"officer {number}".encode()),
                method="certificate",
                signature=seal_field(text, self.recipients),
            )
            for number, text in enumerate(texts)
        )
        self.append(
            r.Statement(
                statement_id=statement_id,
                gap_id=gap_id,
                legal_cause=legal_cause,
                document_sha256=sha256_b64u(document),
                document_size=len(document),
                document_type="application/pdf",
                stored_sha256=sha256_b64u(stored),
                stored_size=len(stored),
                sealed=sealed,
                signers=signers,
                bound_by=None,
            ),
            **(changes or {}),
        )
        return statement_id

    # --- the store ---

    def make_receipt(self, *, segments: bool = True, delay_s: float = 0.5, **changes: Any) -> str:
        """The store's receipt for the journal as it stands; not kept anywhere."""
        assert self.signer is not None
        held = [
            r.StoredSegment(
                segment_id=segment.segment_id,
                session_id=segment.session_id,
                sha256=sha256_b64u(segment.data),
                size=len(segment.data),
                object=segment.name,
                version="1",
                lock_mode="compliance",
                retain_until=self.iat + 86_400,
                stored_at=self.iat,
            )
            for segment in self.segments.values()
            if segments and segment.data
        ]
        receipt = r.Receipt(
            ver=1,
            iss="store",
            iat=self.iat + delay_s,
            jti=self.new_id(),
            unit_id=self.unit_id,
            device_kid=self.signer.kid,
            journal_id=self.journal_id,
            head_seq=self.seq - 1,
            head_digest=self.prev or "",
            segments=tuple(held),
        )
        payload = {**receipt.model_dump(mode="json"), **changes}
        return jws.sign("receipt", payload, self.agency.store)

    def receipt(self, *, keep: bool = True, embed: bool = False, segments: bool = True, delay_s: float = 0.5) -> str:
        """A receipt in ``receipts/`` (``keep``) and, believed, in the journal (``embed``)."""
        text = self.make_receipt(segments=segments, delay_s=delay_s)
        digest = sha256_b64u(text.encode("ascii"))
        jti = str(jws.split(text).payload["jti"])
        if keep:
            self.receipts[jti] = text
        self.last_receipt = digest
        self.wait(delay_s + 0.1)
        if embed:
            self.append(r.ReceiptRecord(receipt_id=jti, receipt_digest=digest, jws=text))
        return text

    def release(self, segment: BuiltSegment) -> None:
        assert self.last_receipt is not None
        self.append(
            r.Release(
                session_id=segment.session_id,
                segment_id=segment.segment_id,
                size=len(segment.data),
                sha256=sha256_b64u(segment.data),
                receipt_digest=self.last_receipt,
                reason="free-space",
            )
        )

    # --- on disk ---

    def write(self, folder: Path) -> Path:
        """Lay the vault out in ``folder``, as a unit's data directory."""
        journal = folder / "journal"
        journal.mkdir(parents=True)
        for first, lines in zip(self.first_seqs, self.files, strict=True):
            text = "".join(f"{line}\n" for line in lines)
            (journal / f"{first:012d}.jws").write_text(text, encoding="ascii")
        for segment in self.segments.values():
            if segment.stored:
                path = folder / segment.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(segment.data)
        for name, data in self.documents.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        (folder / "receipts").mkdir()
        for jti, text in self.receipts.items():
            (folder / "receipts" / f"{jti}.jws").write_text(text + "\n", encoding="ascii")
        return folder


def sound_vault(agency: TestAgency, recipients: tuple[str, ...] = (), seed: int = 1) -> VaultBuilder:
    """An ordinary complete, uploaded shift: two recordings, the journal in two files, everything receipted."""
    b = VaultBuilder(agency, recipients=recipients, seed=seed)
    b.boot()
    b.shift_start()
    b.sign_in()
    b.standby(30)
    b.receipt(segments=False)
    b.session(3)
    b.standby(10)
    b.receipt(embed=True)
    b.rotate()
    b.standby(20)
    b.session(2)
    b.standby(15)
    b.receipt(embed=True)
    b.shift_end()
    b.receipt(segments=False)
    return b

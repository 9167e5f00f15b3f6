"""A unit's data directory as the uplink sees it: a signed, chained journal and segment files, made by the test."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.signer import FileSigner
from recorder.uplink.facts import Segment

BOOT = "11111111-2222-4333-8444-555555555555"


class UnitFiles:
    """``record`` appends a line; ``segment`` writes a file with its open, head and close records."""

    def __init__(self, data_dir: Path, seed: int = 1, signer: FileSigner | None = None) -> None:
        self.data_dir = data_dir
        self.journal_dir = data_dir / "journal"
        self.journal_dir.mkdir(parents=True, exist_ok=True)
        self._random = random.Random(seed)
        self._signer = signer or file_signer(ec.generate_private_key(ec.SECP256R1()))
        self.journal_id = self.new_id()
        self.seq = 0
        self.prev: str | None = None
        self.wall = 1_800_000_000.0
        self.lines: list[bytes] = []
        self.file = self.journal_dir / f"{0:012d}.jws"

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def rotate(self) -> None:
        self.file = self.journal_dir / f"{self.seq:012d}.jws"
        self.record("checkpoint", reason="rotation")

    def boot(self, unit_id: str) -> int:
        return self.record(
            "boot",
            ueid="test",
            unit_id=unit_id,
            hwmodel="test",
            hwversion="1",
            swname="recorder",
            swversion="0",
            hash_alg="sha-256",
            x5c=list(self._signer.x5c),
            previous_end="first",
            same_boot=False,
        )

    def line(self, typ: str, **fields: Any) -> bytes:
        """The next line, not written."""
        payload = {
            "ver": 1,
            "journal_id": self.journal_id,
            "seq": self.seq,
            "prev": self.prev,
            "iat": self.wall,
            "uptime_us": self.seq * 1000,
            "bootcount": 1,
            "bootseed": BOOT,
            "clock": {"source": "none", "synchronized": False, "max_error_ms": None},
            **fields,
        }
        return jws.sign(typ, payload, self._signer).encode() + b"\n"

    def record(self, typ: str, **fields: Any) -> int:
        line = self.line(typ, **fields)
        with self.file.open("ab") as file:
            file.write(line)
        self.lines.append(line)
        self.prev = sha256_b64u(line.rstrip(b"\n"))
        self.seq += 1
        self.wall += 1
        return self.seq - 1

    def statement(self, data: bytes, *, statement_id: str | None = None, keep: bool = True) -> str:
        """A ``statement`` record, and its document unless the card has lost it (``keep`` False); its id."""
        made = statement_id or self.new_id()
        if keep:
            (self.data_dir / "statements").mkdir(exist_ok=True)
            (self.data_dir / "statements" / f"{made}.document.age").write_bytes(data)
        digest = sha256_b64u(data)
        signer = {"officer_ref": digest, "method": "certificate", "signature": None}
        self.record(
            "statement",
            statement_id=made,
            gap_id=self.new_id(),
            legal_cause="设备故障",
            document_sha256=digest,
            document_size=len(data),
            document_type="application/pdf",
            stored_sha256=digest,
            stored_size=len(data),
            sealed=True,
            signers=[signer, {**signer, "officer_ref": sha256_b64u(digest.encode())}],
            bound_by=None,
        )
        return made

    def segment(self, size: int, *, session_id: str | None = None, close: str = "segment-close") -> Segment:
        session_id = session_id or self.new_id()
        segment_id = self.new_id()
        data = self._random.randbytes(size)
        directory = self.data_dir / "segments" / session_id
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{segment_id}.mp4.age").write_bytes(data)
        digest = sha256_b64u(data)
        self.record(
            "segment-open",
            session_id=session_id,
            segment_id=segment_id,
            segment_index=0,
            camera_id="cam0",
            role="live",
            media_start_us=0,
            media={
                "mime": "video/mp4",
                "codecs": "avc1",
                "width": 1,
                "height": 1,
                "frame_rate": 30.0,
                "audio_rate": None,
            },
            encryption={"format": "age-v1", "recipients": []},
            overlay=None,
        )
        self.record("head", segment_id=segment_id, first=0, entries=[])
        at = self.wall
        common = {"session_id": session_id, "segment_id": segment_id, "camera_id": "cam0", "sha256": digest}
        if close == "segment-close":
            seq = self.record(
                close,
                **common,
                reason="split",
                entries=0,
                size=size,
                plaintext_size=size,
                plaintext_sha256=digest,
                media_start_us=0,
                media_end_us=1,
                frames=1,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            )
        else:
            seq = self.record(
                "recovery",
                **common,
                subject="segment",
                reason="unclean-stop",
                outcome="kept",
                signed_entries=0,
                last_signed_offset=0,
                kept_bytes=size,
                torn_bytes=0,
                torn_digest=None,
                torn_file=None,
                unsigned=None,
            )
        return Segment(self.journal_id, seq, session_id, segment_id, digest, size, at)

    def path(self, segment: Segment) -> Path:
        return self.data_dir / "segments" / segment.session_id / f"{segment.segment_id}.mp4.age"

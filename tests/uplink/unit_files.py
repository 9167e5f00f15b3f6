"""A unit's data directory as the uplink sees it: a signed, chained journal and segment files, made by the test."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.signer import FileSigner
from recorder.uplink.facts import Segment

BOOT = "11111111-2222-4333-8444-555555555555"


class UnitFiles:
    """``record`` appends a line; ``segment`` writes a file with its open, head and close records."""

    def __init__(self, data_dir: Path, seed: int = 1) -> None:
        self.data_dir = data_dir
        self.journal_dir = data_dir / "journal"
        self.journal_dir.mkdir(parents=True)
        self._random = random.Random(seed)
        self._signer = FileSigner(ec.generate_private_key(ec.SECP256R1()))
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

    def segment(self, size: int, *, session_id: str | None = None, close: str = "segment-close") -> Segment:
        session_id = session_id or self.new_id()
        segment_id = self.new_id()
        data = self._random.randbytes(size)
        directory = self.data_dir / "segments" / session_id
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{segment_id}.mp4.age").write_bytes(data)
        digest = sha256_b64u(data)
        self.record("segment-open", session_id=session_id, segment_id=segment_id)
        self.record("head", segment_id=segment_id, first=0, entries=[])
        at = self.wall
        if close == "segment-close":
            seq = self.record(close, session_id=session_id, segment_id=segment_id, size=size, sha256=digest)
        else:
            seq = self.record(
                "recovery",
                subject="segment",
                outcome="kept",
                session_id=session_id,
                segment_id=segment_id,
                kept_bytes=size,
                sha256=digest,
            )
        return Segment(self.journal_id, seq, session_id, segment_id, digest, size, at)

    def path(self, segment: Segment) -> Path:
        return self.data_dir / "segments" / segment.session_id / f"{segment.segment_id}.mp4.age"

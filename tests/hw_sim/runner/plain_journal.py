"""A journal for tests of those who only read it: lines of the right form, signed by nobody."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from recorder.evidence.encoding import b64u

BOOT = "b0000000-0000-4000-8000-000000000000"


def named(name: str) -> str:
    """An id everybody in a test may call by a short name."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


SESSION = named("session")


class PlainJournal:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "000000000000.jws"
        self._seq = 0

    def add(self, typ: str, **payload: Any) -> int:
        """``seq`` of the new record."""
        common = {
            "seq": self._seq,
            "iat": 1_700_000_000.0 + self._seq,
            "uptime_us": self._seq * 1_000_000,
            "bootseed": BOOT,
            "clock": {"source": "gnss"},
        }
        head = {"alg": "ES256", "kid": "k", "typ": typ}
        parts = [b64u(json.dumps(part).encode()) for part in (head, {**common, **payload})]
        with self._file.open("a", encoding="ascii") as file:
            file.write(".".join([*parts, b64u(bytes(64))]) + "\n")
        self._seq += 1
        return self._seq - 1

    def prompt(self, name: str, outcome: str = "spoken") -> int:
        return self.add("event", event="prompt", detail={"id": name, "outcome": outcome})

    def fault(self, fault_id: str, code: str, phase: str, **evidence: Any) -> int:
        return self.add(
            "fault", fault_id=fault_id, code=code, phase=phase, component="cam0", onset_us=1_000_000, evidence=evidence
        )

    def segment(self, segment_id: str, *, closed: bool) -> None:
        self.add(
            "segment-open",
            segment_id=named(segment_id),
            session_id=SESSION,
            camera_id="cam0",
            role="live",
            encryption={"format": "none"},
            media_start_us=0,
        )
        if closed:
            self.add(
                "segment-close", segment_id=named(segment_id), size=1, sha256="x", media_end_us=1, dropped_frames=0
            )

    def interrupted(self, gap_id: str) -> None:
        self.add(
            "interruption",
            gap_id=named(gap_id),
            session_id=SESSION,
            camera_id="cam0",
            cause="camera-unplugged",
            from_us=0,
            from_bootseed=BOOT,
            last_segment_id=None,
        )

    def resumed(self, gap_id: str, segment_id: str) -> None:
        self.add(
            "resumption", gap_id=named(gap_id), segment_id=named(segment_id), to_us=2_000_000, duration_us=2_000_000
        )

    def explained(self, gap_id: str, confirmed: str = "button", counts: bool = True) -> None:
        span = {"segment_id": named("a"), "start_us": 0, "end_us": 3_500_000}
        speech = [span] if confirmed != "choice" else []
        cause = "设备故障" if confirmed == "choice" else None
        self.add(
            "explanation", gap_id=named(gap_id), confirmed=confirmed, counts=counts, legal_cause=cause, speech=speech
        )

"""An independent reader of a journal: strict, whole, shares nothing with the loader but the JWS and record models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw_sim.agency.certificates import as_cryptography
from recorder.evidence import jose
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files
from recorder.evidence.p256 import PublicKey
from recorder.evidence.records import RECORD_TYPES, Common

Line = tuple[str, dict[str, Any]]


def audit(files: Files, directory: Path, key: PublicKey) -> list[Line]:
    """(typ, payload) of every line; AssertionError for anything that is not one whole, signed, unbroken chain."""
    checker = as_cryptography(key)
    names = [name for name in files.names(directory) if name.endswith(".jws")]
    firsts = [int(name[:12]) for name in names]
    lines: list[Line] = []
    prev: str | None = None
    for index, name in enumerate(names):
        limit = firsts[index + 1] if index + 1 < len(names) else None
        assert len(lines) == firsts[index], f"{name} begins at {len(lines)}"
        text = files.read(directory / name)
        for raw in text.split(b"\n"):
            if limit is not None and len(lines) >= limit:
                break  # superseded by the next file
            if raw == b"" and text.endswith(b"\n"):
                continue
            parts = jose.verify(raw.decode("ascii"), checker)
            assert parts.payload["seq"] == len(lines)
            assert parts.payload["prev"] == prev
            _validate(parts.typ, parts.payload)
            prev = sha256_b64u(raw)
            lines.append((parts.typ, parts.payload))
    return lines


def _validate(typ: str, payload: dict[str, Any]) -> None:
    common = {name: payload[name] for name in Common.model_fields}
    Common.model_validate(common)
    RECORD_TYPES[typ].model_validate({name: value for name, value in payload.items() if name not in common})

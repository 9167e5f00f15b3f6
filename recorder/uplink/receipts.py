"""Keep receipts: check lightly, write durably, remember what they cover.

The unit process decides whether to believe a receipt (``recorder.evidence.receipts``). Here only the store's signature
and the form are checked, so that a forgery neither reaches the disk nor ends an upload.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recorder.evidence import jws
from recorder.evidence.files import Files
from recorder.evidence.p256 import PublicKey
from recorder.uplink.faults import RECEIPT_INVALID, UplinkFault

_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
MAX_RECEIPT = 1 << 19


@dataclass(frozen=True, slots=True)
class Covered:
    """``segment_id``: of a statement its own id."""

    segment_id: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the uplink needs of a receipt. ``verified`` False: no store key was readable, it is only carried."""

    receipt_id: str
    journal_id: str
    head_seq: int
    segments: tuple[Covered, ...]
    verified: bool
    statements: tuple[Covered, ...] = ()
    """Documents of written statements, by ``statement_id``."""


class StoreKey:
    """``store-key.pem`` of the trust directory, read again when it changes (enrolment may come late)."""

    def __init__(self, trust_dir: Path) -> None:
        self._path = trust_dir / "store-key.pem"
        self._stamp: tuple[int, int] | None = None
        self._key: PublicKey | None = None

    def get(self) -> PublicKey | None:
        """The pinned key, None when there is none. Raises UplinkFault when the file is no P-256 key."""
        try:
            state = self._path.stat()
            stamp = (state.st_ino, state.st_mtime_ns)
            if stamp != self._stamp:
                self._key = None
                self._key, self._stamp = PublicKey.from_pem(self._path.read_bytes()), stamp
        except OSError:
            return None
        except ValueError as error:
            raise UplinkFault(RECEIPT_INVALID, f"{self._path}: {error}", subject=self._path.name) from error
        return self._key


class ReceiptStore:
    """The receipts directory. Several threads may use it."""

    def __init__(self, directory: Path, trust_dir: Path, unit_id: str, files: Files) -> None:
        self._directory = directory
        self._key = StoreKey(trust_dir)
        self._unit_id = unit_id
        self._files = files
        self._lock = threading.Lock()

    def check(self, text: str) -> Receipt:
        """Raises UplinkFault ``receipt-invalid`` naming why."""
        try:
            if len(text) > MAX_RECEIPT:
                raise ValueError(f"longer than {MAX_RECEIPT} bytes")
            parts = jws.split(text)
            payload = parts.payload
            receipt = _parse(parts.typ, payload)
            if payload.get("unit_id") != self._unit_id:
                raise ValueError(f"unit_id {payload.get('unit_id')!r} is not {self._unit_id}")
            pinned = self._key.get()
            if pinned is None:
                return receipt
            if parts.kid != pinned.kid:
                raise ValueError(f"kid {parts.kid!r} is not the store key's {pinned.kid}")
            jws.check(text, parts, pinned)
        except ValueError as error:
            raise UplinkFault(RECEIPT_INVALID, str(error)[:300]) from error
        return replace(receipt, verified=True)

    def accept(self, text: str) -> tuple[Receipt, bool]:
        """Check and write ``<jti>.jws`` durably: (receipt, new). Raises UplinkFault, OSError from the disk.

        A second receipt under an id already on disk is refused when it differs: ids are the store's to keep unique.
        """
        receipt = self.check(text)
        path = self._directory / f"{receipt.receipt_id}.jws"
        data = text.encode("ascii") + b"\n"
        with self._lock:
            if path.exists():
                if path.read_bytes().strip() != data.strip():
                    raise UplinkFault(RECEIPT_INVALID, f"{path.name}: 同号不同内容 same id, other content")
                return receipt, False
            self._files.make_dir(self._directory)
            self._files.replace(path, data)
        return receipt, True

    def stored(self) -> tuple[list[Receipt], list[UplinkFault]]:
        """All receipts on disk at a start, and a fault for each file that is none."""
        found: list[Receipt] = []
        faults: list[UplinkFault] = []
        for name in self._files.names(self._directory):
            if name.startswith(".") or not name.endswith(".jws"):
                continue  # the temporary file of a write that was interrupted
            try:
                text = self._files.read(self._directory / name).decode("ascii").strip()
                found.append(self.check(text))
            except UplinkFault as fault:
                faults.append(UplinkFault(fault.kind, f"{name}: {fault.detail}", subject=name))
            except (OSError, ValueError) as error:
                faults.append(UplinkFault(RECEIPT_INVALID, f"{name}: {error}", subject=name))
        return found, faults


def _parse(typ: str, payload: dict[str, Any]) -> Receipt:
    if typ != "receipt":
        raise ValueError(f"typ is {typ!r}")
    receipt_id, journal_id = payload.get("jti"), payload.get("journal_id")
    # The id becomes a file name.
    if not isinstance(receipt_id, str) or not _UUID.match(receipt_id):
        raise ValueError("jti is not a UUID")
    if not isinstance(journal_id, str) or not _UUID.match(journal_id):
        raise ValueError("journal_id is not a UUID")
    head_seq, segments = payload.get("head_seq"), payload.get("segments")
    if not isinstance(head_seq, int) or isinstance(head_seq, bool) or head_seq < 0:
        raise ValueError("head_seq is not a whole number")
    if not isinstance(segments, list):
        raise ValueError("segments is not a list")
    statements = payload.get("statements", [])
    if not isinstance(statements, list):
        raise ValueError("statements is not a list")
    return Receipt(
        receipt_id,
        journal_id,
        head_seq,
        tuple(_covered(entry, "segment_id") for entry in segments),
        verified=False,
        statements=tuple(_covered(entry, "statement_id") for entry in statements),
    )


def _covered(entry: Any, name: str) -> Covered:
    if not isinstance(entry, dict):
        raise ValueError(f"{name}: not an object")
    covered_id, sha256, size = entry.get(name), entry.get("sha256"), entry.get("size")
    if not isinstance(covered_id, str) or not isinstance(sha256, str) or not isinstance(size, int):
        raise ValueError(f"an entry lacks {name}, sha256 or size")
    return Covered(covered_id, sha256, size)

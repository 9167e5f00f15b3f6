"""Store receipts (储存回执) as anchors: which are the store's, what they saw, and the time bounds they give.

A receipt with ``head_seq``/``head_digest`` proves that the journal had exactly that line at the receipt's ``iat``; so no
record up to it is younger than that, and every record written after the unit believed it is not older.
"""

from __future__ import annotations

import json
import math
import os
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from recorder.evidence import jose, jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.errors import CannotRead
from recorder.evidence.jws import MAX_LINE, JwsError
from recorder.evidence.records import Receipt
from recorder.evidence.trust import Trust
from recorder.evidence.verify import tree
from recorder.evidence.verify.findings import Findings


@dataclass(frozen=True, slots=True)
class Anchor:
    """What is kept of a receipt the store really signed."""

    jti: str
    iat: float
    unit_id: str
    device_kid: str
    journal_id: str
    head_seq: int
    head_digest: str
    gaps: tuple[tuple[int, int], ...] = ()
    """(first, last) ``seq`` of lines the unit had declared lost to the store."""


@dataclass(frozen=True, slots=True)
class Held:
    """A segment as a receipt says the store holds it."""

    jti: str
    sha256: str
    size: int
    retain_until: float
    stored_at: float


@dataclass(slots=True)
class ReceiptBook:
    """Receipts of one vault. Fill with :meth:`load` and :meth:`believe`, then :meth:`settle` against the journal."""

    trust: Trust
    findings: Findings
    anchors: dict[str, Anchor] = field(default_factory=dict)
    held: dict[str, list[Held]] = field(default_factory=dict)
    by_seq: dict[int, list[Anchor]] = field(default_factory=dict)
    tokens: int = 0
    unchecked: int = 0
    anchored_seq: int = -1
    _places: dict[str, str] = field(default_factory=dict)
    _matched: list[Anchor] = field(default_factory=list)
    _judged: set[Anchor] = field(default_factory=set)
    _present: list[tuple[int, int]] = field(default_factory=list)
    newest: float | None = None
    """The store's clock in the latest receipt over this journal, seconds since 1970."""
    _seqs: list[int] = field(default_factory=list)
    _earliest: list[float] = field(default_factory=list)

    def load(self, folder: Path) -> None:
        """All ``*.jws`` of ``receipts/``. Raises CannotRead for a folder that cannot be listed."""
        for node in tree.walk(folder, 0):
            name = f"receipts/{node.name}"
            if not node.name.endswith(".jws"):
                continue  # temporary files of the uplink; nothing is claimed of them
            if not node.regular:
                self.findings.add("file-not-regular", f"file {name}", file=name, what=node.kind)
                continue
            try:
                text = _read_small(folder / node.name)
            except OSError as error:
                reason = error.strerror or str(error)
                self.findings.add("file-unreadable", f"file {name}", file=name, reason=reason)
                continue
            self.believe(text, name)

    def believe(self, data: bytes, place: str) -> Anchor | None:
        """Take in one receipt if the store signed it; else a finding that names ``place``."""
        digest = sha256_b64u(data)
        if digest in self.anchors:
            return self.anchors[digest]
        if not self.trust.store_keys:
            self.unchecked += 1
            return None
        try:
            receipt = self._verify(data)
        except JwsError as error:
            self.findings.add("receipt-forged", f"receipt {place}", file=place, reason=str(error))
            return None
        anchor = Anchor(
            receipt.jti,
            receipt.iat,
            receipt.unit_id,
            receipt.device_kid,
            receipt.journal_id,
            receipt.head_seq,
            receipt.head_digest,
            receipt.gaps,
        )
        self.anchors[digest] = anchor
        self._places[digest] = place
        self.tokens += receipt.tst is not None
        self.by_seq.setdefault(receipt.head_seq, []).append(anchor)
        for segment in receipt.segments:
            held = Held(receipt.jti, segment.sha256, segment.size, segment.retain_until, segment.stored_at)
            self.held.setdefault(segment.segment_id, []).append(held)
        return anchor

    def _verify(self, data: bytes) -> Receipt:
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError as error:
            raise JwsError("not ASCII") from error
        parts = jws.split(text)
        if parts.typ != "receipt":
            raise JwsError(f"typ is {parts.typ!r}, not 'receipt'")
        key = next((key for key in self.trust.store_keys if jose.thumbprint(key) == parts.kid), None)
        if key is None:
            raise JwsError(f"kid {parts.kid} is not the store's key")
        jose.verify(text, key)
        try:
            receipt = Receipt.model_validate_json(json.dumps(parts.payload))
        except (ValidationError, ValueError) as error:
            raise JwsError("not the form of a receipt") from error
        if not math.isfinite(receipt.iat):
            raise JwsError("iat is not a time")
        return receipt

    # --- against the journal ---

    def owned(self, unit_id: str, journal_id: str, kids: set[str]) -> Iterator[tuple[str, Anchor]]:
        """(place, anchor) of the receipts for this very journal; the others are found foreign and leave the book."""
        for digest, anchor in list(self.anchors.items()):
            reasons = [
                text
                for wrong, text in (
                    (anchor.unit_id != unit_id, f"unit {anchor.unit_id}"),
                    (anchor.journal_id != journal_id, f"journal {anchor.journal_id}"),
                    (anchor.device_kid not in kids, f"key {anchor.device_kid}"),
                )
                if wrong
            ]
            place = self._places[digest]
            if reasons:
                self.findings.add("receipt-foreign", f"receipt {place}", file=place, reason=", ".join(reasons))
                self._forget(digest, anchor)
            else:
                yield place, anchor

    def _forget(self, digest: str, anchor: Anchor) -> None:
        del self.anchors[digest]
        self.by_seq[anchor.head_seq].remove(anchor)
        for segment_id in list(self.held):
            self.held[segment_id] = [held for held in self.held[segment_id] if held.jti != anchor.jti]

    def match(self, journal_id: str | None, seq: int, digest: str) -> None:
        """The journal's verified line ``seq`` has ``digest``: which receipts saw just this, and which did not."""
        self._note_present(seq)
        for anchor in self.by_seq.get(seq, ()):
            if anchor.journal_id != journal_id or anchor in self._judged:
                continue
            self._judged.add(anchor)
            if anchor.head_digest == digest:
                self._matched.append(anchor)
            else:
                self.findings.add("receipt-mismatch", f"record {seq}", seq=seq, receipt=anchor.jti)

    def _note_present(self, seq: int) -> None:
        """Verified lines as runs: a journal has millions of lines and few holes."""
        first, last = self._present[-1] if self._present else (seq, seq - 1)
        if seq == last + 1:
            self._present[-1:] = [(first, seq)]
        elif seq > last:
            self._present.append((seq, seq))

    def _find_declared_lost(self) -> None:
        """Lines a unit has told the store it had lost, and that are here: each such gap once, by its first receipt."""
        declared = {gap: anchor for anchor in reversed(self.anchors.values()) for gap in anchor.gaps}
        for (first, last), anchor in sorted(declared.items()):
            count = sum(max(0, min(last, end) - max(first, begin) + 1) for begin, end in self._present)
            if count:
                self.findings.add(
                    "declared-lost-but-present",
                    f"record {first}",
                    receipt=anchor.jti,
                    first=first,
                    last=last,
                    count=count,
                )

    def settle(self, last_seq: int) -> None:
        """After the last line: find rollbacks and losses that were none, make :attr:`anchored_seq` and :meth:`upper`
        ready."""
        beyond = [anchor for seq, anchors in self.by_seq.items() if seq > last_seq for anchor in anchors]
        if beyond:
            newest = max(beyond, key=lambda anchor: anchor.head_seq)
            self.findings.add(
                "rolled-back", f"record {newest.head_seq}", receipt=newest.jti, head=newest.head_seq, last=last_seq
            )
        self._find_declared_lost()
        valid = [anchor for anchor in self._matched if anchor in self.by_seq[anchor.head_seq]]
        self.anchored_seq = max((anchor.head_seq for anchor in valid), default=-1)
        earliest = math.inf
        seqs: list[int] = []
        times: list[float] = []
        for anchor in sorted(valid, key=lambda a: a.head_seq, reverse=True):
            earliest = min(earliest, anchor.iat)
            seqs.append(anchor.head_seq)
            times.append(earliest)
        self._seqs, self._earliest = seqs[::-1], times[::-1]
        self.newest = max((anchor.iat for anchor in valid), default=None)

    def upper(self, seq: int) -> float | None:
        """Record ``seq`` existed at this time at the latest (seconds since 1970); None without a receipt behind it."""
        index = bisect_left(self._seqs, seq)
        return self._earliest[index] if index < len(self._seqs) else None

    def time_of(self, digest: str) -> float | None:
        """``iat`` of the receipt with this digest, if the store signed it."""
        anchor = self.anchors.get(digest)
        return anchor.iat if anchor is not None else None


def _read_small(path: Path) -> bytes:
    """A file of one line; at most MAX_LINE bytes of it, line end removed."""
    with os.fdopen(tree.open_regular(path), "rb") as file:
        return file.read(MAX_LINE + 2).rstrip(b"\r\n")


__all__ = ["Anchor", "CannotRead", "Held", "ReceiptBook"]

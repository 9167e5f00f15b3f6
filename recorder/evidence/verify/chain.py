"""The journal as a chain: every line's signature, ``seq`` and ``prev``, over all files; torn tails told from alterations.

The verifier believes no state the unit wrote about itself (checkpoints included): it starts at line 0 and reads on. What
breaks the chain is named and reading goes on behind it, because the lines there are still signed by the unit.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.jws import JwsError, Parts
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.keys import DeviceKey, KeyRing
from recorder.evidence.verify.lines import FILE_NAME, Place, RawLine

WINDOW = 8192
"""Digests of the newest records kept: how far back a repeated line is told from a forked one."""
MAX_NAMED = 20
"""Bad lines of one run that are named one by one; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Link:
    """A line that verified and continues the chain."""

    seq: int
    digest: str
    typ: str
    payload: dict[str, Any]
    key: DeviceKey
    place: Place
    line: str


@dataclass(frozen=True, slots=True)
class _Bad:
    place: Place
    reason: str
    whole: bool
    """It has the form of a signed line: a torn write does not look like that, an edited line does."""


@dataclass(slots=True)
class _Repeat:
    """A run of byte-identical old lines at the start of a file: what a unit writes after a storage error."""

    place: Place
    first: int
    last: int
    at_start: bool


@dataclass(slots=True)
class Chain:
    """Feed lines in order; :meth:`feed` returns the links. ``finish`` when there are no more."""

    findings: Findings
    accept: Callable[[DeviceKey], bool]
    """Whether a key that is not the journal's first may speak: else one foreign line could renumber all that follow."""
    ring: KeyRing = field(default_factory=KeyRing)
    journal_id: str | None = None
    next_seq: int = 0
    last_digest: str | None = None
    lines: int = 0
    torn_lines: int = 0
    whole: bool = True
    """No line was lost, altered or inserted."""
    _recent: OrderedDict[int, str] = field(default_factory=OrderedDict)
    _bad: list[_Bad] = field(default_factory=list)
    _bad_count: int = 0
    _repeat: _Repeat | None = None
    _file: int = -1
    _started: bool = False
    _first_key: DeviceKey | None = None
    _accepted: set[str] = field(default_factory=set)

    def feed(self, raw: RawLine) -> Link | None:
        """The line as a link of the chain; None when it is bad, repeated or foreign (found and noted)."""
        self.lines += 1
        new_file = raw.place.file != self._file
        self._file = raw.place.file
        try:
            text, parts = _parse(raw)
            key = self.ring.verify(text, parts)
            seq, prev = _position(parts)
            if key is not self._first_key and not self._may_speak(key):
                raise JwsError(f"signed by the key {key.kid}, which the agency does not know for this unit")
        except JwsError as error:
            self._remember_bad(raw, str(error))
            return None
        named = new_file and self._check_name(raw.place, seq)
        journal_id = str(parts.payload.get("journal_id"))
        if self.journal_id is None:
            self.journal_id = journal_id
        elif journal_id != self.journal_id:
            self._broken("journal-foreign-line", f"record {seq}", place=raw.place, journal_id=journal_id)
            return None
        digest = sha256_b64u(text.encode("ascii"))
        if seq < self.next_seq:
            self._old(seq, digest, raw.place, new_file=new_file, named=named)
            return None
        self._settle_repeat(continued=True)
        self._settle_bad(seq, raw.place)
        if seq > self.next_seq:
            self.whole = False  # named by _settle_bad
        elif prev != self.last_digest:
            self._broken("journal-chain-broken", f"record {seq}", place=raw.place, seq=seq)
        self._advance(seq, digest)
        return Link(seq, digest, parts.typ, parts.payload, key, raw.place, text)

    def _may_speak(self, key: DeviceKey) -> bool:
        if self._first_key is None:
            self._first_key = key
            return True
        if key.kid not in self._accepted and self.accept(key):
            self._accepted.add(key.kid)
        return key.kid in self._accepted

    def finish(self) -> None:
        """The end of the last file: what is bad here may be a torn tail, what is repeated a file that was being begun."""
        self._settle_repeat(continued=False, ended=True)
        if not self._bad_count:
            return
        first = self._bad[0]
        if not self._started:
            self.findings.add("journal-unverifiable", "journal", place=first.place, reason=first.reason)
            self.whole = False
        elif any(bad.whole for bad in self._bad):
            self._name_bad(self.next_seq)
        else:
            self.torn_lines = self._bad_count
            self.findings.add("journal-torn", "journal", place=first.place, count=self._bad_count)

    def digest_of(self, seq: int) -> str | None:
        """Digest of a record among the newest, None for an older one."""
        return self._recent.get(seq)

    def _advance(self, seq: int, digest: str) -> None:
        self._started = True
        self.next_seq = seq + 1
        self.last_digest = digest
        self._recent[seq] = digest
        if len(self._recent) > WINDOW:
            self._recent.popitem(last=False)

    def _check_name(self, place: Place, seq: int) -> bool:
        """The file begins with the record it is named after."""
        match = FILE_NAME.fullmatch(place.name)
        if place.line != 1 or match is None:
            return False
        if int(match[1]) != seq:
            self._broken("journal-file-misnamed", f"file journal/{place.name}", file=f"journal/{place.name}", seq=seq)
        return int(match[1]) == seq

    def _broken(self, code: str, subject: str, **fields: object) -> None:
        self.whole = False
        self.findings.add(code, subject, **fields)

    # --- lines that do not verify ---

    def _remember_bad(self, raw: RawLine, reason: str) -> None:
        self._bad_count += 1
        if len(self._bad) < MAX_NAMED:
            self._bad.append(_Bad(raw.place, reason, raw.complete and _has_form(raw)))

    def _settle_bad(self, seq: int, place: Place) -> None:
        """A good record ``seq`` follows the bad lines: they were altered, lost, inserted, or a torn end continued."""
        missing = seq - self.next_seq
        if not self._bad_count:
            if missing:
                self._broken(
                    "journal-lines-missing",
                    f"records {self.next_seq}–{seq - 1}",
                    first=self.next_seq,
                    last=seq - 1,
                    place=place,
                )
            return
        torn = missing == 0 and all(bad.place.file < place.file and not bad.whole for bad in self._bad)
        if torn and self._started:
            self.findings.add("journal-torn-continued", "journal", place=self._bad[0].place, count=self._bad_count)
        else:
            self._name_bad(self.next_seq)
            if missing > self._bad_count:
                lost = self.next_seq + self._bad_count
                self._broken(
                    "journal-lines-missing", f"records {lost}–{seq - 1}", first=lost, last=seq - 1, place=place
                )
        self._bad.clear()
        self._bad_count = 0

    def _name_bad(self, first_seq: int) -> None:
        for index, bad in enumerate(self._bad):
            seq = first_seq + index
            self._broken("journal-line-altered", f"record {seq}", place=bad.place, seq=seq, reason=bad.reason)

    # --- lines whose number was already there ---

    def _old(self, seq: int, digest: str, place: Place, *, new_file: bool, named: bool) -> None:
        known = self._recent.get(seq)
        if known is not None and known != digest:
            self._broken("journal-forked", f"record {seq}", seq=seq, place=place)
            return
        run = self._repeat
        if run is not None and seq == run.last + 1 and not new_file:
            run.last = seq
            return
        self._settle_repeat(continued=False)
        self._repeat = _Repeat(place, seq, seq, at_start=named and known is not None)

    def _settle_repeat(self, *, continued: bool, ended: bool = False) -> None:
        """A run is harmless when it opens a file, reaches the newest record, and new records follow in that file. With
        nothing of the journal behind it, it may be all that a power cut left of such a file, or a copy: no alteration, and
        nothing that could be called whole."""
        run, self._repeat = self._repeat, None
        if run is None:
            return
        opens = run.at_start and self._file == run.place.file
        if opens and continued and run.last == self.next_seq - 1:
            count = run.last - run.first + 1
            self.findings.add("journal-repeated-lines", "journal", file=f"journal/{run.place.name}", count=count)
            return
        fields = {"place": run.place, "first": run.first, "last": run.last}
        if opens and ended:
            self.findings.add("journal-repeat-unfinished", "journal", **fields)
        else:
            self._broken("journal-lines-repeated", f"records {run.first}–{run.last}", **fields)


def _parse(raw: RawLine) -> tuple[str, Parts]:
    if raw.data is None:
        raise JwsError(f"longer than {jws.MAX_LINE} bytes")
    if not raw.complete:
        raise JwsError("does not end with a line feed")
    try:
        text = raw.data.decode("ascii")
    except UnicodeDecodeError as error:
        raise JwsError("not ASCII") from error
    return text, jws.split(text)


def _has_form(raw: RawLine) -> bool:
    try:
        _parse(raw)
    except JwsError:
        return False
    return True


def _position(parts: Parts) -> tuple[int, str | None]:
    """``seq`` and ``prev`` of a verified line; anything else there makes the line useless to a chain."""
    seq, prev, iat = parts.payload.get("seq"), parts.payload.get("prev"), parts.payload.get("iat")
    if type(seq) is not int or not 0 <= seq < 1 << 62:
        raise JwsError("seq is not a number")
    if prev is not None and not isinstance(prev, str):
        raise JwsError("prev is not a digest")
    if isinstance(iat, bool) or not isinstance(iat, (int, float)) or not math.isfinite(iat):
        raise JwsError("iat is not a time")
    return seq, prev

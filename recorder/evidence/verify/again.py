"""Looking up lines of a journal that has been read already: what is rarely needed is not kept but read again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.jws import JwsError, Parts
from recorder.evidence.records import Entry
from recorder.evidence.verify import tree
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.keys import KeyRing
from recorder.evidence.verify.lines import JournalFiles, RawLine, read_lines
from recorder.evidence.verify.state import Segment

MAX_FORK_LINES = 10_000


def split(raw: RawLine) -> tuple[str, Parts] | None:
    """The line as text and parts, None when it has not the form of one; nothing is verified."""
    try:
        text = (raw.data or b"").decode("ascii")
        return text, jws.split(text)
    except (JwsError, UnicodeDecodeError):
        return None  # it was named when the journal was read


def verified(raw: RawLine, ring: KeyRing) -> tuple[str, Parts] | None:
    """As :func:`split`, None also when no key of the ring signed it."""
    found = split(raw)
    if found is None:
        return None
    try:
        ring.verify(*found)
    except JwsError:
        return None  # it was named when the journal was read
    return found


def entries_of(journal: JournalFiles, ring: KeyRing, segment: Segment) -> list[Entry]:
    """The signed entries of a segment, in order."""
    entries: list[Entry] = []
    for raw in journal.lines(segment.file, segment.offset):
        if len(entries) >= segment.entries:
            break
        found = split(raw)
        if found is None or found[1].typ != "head" or found[1].payload.get("segment_id") != segment.segment_id:
            continue
        if found[1].payload.get("first") == len(entries) and verified(raw, ring) is not None:
            entries += [(e[0], e[1], e[2], e[3], e[4]) for e in found[1].payload["entries"]]
    return entries[: segment.entries]


def find_late_certificate(journal: JournalFiles, ring: KeyRing) -> None:
    """A unit that started before it was enrolled signed its first records without a certificate. The kid is the key's
    digest, so a later ``boot`` with the certificate of the same kid speaks for them too."""
    kid: str | None = None
    for raw in journal.lines():
        found = split(raw)
        parts = found[1] if found is not None else None
        if kid is None:
            if parts is None or parts.typ != "boot" or parts.payload.get("x5c"):
                return
            kid = parts.kid
        elif parts is not None and parts.typ == "boot" and parts.kid == kid and ring.adopt(parts):
            return


def find_forks(folder: Path, journal: JournalFiles, journal_id: str | None, ring: KeyRing, findings: Findings) -> None:
    """What a store kept apart because it contradicted what it had: two histories, if the unit signed both."""
    kept: dict[int, dict[str, str]] = {}
    for node, raw in _fork_lines(folder):
        found = verified(raw, ring)
        if found is None:
            continue  # anybody can post rubbish; only what the unit signed says something about the unit
        text, parts = found
        seq = parts.payload.get("seq")
        if parts.payload.get("journal_id") == journal_id and isinstance(seq, int):
            kept.setdefault(seq, {})[sha256_b64u(text.encode("ascii"))] = f"forks/{node.name}"
    if not kept:
        return
    for raw in journal.lines():
        found = split(raw)
        seq = found[1].payload.get("seq") if found is not None else None
        if isinstance(seq, int) and seq in kept and raw.data is not None:
            ours = sha256_b64u(raw.data)
            for digest, name in kept.pop(seq).items():
                if digest != ours:
                    findings.add("fork-kept", f"record {seq}", seq=seq, file=name)


def _fork_lines(folder: Path) -> Iterator[tuple[tree.Node, RawLine]]:
    count = 0
    for node in tree.walk(folder, 2):
        if not node.regular:
            continue
        for raw in read_lines(folder / node.name):
            count += 1
            if count > MAX_FORK_LINES:
                return
            yield node, raw

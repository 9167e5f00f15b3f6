"""What a start does before anything else: read the journal's end, cut torn tails, close what was left open.

Every step may be cut short by another power failure and is simply done again: bytes are set aside and synced before
they are cut, and cut before the record says so; a record that is durable ends the matter.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from firmware_bridge.ports import Clock
from recorder.evidence.encoding import b64u
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.evidence.journal_loader import Finding, LoadedJournal, TornTail, load
from recorder.evidence.journal_reader import iterate, journal_files
from recorder.evidence.jws import Signer
from recorder.evidence.p256 import PublicKey
from recorder.evidence.records import Boot, Recovery
from recorder.evidence.segment_recovery import orphans, recover_orphan
from recorder.evidence.segment_recovery import recover_orphans as recover_orphans
from recorder.evidence.segment_recovery import recover_segment as recover_segment
from recorder.evidence.set_aside import set_aside
from recorder.evidence.state import JournalState

log = logging.getLogger("recorder.evidence")

TORN_DIR = "torn"
_TORN_NAME = re.compile(r"^\d{12}-\d{12}-(\d+)-[0-9a-f]{16}\.torn$")


@dataclass(frozen=True, slots=True)
class BootFacts:
    """Who speaks: EAT names (RFC 9711) as in ``BoardIdentity``, the unit's id, name and version of the software."""

    ueid: str
    unit_id: str
    hwmodel: str
    hwversion: str
    swname: str
    swversion: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """``journal`` is ready to append. ``before``: the state as the last run left it (open session, segments with their
    signed entries, gaps, …), what was done since is in ``journal.state``. ``recoveries``: what was written."""

    journal: Journal
    before: JournalState
    previous_end: Literal["first", "clean", "unclean"]
    same_boot: bool
    recoveries: tuple[Recovery, ...]
    findings: tuple[Finding, ...]


def recover(
    data_dir: Path,
    signer: Signer,
    clock: Clock,
    files: Files,
    boot: BootFacts,
    *,
    checkpoint_records: int,
    keys: Iterable[PublicKey] = (),
    new_id: Callable[[], str] = lambda: str(uuid4()),
) -> Recovered:
    """The single entry point of a start. Call it while no worker runs: a file being written must not be cut.

    Writes ``boot``, then a ``recovery`` for each torn journal tail, each segment left open and each orphan file of the
    open session. ``keys``: further public keys the journal may be signed with. Raises JournalError when the disk takes no
    line, OSError when the journal cannot be read. A segment that cannot be recovered is a finding and stays open.
    """
    directory = data_dir / "journal"
    files.make_dir(directory)
    for file in journal_files(files, directory)[-2:]:  # behind a failed sync the newest is begun and the one before cut
        files.settle(file.path)
    loaded = load(files, directory, [signer.public_key(), *keys])
    cut_torn_tails(files, directory, loaded)
    state = loaded.state
    before = state.copy()
    same_boot = state.last is not None and state.last.bootseed == clock.boot_id()
    previous_end = _previous_end(loaded)
    journal = Journal(
        directory,
        signer,
        clock,
        files,
        state,
        checkpoint_records=checkpoint_records,
        last_file=loaded.last_file,
        new_id=new_id,
    )
    journal.append(
        Boot(
            ueid=boot.ueid,
            unit_id=boot.unit_id,
            hwmodel=boot.hwmodel,
            hwversion=boot.hwversion,
            swname=boot.swname,
            swversion=boot.swversion,
            hash_alg="sha-256",
            x5c=signer.x5c,
            previous_end=previous_end,
            same_boot=same_boot,
        )
    )
    if loaded.findings or loaded.foreign_key:
        journal.rotate()  # the next start need not meet the damage, nor a key it does not hold, again
    findings = list(loaded.findings)
    recoveries = unrecorded_tails(files, data_dir, journal.state)
    for record in recoveries:
        journal.append(record)
    for record in _segments(files, data_dir, journal, before, findings):
        journal.append(record)
        recoveries.append(record)
    for finding in findings:
        log.error("recovery.finding", extra={"fields": {"code": finding.code, "zh": finding.zh, "en": finding.en}})
    return Recovered(journal, before, previous_end, same_boot, tuple(recoveries), tuple(findings))


def _previous_end(loaded: LoadedJournal) -> Literal["first", "clean", "unclean"]:
    state = loaded.state
    if state.last is None:
        return "first"
    clean = state.clean_end and not loaded.torn and not loaded.findings and not state.open_segments
    return "clean" if clean else "unclean"


# --- the journal's own tail ------------------------------------------------------------------------------------------


def cut_torn_tails(files: Files, directory: Path, loaded: LoadedJournal) -> None:
    """Move every torn tail to ``journal/torn/`` and cut it off; a file with nothing else in it is removed.

    The name says where the bytes came from: ``<next seq>-<file>-<offset>-<digest>.torn``.
    """
    for tail in reversed(loaded.torn):
        path = tail.file.path
        size = files.size(path) or 0
        if size > tail.offset:
            name = f"{loaded.state.next_seq:012d}-{tail.file.first_seq:012d}-{tail.offset}-{_digest(files, tail)[:16]}.torn"
            set_aside(files, path, tail.offset, directory / TORN_DIR / name)
        if tail.offset == 0:
            files.remove(path)
        elif size > tail.offset:
            files.truncate(path, tail.offset)


def _digest(files: Files, tail: TornTail) -> str:
    digest = hashlib.sha256()
    offset = tail.offset
    while block := files.read_at(tail.file.path, offset, 1 << 20):
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()


def unrecorded_tails(files: Files, data_dir: Path, state: JournalState) -> list[Recovery]:
    """A ``recovery`` for every file in ``journal/torn/`` that no record names yet: those of this start, and those of one
    that ended between the cut and its record."""
    recorded = set(state.torn_recorded)
    oldest_remembered = min(state.torn_recorded, default="")
    full = len(state.torn_recorded) >= state.TORN_NAMES
    records: list[Recovery] = []
    for name in files.names(data_dir / "journal" / TORN_DIR):
        match = _TORN_NAME.match(name)
        relative = f"journal/{TORN_DIR}/{name}"
        # Names sort by the seq at which they were cut: what sorts before all that is remembered was recorded long ago.
        if match is None or relative in recorded or (full and relative < oldest_remembered):
            continue
        digest = hashlib.sha256()
        size = 0
        for block in files.read_chunks(data_dir / relative):
            digest.update(block)
            size += len(block)
        records.append(
            Recovery(
                subject="journal",
                reason="unclean-stop",
                outcome="kept",
                kept_bytes=int(match[1]),
                torn_bytes=size,
                torn_digest=b64u(digest.digest()),
                torn_file=relative,
            )
        )
    return records


# --- segments --------------------------------------------------------------------------------------------------------


def _segments(
    files: Files, data_dir: Path, journal: Journal, before: JournalState, findings: list[Finding]
) -> Iterable[Recovery]:
    """Recovery records, each yielded once its file is cut; the caller makes each durable before the next."""
    for segment in list(before.open_segments.values()):
        try:
            record = recover_segment(data_dir, files, segment, "unclean-stop")
        except OSError as error:
            findings.append(_failed(segment.segment_id, error))
            continue
        if record.kept_bytes < segment.signed_end:
            findings.append(
                Finding(
                    "signed-bytes-lost",
                    f"片段 {segment.segment_id}: 已签名 {segment.signed_end} 字节，磁盘上只有 {record.kept_bytes} 字节",
                    f"segment {segment.segment_id}: {segment.signed_end} bytes signed, {record.kept_bytes} on disk",
                    segment.segment_id,
                )
            )
        yield record
    if before.session is None:
        return
    session_id = before.session.session_id
    known = known_segments(files, data_dir, journal.state, session_id)
    for segment_id in orphans(data_dir, files, session_id, known.__contains__):
        try:
            yield recover_orphan(data_dir, files, session_id, segment_id, "unclean-stop")
        except OSError as error:
            findings.append(_failed(segment_id, error))


def _failed(segment_id: str, error: OSError) -> Finding:
    return Finding(
        "segment-not-recovered",
        f"片段 {segment_id}: 无法恢复（{error.strerror}），下次启动再试",
        f"segment {segment_id}: cannot be recovered ({error}); the next start tries again",
        segment_id,
    )


def known_segments(files: Files, data_dir: Path, state: JournalState, session_id: str) -> set[str]:
    """Segment ids of the open session that the journal names.

    The state holds the newest ones. Only when the folder has others too, the session's own part of the journal is read.
    """
    session = state.session
    if session is None or session.session_id != session_id:
        return set()
    known = {*session.segments, *state.open_segments}
    if orphans(data_dir, files, session_id, known.__contains__):
        for line in iterate(files, data_dir / "journal", session.start_seq, ("segment-open", "recovery")):
            if line.parts.payload.get("session_id") == session_id:
                known.add(str(line.parts.payload["segment_id"]))
    return known

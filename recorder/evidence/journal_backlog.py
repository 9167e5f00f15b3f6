"""Verifying what a start did not: everything before its checkpoint, step by step, in a thread of little importance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files
from recorder.evidence.journal_loader import Finding, Keyring
from recorder.evidence.journal_reader import journal_files, raw_lines
from recorder.evidence.jws import JwsError
from recorder.evidence.p256 import PublicKey

STEP_RECORDS = 500


class JournalDamage(Exception):
    """The journal is not what this unit wrote: the first place where it is not. ``finding`` says it in both languages."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


@dataclass(frozen=True, slots=True)
class BacklogProgress:
    """``records`` verified so far, the last one in ``file``; ``bytes_read`` of ``bytes_total``."""

    file: str
    records: int
    bytes_read: int
    bytes_total: int


def verify_backlog(
    files: Files,
    directory: Path,
    keys: Iterable[PublicKey],
    until_seq: int,
    on_record: Callable[[str, dict[str, Any]], None] = lambda typ, payload: None,
) -> Iterator[BacklogProgress]:
    """Signature, ``seq`` and ``prev`` of every line from 0 up to and without ``until_seq`` (what the start verified).

    A generator: each step verifies some hundred lines, so its caller may pause between steps and stop at any. ``on_record``
    gets every verified record (an index is rebuilt that way). Raises JournalDamage, OSError.
    """
    listed = journal_files(files, directory)
    total = sum(files.size(file.path) or 0 for file in listed)
    keyring = Keyring(keys)
    expected, prev, before = 0, None, 0
    for index, file in enumerate(listed):
        limit = listed[index + 1].first_seq if index + 1 < len(listed) else None
        bad: Finding | None = None
        for piece in raw_lines(files, file.path):
            if expected >= until_seq:
                yield BacklogProgress(file.path.name, expected, before + piece.offset, total)
                return
            if limit is not None and expected >= limit:
                break  # what follows in this file is superseded by the next
            place = f"{file.path.name}:{piece.offset}"
            try:
                parts = keyring.verify(piece.raw) if piece.complete else None
            except JwsError as error:
                bad = bad or _finding("journal-damaged", place, expected, "日志行损坏", f"a damaged line: {error}")
                continue
            if parts is None:
                bad = bad or _finding("journal-damaged", place, expected, "日志行不完整", "an unfinished line")
                continue
            if bad is not None:
                raise JournalDamage(bad)
            if (parts.payload["seq"], parts.payload["prev"]) != (expected, prev):
                raise JournalDamage(
                    _finding(
                        "journal-chain-broken",
                        place,
                        expected,
                        f"日志链断开：此处为 {parts.payload['seq']}",
                        f"the chain is broken: {parts.payload['seq']} stands here",
                    )
                )
            on_record(parts.typ, parts.payload)
            expected, prev = expected + 1, sha256_b64u(piece.raw)
            if expected % STEP_RECORDS == 0:
                yield BacklogProgress(file.path.name, expected, before + piece.end, total)
        if limit is not None and expected != limit:
            missing = _finding(
                "journal-lines-missing",
                file.path.name,
                expected,
                f"日志缺少记录 {expected} 至 {limit - 1}",
                f"records {expected} to {limit - 1} are missing",
            )
            raise JournalDamage(bad or missing)
        before += files.size(file.path) or 0
    if expected < until_seq:
        raise JournalDamage(
            _finding(
                "journal-lines-missing", "journal", expected, f"日志止于 {expected}", f"the journal ends at {expected}"
            )
        )
    yield BacklogProgress(listed[-1].path.name if listed else "", expected, total, total)


def _finding(code: str, place: str, seq: int, zh: str, en: str) -> Finding:
    return Finding(code, f"{place} seq {seq}: {zh}", en, place)

"""What the stored lines of a journal say, read into the register: the segments and statements they name, and which lines
are missing between them.

The register follows the log: it may be behind (a crash, a busy or full database between the two), and then the lines it
has not read are read from the log. It never moves past a line it has not read: its segments would wait for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.journal_log import JournalLog
from hw_sim.agency.store.journal_rules import INTERPRETED, Head
from hw_sim.agency.store.register import Named, Register
from hw_sim.agency.store.statement_shelf import StatementShelf
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import Record, Recovery, SegmentClose, SegmentOpen, Statement

LINES_AT_ONCE = 1000
"""In one transaction: a long journal read in a single one would keep the other instances waiting beyond their patience."""
_COMMON_SUFFIX = ".mp4.age"

Line = tuple[Head, Record | None]
"""The head behind the line, and its validated form for the types the store acts on."""


class JournalIndex:
    """Used under the journal's lock. Raises sqlite3.Error, OSError."""

    def __init__(self, register: Register, statements: StatementShelf, alarms: Alarms) -> None:
        self._register = register
        self._statements = statements
        self._alarms = alarms

    def behind(self, journal_id: str, head: Head) -> bool:
        """Whether the register has not read all lines up to ``head``."""
        return self._register.indexed(journal_id) != head.next_seq

    def add(self, unit_id: str, journal_id: str, since: int, lines: Sequence[Line]) -> None:
        """What the lines say, and how far the register has read: one transaction. ``since``: the ``next_seq`` of the log
        before them."""
        repeated: list[Named] = []
        with self._register.atomic():
            expected = since
            for head, record in lines:
                if head.next_seq - 1 > expected:
                    self._lost(unit_id, journal_id, expected, head.next_seq - 2)
                expected = head.next_seq
                named = self._read(unit_id, journal_id, head.next_seq - 1, record)
                if named is not None:
                    repeated.append(named)
            head = lines[-1][0]
            self._register.journal_at(unit_id, journal_id, since, head.next_seq, head.digest or "", head.kid or "")
        for named in repeated:
            self._alarms.raise_alarm(
                "segment-named-twice",
                "日志两次记载同一片段",
                "the journal names a segment twice; the first naming stands",
                unit_id=unit_id,
                segment_id=named.segment_id,
                seq=named.seq,
            )

    def catch_up(self, unit_id: str, journal_id: str, log: JournalLog) -> None:
        """Read what the log has and the register has not. Raises ValueError for a line that is not what it was."""
        since = self._register.indexed(journal_id)
        lines = _reread(log, since)
        while part := list(islice(lines, LINES_AT_ONCE)):
            self.add(unit_id, journal_id, since, part)
            since = part[-1][0].next_seq

    def _lost(self, unit_id: str, journal_id: str, first_seq: int, last_seq: int) -> None:
        """The log goes on behind lines the unit has lost. Alarmed within the transaction: a gap that is registered is one
        that was said. One that is registered already (the journal is read once more) is not said again."""
        if (first_seq, last_seq) in self._register.gaps(journal_id):
            return
        self._register.add_gap(journal_id, first_seq, last_seq)
        self._alarms.raise_alarm(
            "journal-gap",
            f"设备丢失了日志行 {first_seq}–{last_seq}，其后的已接收",
            f"the unit has lost lines {first_seq} to {last_seq} of its journal; what follows was taken",
            first_seq=first_seq,
            last_seq=last_seq,
            unit_id=unit_id,
            journal_id=journal_id,
        )

    def _read(self, unit_id: str, journal_id: str, seq: int, record: Record | None) -> Named | None:
        """Returns a naming that came too late."""
        if isinstance(record, SegmentOpen):
            suffix = ".mp4" if record.encryption.format == "none" else _COMMON_SUFFIX
            self._register.opened(unit_id, record.segment_id, suffix)
        if isinstance(record, Statement):
            self._statements.name(unit_id, journal_id, seq, record)
        named = self._named(unit_id, journal_id, seq, record)
        return None if named is None or self._register.name(named) else named

    def _named(self, unit_id: str, journal_id: str, seq: int, record: Record | None) -> Named | None:
        if isinstance(record, SegmentClose):
            session_id, segment_id, sha256, size = (
                record.session_id,
                record.segment_id,
                record.sha256,
                record.size,
            )
        elif isinstance(record, Recovery) and record.subject == "segment" and record.outcome == "kept":
            if record.session_id is None or record.segment_id is None or record.sha256 is None:
                return None
            session_id, segment_id = record.session_id, record.segment_id
            sha256, size = record.sha256, record.kept_bytes
        else:
            return None
        suffix = self._register.suffix(unit_id, segment_id) or _COMMON_SUFFIX
        return Named(unit_id, journal_id, segment_id, session_id, sha256, size, suffix, seq)


def _reread(log: JournalLog, from_seq: int) -> Iterator[Line]:
    """Records of stored, once verified lines."""
    for seq, line in log.lines(from_seq):
        parts = jws.split(line.decode("ascii"))
        model = INTERPRETED.get(parts.typ)
        record = None
        if model is not None:
            fields = {name: value for name, value in parts.payload.items() if name in model.model_fields}
            record = model.model_validate(fields)
        yield Head(seq + 1, sha256_b64u(line), parts.kid), record

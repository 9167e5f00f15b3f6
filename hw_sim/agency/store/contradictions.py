"""Posted journal lines that are signed and contradict what is stored: kept apart and alarmed, or refused as they are."""

from __future__ import annotations

from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.journal_rules import Refusal
from hw_sim.agency.store.open_journals import Journal
from hw_sim.agency.store.problem import JOURNAL_FORK, JOURNAL_INVALID, JOURNAL_LATE, Problem
from hw_sim.agency.store.vault import MOST_FORKS

_SIGNED_BUT = {
    "fork": "同一设备签出了不同的日志",
    "late": "曾申报丢失的日志行后来出现，已另存",
    "broken": "已签名的日志行与已存的链不连续",
}


class Contradictions:
    """Used under the journal's lock."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    def refuse(self, journal: Journal, refusal: Refusal, body: bytes, line: bytes) -> Problem:
        """The answer; what has to be kept is, before. ``line``: the one refused, ``body``: all that was posted."""
        if refusal.kind == "invalid":
            problem = Problem(JOURNAL_INVALID, refusal.reason, seq=refusal.seq, reason=refusal.reason)
            if refusal.unknown_kid is not None:
                problem.members["unknown_kid"] = refusal.unknown_kid
            return problem
        self._set_aside(journal, refusal, body, line)
        if refusal.kind == "late":
            # With next_seq the unit goes on where the store stands, as after a gap.
            return Problem(JOURNAL_LATE, refusal.reason, seq=refusal.seq, next_seq=journal.log.head.next_seq)
        if refusal.kind == "fork":
            return Problem(JOURNAL_FORK, refusal.reason, seq=refusal.seq)
        return Problem(JOURNAL_INVALID, refusal.reason, seq=refusal.seq, reason=refusal.reason)

    def _set_aside(self, journal: Journal, refusal: Refusal, body: bytes, line: bytes) -> None:
        """Alarmed once for each first line that differs, before it is kept: a crash in between says it twice, never not."""
        vault = journal.vault
        kept = vault.fork_name(refusal.seq, line)
        new = not vault.has_fork(kept)
        where = {"unit_id": vault.unit_id, "journal_id": vault.journal_id, "seq": refusal.seq}
        if new and not vault.has_room_for_fork():
            if not journal.forks_full:
                journal.forks_full = True
                self._alarms.raise_alarm(
                    "journal-forks-full",
                    "该日志另存的行已达上限，其后的不再另存",
                    f"{MOST_FORKS} contradictions of this journal are kept apart; no further ones are",
                    **where,
                )
            return
        if new:
            self._alarms.raise_alarm(
                f"journal-{refusal.kind}", _SIGNED_BUT[refusal.kind], refusal.reason, kept=kept, **where
            )
        vault.keep_fork(kept, line, body)

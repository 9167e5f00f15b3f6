"""The 24 hours of art. 24 at work: what is owed is looked at, warned of in time, and shown; field mode and return."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from recorder.config.models import RecorderConfig, Statutory
from recorder.evidence import jws
from recorder.evidence.records import DeadlineBasis, Event, ReceiptRecord, Record
from recorder.evidence.state import JournalState
from recorder.evidence.warning_log import WARNING_EVENT
from recorder.session.elapsed import BootClock, BootClocks
from recorder.session.events import Moment
from recorder.session.statutory import (
    FIELD_REASONS,
    Due,
    FieldMode,
    Level,
    OwedSession,
    StatutoryRules,
    WarningBook,
    coverable,
    judge,
)
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices

LOOK_US = 10_000_000
"""Hours are at stake: every ten seconds is often enough, and a backlog of ten thousand segments takes a while to count."""

FORECAST_US = 1_800_000_000
"""A forecast nobody repeated for so long says nothing any more: the uplink repeats it every ten minutes."""

AT_RISK = "deadline-at-risk"

NAMED = 32
"""Sessions one record of a warning names, each of them: what it does not name would be warned of again by a restart."""


def _rules(config: Statutory) -> StatutoryRules:
    return StatutoryRules(
        near_us=round(config.near_h * 3.6e9),
        urgent_us=round(config.urgent_h * 3.6e9),
        per=config.per,
        completion=config.completion,
        continuous_us=round(config.continuous_after_h * 3.6e9),
    )


class StatutoryDesk(Duty):
    name = "statutory"
    read_only: ClassVar[frozenset[str]] = frozenset({"deadlines"})
    own_record: ClassVar[frozenset[str]] = frozenset({"store-forecast"})
    for_uplink: ClassVar[frozenset[str]] = frozenset({"store-forecast"})
    """The one word of the uplink's that is believed unsigned: it warns too often at the worst, and changes nothing."""

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._rules = _rules(services.p.config.statutory)
        self._warnings = WarningBook()
        self._next_look_us = 0
        self._waiting = False
        self._late_segments = 0
        self._late_until_us = 0
        self._risk_told = False
        self._receipted: set[str] = set()
        """Segments stored since the officer was last told that all are."""

    def commands(self) -> Mapping[str, Command]:
        return {
            "field-mode": self._field_mode,
            "returned": self._returned,
            "deadlines": self._deadlines,
            "store-forecast": self._forecast,
        }

    def started(self, before: JournalState) -> None:
        self._warnings = WarningBook(dict(before.warnings.given()))
        if any(fault.code == AT_RISK for fault in before.open_faults.values()):
            # Told at its onset; the first forecast of the new run is no news, unless none comes for so long.
            self._risk_told = True
            self._late_until_us = self._unit.now_us() + FORECAST_US

    def reconfigured(self, before: RecorderConfig) -> None:
        self._rules = _rules(self._unit.p.config.statutory)
        self._next_look_us = 0

    def observe(self, record: Record) -> None:
        if isinstance(record, ReceiptRecord):
            self._receipted.update(stored["segment_id"] for stored in jws.split(record.jws).payload["segments"])

    def poll(self, now_us: int, wall_us: int) -> None:
        if now_us >= self._next_look_us:
            self._next_look_us = now_us + LOOK_US
            self.look()

    def look(self) -> None:
        dues = self._dues()
        if dues is None:
            return  # a backlog half counted would say that all is stored
        for level, news in self._warnings.news(dues).items():
            self._warn(level, news)
        self._faults(dues)
        self._at_risk(dues)
        self._tell_health(dues)
        self._all_stored()

    # --- what is owed ------------------------------------------------------------------------------------------------

    def _now(self) -> Moment:
        clock = self._unit.p.clock
        return Moment(clock.boottime_us(), clock.boot_id(), clock.wall_us())

    def _clocks(self, now: Moment) -> BootClocks:
        known = [
            BootClock(c.bootseed, c.first_us, c.last_us, c.offset_us)
            for c in self._unit.p.journal.state.clocks.carried()
        ]
        offset = now.wall_us - now.at_us
        first_us = known.pop().first_us if known and known[-1].bootseed == now.bootseed else now.at_us
        return BootClocks([*known, BootClock(now.bootseed, first_us, now.at_us, offset)])

    def _mode(self) -> FieldMode:
        mode = self._unit.p.journal.state.field_mode
        since = mode.since
        return FieldMode(
            reason=next((reason for reason in FIELD_REASONS if reason == mode.reason), None),
            since=None if since is None else Moment(since.at_us, since.bootseed, round(since.wall * 1e6)),
            covered=frozenset(mode.covered),
            returned=tuple(
                (item.session_id, Moment(item.at.at_us, item.at.bootseed, round(item.at.wall * 1e6)))
                for item in mode.returned
            ),
        )

    def _owed(self) -> list[OwedSession] | None:
        """None while the index is being made anew, also when it turns out to be lost as it is asked."""
        index = self._unit.p.index
        owed = [] if index.behind else index.owed()
        return None if index.behind else owed

    def _dues(self) -> tuple[Due, ...] | None:
        owed, now = self._owed(), self._now()
        return None if owed is None else judge(owed, self._mode(), now, self._clocks(now), self._rules)

    # --- telling -----------------------------------------------------------------------------------------------------

    def _warn(self, level: Level, news: Sequence[Due]) -> None:
        left_us = min(due.left_us or 0 for due in news)
        for first in range(0, len(news), NAMED):
            named = news[first : first + NAMED]
            detail = {
                "level": level,
                "sessions": len(named),
                "session_ids": [due.session_id for due in named],
                "segments": sum(due.segments for due in named),
                "left_s": round(left_us / 1e6),
            }
            self._unit.write(Event(event=WARNING_EVENT, at_us=self._unit.now_us(), detail=detail))
        if level == "overdue":
            self._unit.say("store-overdue")
        else:
            self._unit.say("store-due", hours=max(1, round(left_us / 3.6e9)))

    def _faults(self, dues: Sequence[Due]) -> None:
        near = [due for due in dues if due.level in ("near", "urgent")]
        missed = [due for due in dues if due.level == "overdue"]
        for code, found in (("deadline-near", near), ("deadline-missed", missed)):
            evidence = {"sessions": len(found), "segments": sum(due.segments for due in found)}
            self._unit.fault(code, "storage-deadline", bool(found), evidence if found else {})

    def _all_stored(self) -> None:
        """Once, when nothing is left to store and nothing is being recorded: then the unit may be handed in. Never while
        the store lacks lines of ours: what they sign is here only."""
        if not self._receipted or self._unit.p.machine.session_id is not None:
            return
        lacking = self._unit.p.index.withheld() or self._unit.p.custody.gaps.contradicted
        if not lacking and self._owed() == []:
            self._unit.say("stored", segments=len(self._receipted))
            self._receipted.clear()

    # --- will it be in time ------------------------------------------------------------------------------------------

    def _forecast(self, message: dict[str, Any]) -> Answer:
        """The uplink knows its rate, and says how many segments will miss their deadline at it (0: none any more)."""
        late = message.get("late_segments")
        if isinstance(late, bool) or not isinstance(late, int) or late < 0:
            return refusal("bad-forecast", "late_segments 不是 0 以上的整数", "late_segments is no number of 0 or more")
        first, self._risk_told = late > 0 and not self._risk_told, late > 0
        self._late_segments = late
        self._late_until_us = self._unit.now_us() + FORECAST_US
        dues = self._dues()
        if dues is not None:
            self._at_risk(dues, speak=first)
        return {"ok": True}

    def _at_risk(self, dues: Sequence[Due], *, speak: bool = False) -> None:
        left_us = [due.left_us for due in dues if due.left_us is not None and due.left_us > 0]
        if not left_us or self._unit.now_us() >= self._late_until_us:
            self._late_segments, self._risk_told = 0, False  # nothing is owed, or nobody says so any more
        late = self._late_segments
        self._unit.fault(AT_RISK, "storage-deadline", late > 0, {"segments": late} if late else {})
        if late and speak:
            self._unit.say("store-due", hours=max(1, round(min(left_us) / 3.6e9)))

    def _tell_health(self, dues: Sequence[Due]) -> None:
        left_us = min((due.left_us for due in dues if due.left_us is not None), default=None)
        deadline_us = None if left_us is None else self._unit.now_us() + left_us
        self._unit.p.health.owed(deadline_us, sum(due.level == "overdue" for due in dues))

    # --- commands ----------------------------------------------------------------------------------------------------

    def _field_mode(self, message: dict[str, Any]) -> Answer:
        if self._waiting:
            return _WAITING
        reason = message.get("reason")
        if reason not in FIELD_REASONS:
            allowed = "、".join(FIELD_REASONS)
            return refusal(
                "bad-reason",
                f"理由只能是：{allowed}（第二十四条第二款）",
                f"the reason must be one of {allowed} (art. 24)",
            )
        mode = self._mode()
        if mode.reason is not None:
            return refusal(
                "field-mode-on",
                f"已登记{mode.reason}，尚未返回",
                f"{mode.reason} is declared already and not returned from",
            )
        declared_by = self._declared_by(message)
        if isinstance(declared_by, dict):
            return declared_by
        owed = self._owed()
        if owed is None:
            return _NOT_READY
        now = self._now()
        covered, late = coverable(owed, mode, now, self._clocks(now), self._rules)
        covered += self._running(covered, late, mode)
        self._write(DeadlineBasis(basis=reason, declared_by=declared_by, sessions=covered))
        self._unit.say("field-mode", reason=reason)
        answer: Answer = {"ok": True, "covered": list(covered), "overdue": list(late)}
        if late:
            answer["warning"] = {
                "zh": f"{len(late)} 次记录此前已经超过二十四小时，登记对其无效",
                "en": f"{len(late)} recordings were overdue before; this declaration does not cover them",
            }
        return answer

    def _returned(self, message: dict[str, Any]) -> Answer:
        if self._waiting:
            return _WAITING
        mode = self._mode()
        if mode.reason is None or mode.since is None:
            return refusal("no-field-mode", "没有登记过外出执法", "no field mode is declared")
        declared_by = self._declared_by(message)
        if isinstance(declared_by, dict):
            return declared_by
        owed = self._owed()
        if owed is None:
            return _NOT_READY
        clocks, used = self._clocks(self._now()), {session_id for session_id, _ in mode.returned}
        again = tuple(
            session.session_id
            for session in owed
            if session.session_id not in used
            and (session.session_id in mode.covered or not clocks.before(session.began, mode.since))
        )
        self._write(DeadlineBasis(basis="returned", declared_by=declared_by, sessions=again))
        self._unit.say("returned")
        return {"ok": True, "sessions": list(again)}

    def _running(self, covered: Sequence[str], late: Sequence[str], mode: FieldMode) -> tuple[str, ...]:
        """The recording that goes on: it owes nothing before its first segment is closed, and it began before."""
        session_id = self._unit.p.machine.session_id
        named = {*covered, *late, *(used for used, _ in mode.returned)}
        return () if session_id is None or session_id in named else (session_id,)

    def _write(self, basis: DeadlineBasis) -> None:
        """What is declared counts when it is durable; until then nothing else is decided on top of it."""
        self._waiting = True
        self._unit.write(basis)
        self._unit.after_commit(self._written)

    def _written(self) -> None:
        self._waiting = False

    def _declared_by(self, message: dict[str, Any]) -> str | Answer | None:
        """The officer's reference; None when nobody is named; a refusal for somebody who is not signed in."""
        cert_no = message.get("cert_no")
        if cert_no is None:
            return None
        if cert_no not in self._unit.p.officers.certificate_numbers:
            return refusal("not-signed-in", "该执法证号没有登记", "this certificate number is not signed in")
        return self._unit.p.custody.officer_ref(str(cert_no))

    def _deadlines(self, message: dict[str, Any]) -> Answer:
        dues = self._dues()
        if dues is None:
            return _NOT_READY
        return {
            "ok": True,
            "field_mode": self._mode().reason,
            "sessions": [
                {
                    "session_id": due.session_id,
                    "segments": due.segments,
                    "left_s": None if due.left_us is None else round(due.left_us / 1e6),
                    "level": due.level,
                    "proven": due.proven,
                }
                for due in dues
            ],
        }


_NOT_READY = refusal("not-ready", "索引正在重建，请稍后再试", "the index is being rebuilt; try again shortly")
_WAITING = refusal(
    "not-ready", "上一次登记尚未写入，请稍后再试", "the last declaration is not written yet; try again shortly"
)

"""A start that begins at a checkpoint must know exactly what one that reads everything knows."""

from __future__ import annotations

import random
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence import jws
from recorder.evidence.config_order import detail
from recorder.evidence.personal import seal_field
from recorder.evidence.records import (
    Command,
    Common,
    Config,
    DeadlineBasis,
    Encryption,
    Event,
    Fault,
    Head,
    Interruption,
    Mark,
    OfficerSignIn,
    OfficerSignOut,
    ReceiptRecord,
    Record,
    Recovery,
    Release,
    Resumption,
    SegmentClose,
    SegmentOpen,
    SessionStart,
    SessionStop,
    ShiftEnd,
    ShiftStart,
    Standby,
)
from recorder.evidence.state import JournalState
from tests.evidence.kit import BOOT_A, BOOT_B, counting_ids, signer
from tests.evidence.unit_model import MEDIA

DIGEST = "A" * 43


class Story:
    """A random but possible course of records, as payloads with their Common fields."""

    def __init__(self, seed: int) -> None:
        self.rnd = random.Random(seed)
        self.ids = counting_ids(seed + 1)
        self.state = JournalState()
        self.now = 1000
        self.boot = BOOT_A

    def records(self, count: int) -> list[tuple[str, dict[str, Any], str]]:
        told = []
        for seq in range(count):
            self.now += self.rnd.randint(1, 1000)
            if self.rnd.random() < 0.03:
                self.boot, self.now = (BOOT_B if self.boot == BOOT_A else BOOT_A), 500
            record = self._next()
            payload = {
                "ver": 1,
                "journal_id": "00000000-0000-4000-8000-000000000000",
                "seq": seq,
                "prev": None if seq == 0 else f"{seq - 1:043d}",
                "iat": 1.7e9 + self.now / 1e6,
                "uptime_us": self.now,
                "bootcount": 1,
                "bootseed": self.boot,
                "clock": {"source": "ntp", "synchronized": True, "max_error_ms": 1.0},
                **record.model_dump(mode="json"),
            }
            told.append((record.TYP, payload, f"{seq:043d}"))
            self.state.apply(*told[-1])
        return told

    def _next(self) -> Record:
        state, rnd = self.state, self.rnd
        options: list[Record] = [
            Standby(shift_id=None, from_us=0, to_us=self.now),
            Event(event=rnd.choice(["unit-down", "night-on"]), at_us=self.now, detail={}),
            Event(
                event="deadline-warning",
                at_us=self.now,
                detail={"level": rnd.choice(["near", "urgent", "overdue"]), "session_ids": [self.ids()]},
            ),
            Event(
                event="prompt",
                at_us=self.now,
                detail={"id": rnd.choice(["store-due", "store-overdue"]), "outcome": rnd.choice(["spoken", "cut"])},
            ),
            Mark(mark_id=self.ids(), session_id=self.ids(), kind="key", at_us=1, segment_ids=()),
            Command(
                command_id=self.ids(),
                source=rnd.choice(["mqtt", "control-socket"]),
                name="config",
                result=rnd.choice(["accepted", "refused"]),
                detail=rnd.choice(["desired-unit", detail(rnd.randint(1, 9), DIGEST, "2 errors")]),
            ),
            Config(sha256=DIGEST, layers=(), status=rnd.choice(["applied", "refused"]), errors=()),
            DeadlineBasis(basis="returned", declared_by=None, sessions=()),
            Fault(fault_id=self.ids(), code="x", phase="onset", component="c", onset_us=self.now, evidence={}),
            ReceiptRecord(receipt_id=self.ids(), receipt_digest=f"{self.now:043d}", jws="x"),
            Release(
                session_id=self.ids(),
                segment_id=self.ids(),
                size=1,
                sha256=DIGEST,
                receipt_digest=DIGEST,
                reason="free-space",
            ),
        ]
        for fault_id in state.open_faults:
            options.append(Fault(fault_id=fault_id, code="x", phase="end", component="c", onset_us=1, evidence={}))
        options += self._shift() + self._session() + self._segments()
        return rnd.choice(options)

    def _shift(self) -> list[Record]:
        state = self.state
        if state.shift is None:
            return [ShiftStart(shift_id=self.ids(), trigger="auto")]
        shift_id = state.shift.shift_id
        ref = f"{self.now:043d}"
        options: list[Record] = [
            ShiftEnd(shift_id=shift_id, trigger="officer"),
            OfficerSignIn(
                shift_id=shift_id, officer=seal_field({"n": 1}, []), officer_ref=ref, method="command", count=1
            ),
        ]
        options += [OfficerSignOut(shift_id=shift_id, officer_ref=ref, count=0) for ref in state.officers]
        return options

    def _session(self) -> list[Record]:
        session = self.state.session
        if session is None:
            return [
                SessionStart(
                    session_id=self.ids(),
                    shift_id=None,
                    trigger="button",
                    resumes=None,
                    at_us=self.now,
                    cameras=("cam0", "cam1"),
                    officers=0,
                    matter=None,
                    last_receipt=None,
                )
            ] * 3
        camera_id = self.rnd.choice(["cam0", "cam1"])
        open_segment = SegmentOpen(
            session_id=session.session_id,
            segment_id=self.ids(),
            segment_index=session.next_index.get(camera_id, 0),
            camera_id=camera_id,
            role=self.rnd.choice(["live", "preroll", "postroll"]),
            media_start_us=self.now,
            media=MEDIA,
            encryption=Encryption(format=self.rnd.choice(["age-v1", "none"]), recipients=()),
            overlay=None,
        )
        interruption = Interruption(
            gap_id=self.ids(),
            session_id=session.session_id,
            camera_id=camera_id,
            cause="unknown",
            detail="",
            from_us=self.now,
            from_bootseed=self.rnd.choice([BOOT_A, BOOT_B]),
            last_segment_id=None,
        )
        stop = SessionStop(session_id=session.session_id, reason="button", at_us=self.now, segment_count=1)
        return [open_segment] * 4 + [interruption, stop]

    def _segments(self) -> list[Record]:
        options: list[Record] = []
        for segment in self.state.open_segments.values():
            entry = (segment.signed_end, 10, DIGEST, DIGEST, self.now)
            options += [Head(segment_id=segment.segment_id, first=segment.entries, entries=(entry,))] * 3
            options.append(
                SegmentClose(
                    session_id=segment.session_id,
                    segment_id=segment.segment_id,
                    camera_id=segment.camera_id,
                    reason="split",
                    entries=1,
                    size=1,
                    sha256=DIGEST,
                    plaintext_size=1,
                    plaintext_sha256=DIGEST,
                    media_start_us=1,
                    media_end_us=self.now,
                    frames=1,
                    dropped_frames=0,
                    audio_gaps_us=0,
                    fix_seconds=0,
                )
            )
            options.append(
                Recovery(
                    subject="segment",
                    reason="worker-exit",
                    session_id=segment.session_id,
                    segment_id=segment.segment_id,
                    camera_id=segment.camera_id,
                    outcome="empty",
                )
            )
        for gap in self.state.open_gaps.values():
            options.append(
                Resumption(
                    gap_id=gap.gap_id,
                    session_id=gap.session_id,
                    camera_id=gap.camera_id,
                    segment_id=self.ids(),
                    to_us=self.now,
                    duration_us=1,
                    duration_basis="boottime",
                )
            )
        return options


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), before=st.integers(1, 80), after=st.integers(0, 30))
def test_a_checkpoint_carries_everything_a_start_needs(seed: int, before: int, after: int) -> None:
    story = Story(seed)
    told = story.records(before + after)
    whole = JournalState()
    for typ, payload, digest in told[:before]:
        whole.apply(typ, payload, digest)
    carrying = whole.checkpoint("interval")
    line = jws.sign("checkpoint", {**told[before - 1][1], **carrying.model_dump(mode="json")}, signer())
    assert len(line) < jws.MAX_LINE
    common = {**told[before - 1][1], "seq": before}
    payload = {**common, **carrying.model_dump(mode="json")}
    whole.apply("checkpoint", payload, DIGEST)
    again = JournalState.from_checkpoint(payload, DIGEST)
    assert again == whole
    for typ, later, digest in told[before:]:
        whole.apply(typ, later, digest)
        again.apply(typ, later, digest)
    assert again == whole


@given(seed=st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_copy_is_independent(seed: int) -> None:
    story = Story(seed)
    told = story.records(40)
    state = JournalState()
    for typ, payload, digest in told[:20]:
        state.apply(typ, payload, digest)
    copy = state.copy()
    frozen = copy.checkpoint("interval")
    for typ, payload, digest in told[20:]:
        state.apply(typ, payload, digest)
    assert copy.checkpoint("interval") == frozen
    assert copy.next_seq == 20


def test_a_record_of_an_unknown_form_still_moves_the_position() -> None:
    story = Story(1)
    typ, payload, digest = story.records(1)[0]
    state = JournalState()
    try:
        state.apply("segment-open", cast(dict[str, Any], {**payload}), digest)
    except KeyError as error:
        assert error.args[0] in ("camera_id", "segment_id", "role")
    else:
        assert typ == "segment-open"
    assert (state.next_seq, state.prev) == (1, digest)


def test_media_of_the_preroll_does_not_count_as_the_end_of_the_recording() -> None:
    """The pre-roll is written late and ends before the live media: a gap measured from it would be wrong."""
    story = Story(2)
    told = story.records(1)
    common = {name: value for name, value in told[0][1].items() if name in Common.model_fields}
    state = JournalState()
    start = SessionStart(
        session_id=story.ids(),
        shift_id=None,
        trigger="button",
        resumes=None,
        at_us=5,
        cameras=("cam0",),
        officers=0,
        matter=None,
        last_receipt=None,
    )
    state.apply("session-start", {**common, **start.model_dump(mode="json")}, DIGEST)
    ends: dict[str, int] = {"live": 700, "preroll": 900}
    for role, end_us in ends.items():
        segment_id = story.ids()
        opened = SegmentOpen(
            session_id=start.session_id,
            segment_id=segment_id,
            segment_index=1,
            camera_id="cam0",
            role="live" if role == "live" else "preroll",
            media_start_us=1,
            media=MEDIA,
            encryption=Encryption(format="none", recipients=()),
            overlay=None,
        )
        head = Head(segment_id=segment_id, first=0, entries=((0, 10, DIGEST, DIGEST, end_us),))
        state.apply("segment-open", {**common, **opened.model_dump(mode="json")}, DIGEST)
        state.apply("head", {**common, **head.model_dump(mode="json")}, DIGEST)
    assert state.session is not None
    assert state.session.media_end["cam0"].at_us == ends["live"]
    assert state.session.next_index == {"cam0": 2}


def test_accounted_is_the_latest_moment_of_the_newest_boot() -> None:
    state = JournalState()
    assert state.accounted() is None
    payload = Story(3).records(1)[0][1]
    standby = Standby(shift_id=None, from_us=0, to_us=10**9).model_dump(mode="json")
    state.apply("standby", {**payload, **standby}, DIGEST)
    accounted = state.accounted()
    assert accounted is not None
    assert accounted[0] == 10**9
    assert accounted[1] == payload["iat"] + (10**9 - payload["uptime_us"]) / 1e6

"""The order of upload and what counts as done, as properties over random shifts."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import (
    DeadlineMoved,
    Granted,
    JournalGrew,
    JournalReset,
    Marked,
    ReceiptWanted,
    Released,
    Segment,
    SessionStarted,
    SessionStopped,
)
from recorder.uplink.links import Link, LinkPolicy
from recorder.uplink.precedence import SKEW_S, STATUTORY_S
from recorder.uplink.queue import CALLED_US, AskReceipt, PostJournal, Upload, UploadQueue, Wait
from recorder.uplink.turn import MqttState, StoreState, TurnWord

J = "00000000-0000-4000-8000-000000000000"
S = 1_000_000


def seg(number: int, session: str = "a", closed_at: float = 0.0, size: int = 100) -> Segment:
    return Segment(J, number, session, f"{number:08x}", f"digest-{number}", size, closed_at)


def make(interval_s: float = 5.0) -> UploadQueue:
    return UploadQueue(BackoffPolicy(2.0, 300.0), interval_s)


SEGMENTS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100_000), st.booleans()), min_size=1, max_size=25)


@given(SEGMENTS, st.dictionaries(st.sampled_from("abc"), st.integers(0, 200_000)), st.randoms())
def test_marked_first_then_deadline_then_sequence(rows: list, stops: dict, rnd) -> None:  # type: ignore[no-untyped-def, type-arg]  # hypothesis hands plain values over
    queue = make()
    segments = [seg(number, session, float(closed)) for number, (session, closed, _) in enumerate(rows)]
    marked = {f"{number:08x}" for number, (_, _, mark) in enumerate(rows) if mark}
    facts: list[object] = [*segments, *(SessionStopped(key, float(at)) for key, at in stops.items())]
    if marked:
        facts.append(Marked("a", tuple(marked)))
    rnd.shuffle(facts)
    for fact in facts:
        queue.apply(fact)  # type: ignore[arg-type]  # shuffled as objects
    order = []
    while isinstance(action := queue.next(0), Upload):
        order.append(action.segment)
        assert queue.receipted(action.segment.segment_id, action.segment.sha256, action.segment.size)

    def rank(segment: Segment) -> tuple[bool, float, int]:
        start = float(stops.get(segment.session_id, segment.closed_at))
        return (segment.segment_id not in marked, start + STATUTORY_S, segment.seq)

    assert order == sorted(segments, key=rank)
    assert queue.next(0) == Wait(None)


@given(SEGMENTS, st.integers(0, 10**9))
def test_the_journal_goes_before_any_segment(rows: list, now: int) -> None:  # type: ignore[type-arg]  # plain values
    queue = make()
    for number, (session, closed, _) in enumerate(rows):
        queue.apply(seg(number, session, float(closed)))
    queue.apply(JournalGrew(J, len(rows)))
    assert queue.next(now) == PostJournal(J, None, len(rows))


ACTIONS = st.lists(st.sampled_from(["fail", "done", "gone", "busy", "grow", "receipt", "wait"]), max_size=60)


@given(ACTIONS, st.randoms())
def test_nothing_is_done_without_a_receipt_and_nothing_is_forgotten(actions: list[str], rnd) -> None:  # type: ignore[no-untyped-def]  # random.Random
    queue = make()
    waiting = {segment.segment_id: segment for segment in (seg(number) for number in range(5))}
    for segment in waiting.values():
        queue.apply(segment)
    now, head = 0, 4
    for what in actions:
        action = queue.next(now)
        if isinstance(action, Wait):
            assert action.until_us is None or action.until_us > now, "a wait that is over would spin"
        if isinstance(action, Upload | AskReceipt):
            assert action.segment.segment_id in waiting
        if what == "grow":
            head += 1
            queue.apply(JournalGrew(J, head))
        elif what == "wait":
            now = action.until_us if isinstance(action, Wait) and action.until_us is not None else now + S
        elif isinstance(action, PostJournal):
            if what in ("fail", "busy"):
                queue.failed("journal" if what == "fail" else "store", now, rnd.random())
                queue.journal_position(None)
            else:
                queue.journal_posted(head + 1, now)
        elif isinstance(action, Upload | AskReceipt):
            segment = action.segment
            if what == "receipt":
                assert queue.receipted(segment.segment_id, segment.sha256, segment.size)
                del waiting[segment.segment_id]
            elif what in ("done", "gone"):
                queue.uploaded(segment.segment_id)
            else:
                hold = "store" if what == "busy" else "segment"
                queue.failed(hold, now, rnd.random(), segment_id=segment.segment_id)  # type: ignore[arg-type]  # text
        assert queue.backlog().segments == len(waiting)
    # Whatever happened, waiting long enough brings every segment up again.
    for _ in range(50):
        action = queue.next(now)
        if isinstance(action, Wait):
            if action.until_us is None:
                break
            now = action.until_us
        elif isinstance(action, PostJournal):
            queue.journal_posted(head + 1, now)
        else:
            del waiting[action.segment.segment_id]
            queue.receipted(action.segment.segment_id, action.segment.sha256, action.segment.size)
    assert not waiting


def test_a_receipt_for_other_bytes_is_not_done() -> None:
    queue = make()
    queue.apply(seg(1))
    assert not queue.receipted("00000001", "another digest", 100)
    assert not queue.receipted("00000001", "digest-1", 99)
    assert isinstance(queue.next(0), Upload)
    assert queue.receipted("00000001", "digest-1", 100)
    assert queue.next(0) == Wait(None)


def test_a_receipt_known_before_the_segment_counts() -> None:
    queue = make()
    queue.receipted("00000001", "digest-1", 100)
    queue.apply(seg(1))
    assert queue.next(0) == Wait(None)


def test_a_released_segment_is_not_asked_for_again() -> None:
    queue = make()
    queue.apply(seg(1))
    queue.apply(Released("00000001"))
    queue.apply(seg(1))
    assert queue.next(0) == Wait(None)


def test_after_the_last_byte_the_receipt_is_asked_for_not_the_upload_repeated() -> None:
    queue = make()
    queue.apply(seg(1))
    queue.uploaded("00000001")
    assert queue.next(0) == AskReceipt(seg(1))
    queue.must_upload("00000001")
    assert queue.next(0) == Upload(seg(1))


def test_a_fault_of_one_segment_leaves_the_others_moving() -> None:
    queue = make()
    queue.apply(seg(1))
    queue.apply(seg(2))
    queue.failed("segment", 0, 0.5, segment_id="00000001")
    assert queue.next(0) == Upload(seg(2))


def test_a_fault_of_the_store_rests_everything_and_doubles() -> None:
    queue = make()
    queue.apply(seg(1))
    queue.apply(JournalGrew(J, 5))
    assert queue.failed("store", 0, 0.5) == 1.0
    assert queue.next(0) == Wait(S)
    assert queue.anchor_now(0) is None
    assert queue.failed("store", S, 0.5) == 2.0
    assert queue.failed("store", S, 0.5, retry_after_s=60) == 66.0
    queue.store_answered()
    assert isinstance(queue.next(S), PostJournal)


def test_journal_rhythm_and_the_urgent_post_after_an_upload() -> None:
    queue = make(interval_s=5.0)
    queue.apply(JournalGrew(J, 9))
    assert queue.next(0) == PostJournal(J, None, 9)
    queue.journal_posted(10, 0)
    assert queue.next(0) == Wait(None)
    queue.apply(JournalGrew(J, 20))
    assert queue.next(S) == Wait(5 * S)
    assert queue.next(5 * S) == PostJournal(J, 10, 20)
    queue.apply(seg(15))
    queue.uploaded("0000000f")
    assert queue.next(S) == PostJournal(J, 10, 20), "its receipt needs the journal up to its close"


def test_standby_alone_is_posted_at_its_own_rhythm_and_everything_else_at_the_usual_one() -> None:
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, 30.0)
    queue.apply(JournalGrew(J, 9))
    queue.journal_posted(10, 0)
    queue.apply(JournalGrew(J, 12, idle=True))
    assert queue.next(5 * S) == Wait(30 * S)
    queue.apply(JournalGrew(J, 13))  # a fault, the start of a recording, its heads
    assert queue.next(5 * S) == PostJournal(J, 10, 13)
    queue.journal_posted(14, 5 * S)
    queue.apply(SessionStarted("s"))
    queue.apply(JournalGrew(J, 15, idle=True))
    assert queue.next(10 * S) == PostJournal(J, 14, 15), "a recording is going on"
    queue.journal_posted(16, 10 * S)
    queue.apply(SessionStopped("s", 0.0))
    queue.apply(JournalGrew(J, 17, idle=True))
    assert queue.next(15 * S) == Wait(40 * S)


def test_a_standby_rhythm_shorter_than_the_usual_one_is_the_usual_one() -> None:
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, 1.0)
    queue.apply(JournalGrew(J, 9))
    queue.journal_posted(10, 0)
    queue.apply(JournalGrew(J, 12, idle=True))
    assert queue.next(0) == Wait(5 * S)


def test_a_long_journal_goes_up_batch_after_batch() -> None:
    queue = make(interval_s=5.0)
    queue.apply(JournalGrew(J, 99))
    queue.journal_posted(40, 0)
    assert queue.next(0) == PostJournal(J, 40, 99)


def test_a_journal_fault_leaves_segments_moving() -> None:
    queue = make()
    queue.apply(seg(1))
    queue.apply(JournalGrew(J, 5))
    queue.failed("journal", 0, 0.5)
    assert queue.next(0) == Upload(seg(1))


def test_extension_and_return_move_the_deadline() -> None:
    """Art. 24 ¶2: the clock stands while the reason lasts and runs 24 hours from the return."""
    queue = make()
    early, late = seg(1, "a", 0.0), seg(2, "b", 1000.0)
    queue.apply(early)
    queue.apply(late)
    queue.apply(DeadlineMoved(("a",), None))
    assert queue.precedence.deadline(early) == math.inf
    assert queue.next(0) == Upload(late)
    queue.apply(DeadlineMoved((), 5000.0))
    assert queue.precedence.deadline(early) == 5000.0 + STATUTORY_S
    assert queue.precedence.deadline(late) == 1000.0 + STATUTORY_S
    assert queue.backlog().earliest_deadline == 1000.0 + STATUTORY_S


def test_what_is_recorded_under_a_declaration_has_no_deadline_before_the_return() -> None:
    queue = make()
    queue.apply(DeadlineMoved((), None))
    queue.apply(seg(1, "a", 100.0))
    queue.apply(SessionStopped("a", 100.0))
    assert queue.precedence.deadline(seg(1, "a", 100.0)) == math.inf
    queue.apply(DeadlineMoved(("a",), 900.0))
    queue.apply(SessionStopped("b", 1000.0))
    assert queue.precedence.deadline(seg(1, "a", 100.0)) == 900.0 + STATUTORY_S
    assert queue.precedence.deadline(seg(2, "b", 1000.0)) == 1000.0 + STATUTORY_S


def test_a_mark_without_segments_marks_the_session() -> None:
    queue = make()
    queue.apply(seg(1, "a"))
    queue.apply(seg(2, "b"))
    queue.apply(Marked("b", ()))
    assert queue.next(0) == Upload(seg(2, "b"), first=True)
    assert queue.backlog().marked == 1


def test_another_journal_starts_over_but_receipts_stay_known() -> None:
    queue = make()
    queue.receipted("00000001", "digest-1", 100)
    queue.apply(seg(2))
    queue.apply(JournalReset())
    assert queue.next(0) == Wait(None)
    queue.apply(seg(1))
    assert queue.next(0) == Wait(None)


def test_hurry_shortens_a_long_wait_but_stays_jittered() -> None:
    queue = make()
    queue.apply(seg(1))
    for _ in range(12):
        queue.failed("store", 0, 0.99)
    queue.hurry(0, 0.5)
    assert queue.next(0) == Wait(S)


def test_what_a_metered_line_may_not_carry_waits_and_hides_nothing_else() -> None:
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, links=LinkPolicy("marked", 3600.0), pressing_s=0.0)
    plain, marked, done = seg(1), seg(2, "b"), seg(3, "c")
    for fact in (plain, marked, done, Marked("b", ())):
        queue.apply(fact)
    queue.uploaded(done.segment_id)
    queue.link_is(Link.METERED)
    early, late = STATUTORY_S - 3601, STATUTORY_S - 3600
    assert queue.next(0, early) == AskReceipt(done), "a receipt to ask for is small"
    assert queue.receipted(done.segment_id, done.sha256, done.size)
    assert queue.next(0, early) == Upload(marked, first=True)
    assert queue.held(early) == 1
    assert queue.receipted(marked.segment_id, marked.sha256, marked.size)
    assert queue.next(0, early) == Wait(None)
    assert queue.next(0, late) == Upload(plain), "an hour is left: a bill is no reason to be late"
    queue.link_is(Link.ORDINARY)
    assert queue.next(0, early) == Upload(plain)
    assert queue.held(early) == 0


# --- one thing that fails for ever -----------------------------------------------------------------------------------


@given(
    st.sets(st.integers(-1, 11), max_size=12),
    st.randoms(),
    st.integers(1, 3),
)
def test_nothing_that_fails_every_time_keeps_the_rest_from_the_store(poison: set[int], rnd, lines: int) -> None:  # type: ignore[no-untyped-def]  # random.Random
    """Whatever set of segments (-1: the journal) makes the store fail, everything else gets through, and soon."""
    queue = make(interval_s=5.0)
    good = {f"{number:08x}" for number in range(12) if number not in poison}
    for number in range(12):
        queue.apply(seg(number, closed_at=float(number)))
    queue.apply(JournalGrew(J, 20))
    posted, now, steps = False, 0, 0
    while (good or not (posted or -1 in poison)) and steps < 300:
        steps += 1
        action = queue.next(now)
        if isinstance(action, Wait):
            assert action.until_us is not None
            now = action.until_us
        elif isinstance(action, PostJournal):
            if -1 in poison:
                queue.journal_position(None)
                queue.failed("store", now, rnd.random(), blame=True)
            else:
                posted = True
                queue.journal_posted(21, now)
        else:
            assert isinstance(action, Upload | AskReceipt)
            segment = action.segment
            if segment.seq in poison:
                queue.failed("store", now, rnd.random(), segment_id=segment.segment_id, blame=True)
            else:
                good.discard(segment.segment_id)
                queue.uploaded(segment.segment_id)
                assert queue.receipted(segment.segment_id, segment.sha256, segment.size)
    assert not good, f"{len(good)} starved after {steps} steps"
    assert posted or -1 in poison


def test_a_line_that_makes_progress_keeps_its_order() -> None:
    """Blame is for what gets nowhere; on a bad line the most urgent segment goes on where it stopped."""
    queue = make()
    queue.apply(seg(1))
    queue.apply(seg(2))
    for _ in range(5):
        queue.store_answered()  # some blocks arrived
        queue.failed("store", 0, 0.5, segment_id="00000001", blame=True)
        assert queue.next(400 * S) == Upload(seg(1))


def test_a_busy_store_is_never_taken_for_a_bad_segment() -> None:
    """429 speaks for the store: trying one segment after the other would be the stampede it defends itself against."""
    queue = make()
    for number in range(5):
        queue.apply(seg(number))
    for _ in range(5):
        queue.failed("store", 0, 0.99, segment_id="00000000", retry_after_s=60.0)
        assert queue.next(0) == Wait(round(60.0 * (1 + 0.2 * 0.99) * S))
        assert queue.next(400 * S) == Upload(seg(0))


# --- grants ----------------------------------------------------------------------------------------------------------

T0 = 10 * STATUTORY_S
"""Wall seconds at boot-time 0 in these tests."""


def waiting_queue() -> UploadQueue:
    """The store grants slots and has granted none; one segment with a day left."""
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, pressing_s=7200.0, patience_s=300.0)
    queue.turn.store(StoreState(online=True, grants=True), 0, 0.0)
    queue.apply(seg(1, "a", closed_at=T0))
    return queue


def test_without_a_store_that_grants_nothing_waits() -> None:
    queue = make()
    queue.apply(seg(1, "a", closed_at=T0))
    assert queue.next(0, T0) == Upload(seg(1, "a", closed_at=T0))
    queue.turn.store(StoreState(online=True, grants=False), 0, 0.9)
    assert queue.next(0, T0) == Upload(seg(1, "a", closed_at=T0))


def test_a_segment_waits_for_the_grant_and_the_journal_a_receipt_and_marked_evidence_do_not() -> None:
    queue = waiting_queue()
    assert queue.next(0, T0) == Wait(150 * S)
    queue.apply(JournalGrew(J, 3))
    assert queue.next(0, T0) == PostJournal(J, None, 3)
    queue.journal_posted(4, 0)
    queue.apply(seg(2, "b", closed_at=T0))
    queue.apply(Marked("b", ()))
    assert queue.next(0, T0) == Upload(seg(2, "b", closed_at=T0), first=True)
    queue.uploaded("00000002")
    assert queue.next(0, T0) == AskReceipt(seg(2, "b", closed_at=T0))
    queue.receipted("00000002", "digest-2", 100)
    queue.turn.told(TurnWord(for_s=60.0, wait_s=0.0), S, 0.0)
    assert queue.next(S, T0 + 1) == Upload(seg(1, "a", closed_at=T0))


def test_silence_ends_in_going_to_the_store_directly() -> None:
    queue = waiting_queue()
    assert queue.next(149 * S, T0 + 149) == Wait(150 * S)
    assert queue.next(150 * S, T0 + 150) == Upload(seg(1, "a", closed_at=T0))


def test_what_presses_waits_for_nobody_and_says_so() -> None:
    queue = waiting_queue()
    queue.turn.told(TurnWord(for_s=0.0, wait_s=1800.0), 0, 0.0)
    presses_at = T0 + STATUTORY_S - 7200.0
    before = presses_at - 10.0
    assert queue.next(0, before) == Wait(10 * S)
    assert queue.next(11 * S, presses_at + 1) == Upload(seg(1, "a", closed_at=T0), first=True)


def test_priority_granted_by_the_agency_goes_before_the_rest_until_it_ends() -> None:
    queue = make()
    queue.apply(seg(1, "a", closed_at=T0))
    queue.apply(seg(2, "b", closed_at=T0 + 100))
    queue.apply(seg(3, "b", closed_at=T0 + 100))
    queue.precedence.granted("b", ("00000003",), T0 + 600)
    assert queue.next(0, T0) == Upload(seg(3, "b", closed_at=T0 + 100), first=True)
    assert queue.next(0, T0 + 600) == Upload(seg(1, "a", closed_at=T0))
    queue.precedence.granted("b", (), T0 + 600)
    assert queue.next(0, T0) == Upload(seg(2, "b", closed_at=T0 + 100), first=True)
    queue.precedence.granted("b", (), 0.0)
    queue.precedence.granted("b", ("00000003",), 0.0)
    assert queue.next(0, T0) == Upload(seg(1, "a", closed_at=T0))


def test_a_grant_ends_the_pause_after_a_busy_answer() -> None:
    queue = waiting_queue()
    queue.failed("store", 0, 0.999)
    queue.turn.told(TurnWord(for_s=60.0, wait_s=0.0), S, 0.0)
    queue.called(S)
    assert queue.next(S, T0) == Upload(seg(1, "a", closed_at=T0))


def test_no_grant_undoes_a_retry_after_of_the_whole_store() -> None:
    queue = waiting_queue()
    queue.failed("store", 0, 0.0, retry_after_s=600.0)
    queue.turn.told(TurnWord(for_s=3600.0, wait_s=0.0), S, 0.0)
    queue.called(S)
    assert queue.next(S, T0) == Wait(600 * S)
    assert isinstance(queue.next(600 * S, T0), Upload)


def test_a_broker_that_repeats_a_grant_does_not_make_the_unit_hammer_the_store() -> None:
    queue = waiting_queue()
    tries = 0
    for tenth in range(600):  # a minute of ten grants a second
        now = tenth * S // 10
        queue.turn.told(TurnWord(for_s=3600.0, wait_s=0.0), now, 0.0)
        queue.called(now)
        if not isinstance(queue.next(now, T0), Wait):
            tries += 1
            queue.failed("store", now, 0.999)
    assert tries <= 60 * S // CALLED_US * 3, "two tries of the ordinary backoff follow each call that counts"


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["grant", "wait", "offer", "no-grants", "offline", "mqtt-up", "mqtt-down"]),
        st.floats(0, 1e6),
        st.integers(0, 3600),
        st.floats(0, 1, exclude_max=True),
    ),
    max_size=30,
)


@given(WORDS)
def test_whatever_is_said_or_not_said_a_segment_is_tried_within_an_hour_or_so_of_the_last_word(words: list) -> None:  # type: ignore[type-arg]  # plain values
    queue = waiting_queue()
    now, last_word = 0, 0
    for kind, seconds, later, fraction in words:
        now += later * S
        if kind in ("grant", "wait"):
            queue.turn.told(TurnWord(seconds if kind == "grant" else 0.0, seconds), now, fraction)
            last_word = now
        elif kind in ("offer", "no-grants", "offline"):
            was_free = queue.turn.free(now)
            queue.turn.store(StoreState(kind != "offline", kind == "offer"), now, fraction)
            if was_free and not queue.turn.free(now):
                last_word = now
        else:
            queue.turn.mqtt(MqttState(kind == "mqtt-up"), now, fraction)
    at = max(now, last_word + 3900 * S)  # an hour's grant, and the patience after it
    assert isinstance(queue.next(at, T0), Upload)
    action = queue.next(now, T0)
    assert isinstance(action, Upload) or (isinstance(action, Wait) and action.until_us is not None)


def test_a_store_too_busy_for_the_crowd_still_gets_the_journal_and_what_is_first() -> None:
    queue = make()
    queue.apply(seg(1, "a"))
    assert queue.failed("crowd", 0, 0.99, segment_id="00000001", retry_after_s=100.0) > 100.0
    assert queue.next(0) == Wait(round(100.0 * (1 + 0.2 * 0.99) * S))
    queue.apply(JournalGrew(J, 5))
    assert queue.next(0) == PostJournal(J, None, 5)
    queue.journal_posted(6, 0)
    assert isinstance(queue.next(0), Wait), "a journal taken says nothing about uploads"
    queue.apply(seg(2, "b"))
    queue.apply(Marked("b", ()))
    assert queue.next(0) == Upload(seg(2, "b"), first=True)
    queue.upload_progressed()
    queue.receipted("00000002", "digest-2", 100)
    assert queue.next(0) == Upload(seg(1, "a")), "it takes uploads again"


def test_the_pauses_of_the_crowd_grow_although_the_journal_gets_through() -> None:
    queue = make()
    queue.apply(seg(1, "a"))
    pauses = []
    for number in range(6):
        pauses.append(queue.failed("crowd", 0, 0.5, segment_id="00000001"))
        queue.apply(JournalGrew(J, number))
        queue.journal_posted(number + 1, 0)
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]


def test_a_grant_calls_the_crowd_back() -> None:
    queue = waiting_queue()
    queue.failed("crowd", 0, 0.5, segment_id="00000001", retry_after_s=600.0)
    queue.turn.told(TurnWord(for_s=60.0, wait_s=0.0), S, 0.0)
    assert queue.next(S, T0) == Wait(round(660.0 * S))
    queue.called(S)
    assert queue.next(S, T0) == Upload(seg(1, "a", closed_at=T0))


# --- what the agency commands ----------------------------------------------------------------------------------------


def test_what_the_agency_granted_goes_first_until_then() -> None:
    queue = make()
    one, two, three = seg(1, closed_at=T0), seg(2, closed_at=T0), seg(3, "b", closed_at=T0)
    for fact in (one, two, three, Granted("c", ("b",), ("00000002",), T0 + 100, False)):
        queue.apply(fact)
    order = []
    while isinstance(action := queue.next(0, T0 + 99), Upload):
        order.append(action.segment.seq)
        queue.receipted(action.segment.segment_id, action.segment.sha256, action.segment.size)
    assert order == [2, 3, 1]
    queue.apply(seg(4, "c", closed_at=T0))
    queue.apply(seg(5, "b", closed_at=T0))
    assert queue.next(0, T0 + 99) == Upload(seg(5, "b", closed_at=T0), first=True)
    assert queue.next(0, T0 + 100) == Upload(seg(4, "c", closed_at=T0)), "back to the usual order"


@given(st.floats(T0 + SKEW_S + 1, T0 + 1e9), st.booleans())
def test_what_a_wrong_clock_dated_ahead_does_not_wait_for_that_day(closed_at: float, stopped: bool) -> None:
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, links=LinkPolicy("anchors", 2 * 3600.0))
    queue.link_is(Link.METERED)
    queue.apply(seg(1, closed_at=closed_at))
    if stopped:
        queue.apply(SessionStopped("a", closed_at))
    queue.turn.told(TurnWord(for_s=0.0, wait_s=1800.0), 0, 0.0)
    assert isinstance(queue.next(0, T0), Upload), "neither for a cheap line nor for a grant"
    assert queue.held(T0) == 0


@given(st.floats(-1e6, SKEW_S), st.floats(0, 1e6))
def test_on_a_metered_line_nothing_waits_longer_than_its_day(closed_ago: float, later: float) -> None:
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, links=LinkPolicy("anchors", 2 * 3600.0))
    queue.link_is(Link.METERED)
    queue.apply(seg(1, closed_at=T0 + closed_ago))
    goes = isinstance(queue.next(0, T0 + later), Upload)
    assert goes == (T0 + closed_ago + STATUTORY_S - (T0 + later) <= 2 * 3600.0 or closed_ago - later > SKEW_S)


def test_a_grant_for_the_metered_line_opens_it_until_then() -> None:
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, links=LinkPolicy("anchors", 0.0))
    queue.link_is(Link.METERED)
    plain, wanted = seg(1, closed_at=100.0), seg(2, "b", closed_at=100.0)
    for fact in (plain, wanted, Granted("c", ("b",), (), 200.0, True)):
        queue.apply(fact)
    assert queue.next(0, 199.0) == Upload(wanted, first=True) and queue.held(199.0) == 1
    assert queue.next(0, 200.0) == Wait(None) and queue.held(200.0) == 2
    queue.apply(Granted("d", ("b",), (), 300.0, False))
    assert queue.next(0, 199.0) == Wait(None), "the agency has thought better of it"


def test_a_receipt_the_agency_wants_asked_for_is_asked_for_at_once_and_nothing_is_sent_first() -> None:
    queue = make()
    queue.apply(seg(1))
    queue.apply(seg(2, "b"))
    queue.failed("segment", 0, 0.5, segment_id="00000002")
    assert queue.next(0) == Upload(seg(1))
    queue.apply(ReceiptWanted(("b",), ()))
    assert queue.next(0) == AskReceipt(seg(2, "b"))

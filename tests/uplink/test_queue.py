"""The order of upload and what counts as done, as properties over random shifts."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import (
    DeadlineMoved,
    JournalGrew,
    JournalReset,
    Marked,
    Released,
    Segment,
    SessionStarted,
    SessionStopped,
)
from recorder.uplink.links import Link, LinkPolicy
from recorder.uplink.queue import STATUTORY_S, AskReceipt, PostJournal, Upload, UploadQueue, Wait

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
    assert queue.deadline(early) == math.inf
    assert queue.next(0) == Upload(late)
    queue.apply(DeadlineMoved((), 5000.0))
    assert queue.deadline(early) == 5000.0 + STATUTORY_S
    assert queue.deadline(late) == 1000.0 + STATUTORY_S
    assert queue.backlog().earliest_deadline == 1000.0 + STATUTORY_S


def test_what_is_recorded_under_a_declaration_has_no_deadline_before_the_return() -> None:
    queue = make()
    queue.apply(DeadlineMoved((), None))
    queue.apply(seg(1, "a", 100.0))
    queue.apply(SessionStopped("a", 100.0))
    assert queue.deadline(seg(1, "a", 100.0)) == math.inf
    queue.apply(DeadlineMoved(("a",), 900.0))
    queue.apply(SessionStopped("b", 1000.0))
    assert queue.deadline(seg(1, "a", 100.0)) == 900.0 + STATUTORY_S
    assert queue.deadline(seg(2, "b", 1000.0)) == 1000.0 + STATUTORY_S


def test_a_mark_without_segments_marks_the_session() -> None:
    queue = make()
    queue.apply(seg(1, "a"))
    queue.apply(seg(2, "b"))
    queue.apply(Marked("b", ()))
    assert queue.next(0) == Upload(seg(2, "b"))
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
    queue = UploadQueue(BackoffPolicy(2.0, 300.0), 5.0, links=LinkPolicy("marked", 3600.0))
    plain, marked, done = seg(1), seg(2, "b"), seg(3, "c")
    for fact in (plain, marked, done, Marked("b", ())):
        queue.apply(fact)
    queue.uploaded(done.segment_id)
    queue.link_is(Link.METERED)
    early, late = STATUTORY_S - 3601, STATUTORY_S - 3600
    assert queue.next(0, early) == AskReceipt(done), "a receipt to ask for is small"
    assert queue.receipted(done.segment_id, done.sha256, done.size)
    assert queue.next(0, early) == Upload(marked)
    assert queue.held(early) == 1
    assert queue.receipted(marked.segment_id, marked.sha256, marked.size)
    assert queue.next(0, early) == Wait(None)
    assert queue.next(0, late) == Upload(plain), "an hour is left: a bill is no reason to be late"
    queue.link_is(Link.ORDINARY)
    assert queue.next(0, early) == Upload(plain)
    assert queue.held(early) == 0

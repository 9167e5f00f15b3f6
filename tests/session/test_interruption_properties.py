"""Whatever happens to a unit and its officer: every gap of the journal is in exactly one state, by an independent reader;
no answer is bound to anything but signed fragments; the machine claims nothing that only a person can know."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from recorder.evidence import records as rec
from recorder.evidence.carried import GapState
from recorder.evidence.encoding import sha256_of_digests
from recorder.evidence.gap_book import MAX_GAPS
from tests.session.officer_bench import OfficerBench, asking
from tests.session.rig import SECOND, settings

OPS = (
    *("run", "run", "long", "speak", "speak", "babble", "press", "press", "choose", "note", "mark", "start", "stop"),
    *("lose", "lose", "away", "crash", "power", "fail", "declare", "ask", "hole", "statement"),
    *("answer", "answer", "answer", "answer", "dictate"),
)


def act(bench: OfficerBench, op: str, number: int) -> None:
    camera = bench.settings.cameras[number % len(bench.settings.cameras)]
    match op:
        case "run":
            bench.run(number * SECOND // 4)
        case "long":
            bench.run(number * 5 * SECOND, step_us=SECOND // 4)
        case "speak":
            bench.speak(number * SECOND // 3)
        case "babble":
            bench.speak(SECOND)
            bench.run(SECOND // 2)
        case "answer":  # what an officer does who has heard the question
            bench.run(number * SECOND // 3)
            bench.speak(number * SECOND // 2)
            bench.press()
            bench.run(number * SECOND // 6)
        case "dictate":
            bench.long_press()
            bench.run(3 * SECOND)
            bench.speak(number * SECOND // 3)
        case "press":
            bench.press()
        case "choose":
            bench.press(number % 5 + 1)
        case "note":
            bench.long_press()
        case "mark":
            bench.mark()
        case "start":
            bench.start()
            bench.run(2 * SECOND)
        case "stop":
            bench.stop()
            bench.run(number * SECOND // 8)
        case "lose":
            bench.lose(camera, away_us=number * SECOND // 4)
        case "away":
            bench.lose(camera, "camera-unplugged", away_us=number * 30 * SECOND)
        case "crash":
            bench.crashes_us.append(bench.true_us)
            bench.crash(number * SECOND // 4)
        case "power":
            bench.crashes_us.append(bench.true_us)
            bench.power_cut(number * SECOND)
        case "fail":
            bench.perform(bench.officer.failed_restart(camera, bench.moment))
        case "declare":
            bench.perform(bench.officer.cannot_resume(None, bench.moment))
        case "hole":
            bench.hole(camera, number * SECOND // 8)
        case "ask" | "statement":
            gaps = bench.gaps()
            if gaps and op == "statement":
                bench.sign_statement(gaps[number % len(gaps)].gap_id)
            elif gaps:
                bench.perform(bench.officer.explain(gaps[number % len(gaps)].gap_id, None, bench.moment))


def states_by_the_journal(bench: OfficerBench) -> dict[str, str]:
    """The state of each gap, from the records alone and by other code than the unit's."""
    found: dict[str, str] = {}
    session: dict[str, str] = {}
    counted: set[str] = set()
    for line in bench.lines:
        match line.record:
            case rec.Interruption(gap_id=gap_id, session_id=session_id):
                assert gap_id not in found
                found[gap_id], session[gap_id] = "interrupted", session_id
            case rec.Resumption(gap_id=gap_id) if found[gap_id] != "signed":
                found[gap_id] = "unexplained"
            case rec.Explanation(gap_id=gap_id, counts=True):
                counted.add(gap_id)
            case rec.Statement(gap_id=gap_id):
                found[gap_id] = "signed"
            case rec.SessionStop(session_id=session_id):
                for gap_id in [g for g, state in found.items() if session[g] == session_id]:
                    if found[gap_id] in ("interrupted", "cannot-resume"):
                        found[gap_id] = "owed"
            case rec.Event(event="cannot-resume", detail=detail) if found[detail["gap_id"]] == "interrupted":
                found[detail["gap_id"]] = "cannot-resume"
    return {g: "explained" if state == "unexplained" and g in counted else state for g, state in found.items()}


def check_records(bench: OfficerBench) -> None:
    """Each explanation and note stands on signed fragments of its session; the press that confirmed it is signed."""
    entries: dict[str, list[rec.Entry]] = {}
    segments: dict[str, str] = {}
    sessions: dict[str, str] = {}
    marks: dict[str, rec.Mark] = {}
    declared: Counter[str] = Counter()
    for line in bench.lines:
        match line.record:
            case rec.SegmentOpen(segment_id=segment_id, session_id=session_id):
                segments[segment_id] = session_id
            case rec.Head(segment_id=segment_id) as head:
                entries.setdefault(segment_id, []).extend(head.entries)
            case rec.Interruption(gap_id=gap_id, session_id=session_id):
                sessions[gap_id] = session_id
            case rec.Mark(mark_id=mark_id) as mark:
                marks[mark_id] = mark
            case rec.Event(event="cannot-resume", detail=detail):
                declared[detail["gap_id"]] += 1
            case rec.Explanation() as explanation:
                check_speech(explanation.speech, sessions[explanation.gap_id], segments, entries)
                if explanation.confirmed == "button":
                    assert explanation.mark_id is not None
                    mark = marks[explanation.mark_id]
                    assert mark.kind == "explanation" and mark.at_us >= max(s.end_us for s in explanation.speech)
                if explanation.counts:
                    assert sum(span.end_us - span.start_us for span in explanation.speech) >= 3 * SECOND
                assert (explanation.legal_cause is None) == (explanation.confirmed != "choice")
            case rec.Note(session_id=session_id) as note:
                check_speech(note.speech, session_id, segments, entries)
                assert all(note.from_us <= span.start_us <= span.end_us <= note.to_us for span in note.speech)
    assert all(count == 1 for count in declared.values()), "declared twice"


def check_speech(
    speech: tuple[rec.SpeechSpan, ...],
    session_id: str,
    segments: dict[str, str],
    entries: dict[str, list[rec.Entry]],
) -> None:
    for span in speech:
        assert segments[span.segment_id] == session_id
        held = entries[span.segment_id][span.first : span.last + 1]
        assert len(held) == span.last - span.first + 1
        assert sha256_of_digests(entry[2] for entry in held) == span.sha256
    ordered = sorted(speech, key=lambda span: (span.start_us, span.end_us))
    assert all(one.end_us <= other.start_us for one, other in itertools.pairwise(ordered)), "counted twice"


def check_prompts(bench: OfficerBench) -> None:
    """Within three seconds of the first new frame the officer is asked, unless something overtook the question (the next
    interruption, an answer, a statement signed even before it resumed)."""
    overtaken = (rec.Interruption, rec.SessionStop, rec.Statement, rec.Explanation, rec.Mark)
    asked = [at_us for at_us, prompt_id in bench.said_true_us if prompt_id.startswith("resumed")]
    signed: set[str] = set()
    for line in bench.lines:
        if isinstance(line.record, rec.Statement):
            signed.add(line.record.gap_id)
        if not isinstance(line.record, rec.Resumption) or line.record.gap_id in signed:
            continue
        frame_us = bench.true_of(line.boot, line.record.to_us)
        due_us = frame_us + 3 * SECOND
        later = [other for other in bench.lines if line.true_us <= other.true_us <= due_us and other is not line]
        quiet = not any(isinstance(other.record, overtaken) or other.boot != line.boot for other in later)
        if quiet and bench.true_us > due_us and not any(line.true_us < us <= due_us for us in bench.crashes_us):
            assert any(frame_us <= at_us <= due_us for at_us in asked), "nobody was asked in time"


def check(bench: OfficerBench) -> None:
    check_prompts(bench)
    expected = states_by_the_journal(bench)
    for book in (bench.officer.book, bench.state.gap_book):
        found = {gap_id: state.phase for gap_id, state in book.states.items()}
        assert found == {gap_id: expected[gap_id] for gap_id in found}
        assert len(found) == min(MAX_GAPS, len(expected))
    check_records(bench)
    phases = Counter(expected.values())
    assert bench.officer.owed() == phases["owed"] + phases["cannot-resume"] or len(expected) > MAX_GAPS


STEPS = st.lists(st.tuples(st.sampled_from(OPS), st.integers(1, 24)), min_size=1, max_size=25)


@hypothesis_settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from(["button", "speech"]), st.sampled_from([("cam0",), ("cam0", "cam1")]), st.booleans())
def test_every_gap_is_in_exactly_one_state_and_nothing_is_lost(
    steps: list[tuple[str, int]], rule: str, cameras: tuple[str, ...], resume: bool
) -> None:
    bench = OfficerBench(
        settings=settings(cameras=cameras, resume_open_recording=resume),
        asking=asking(explained_by=rule),
        microphones=cameras,
        loopback=True,
    )
    bench.run(SECOND)
    bench.start()
    bench.run(2 * SECOND)
    for op, number in steps:
        act(bench, op, number)
    check(bench)
    bench.power_off()
    check(bench)
    final = set(states_by_the_journal(bench).values())
    assert final <= {"unexplained", "explained", "owed", "signed"}, "at the end of a shift nothing is left open"


def test_long_shifts_at_random() -> None:
    """Many gaps, so that the book has to give some up: what it keeps is still right. And everything does happen."""
    seen: Counter[str] = Counter()
    for seed in range(12):
        rng = random.Random(seed)
        bench = OfficerBench(asking=asking(explained_by=rng.choice(["button", "speech"])), loopback=rng.random() < 0.5)
        bench.run(SECOND)
        bench.start()
        for _ in range(150):
            act(bench, rng.choice(OPS), rng.randint(1, 16))
        check(bench)
        seen.update(states_by_the_journal(bench).values())
        seen.update(f"{e.confirmed} {e.counts}" for e in bench.explanations())
        seen.update(f"note {n.ended} {bool(n.speech)}" for n in bench.records(rec.Note) if isinstance(n, rec.Note))
        assert len(bench.gaps()) <= MAX_GAPS
    wanted = (
        "unexplained",
        "explained",
        "owed",
        "signed",
        "button True",
        "speech True",
        "speech False",
        "choice False",
    )
    assert all(seen[what] for what in (*wanted, "note press True", "note silence True")), seen


def test_the_state_survives_a_checkpoint() -> None:
    bench = OfficerBench()
    bench.run(SECOND)
    bench.start()
    bench.run(3 * SECOND)
    for _ in range(5):
        bench.lose("cam0", away_us=SECOND)
        bench.run(4 * SECOND)
    carried = bench.state.checkpoint("interval").state
    assert carried is not None
    assert [GapState.model_validate_json(state.model_dump_json()) for state in carried.interruptions] == list(
        bench.state.gap_book.states.values()
    )

"""In 全程 mode no order of events ends a recording without a reason but the power key, and no second is lost over it."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from recorder.evidence import records as rec
from recorder.evidence.matter import Matter, StopReason
from recorder.session import events as ev
from recorder.session.effects import Refused
from recorder.session.machine import State
from tests.session.rig import SECOND, Bench, settings
from tests.session.test_machine_properties import WHAT, Step, check_to_the_end, play

GROUND = StopReason(by="choice", choice="执法结束")
STEPS = st.lists(
    st.tuples(st.sampled_from([*WHAT, "reason", "ordinary", "whole", "stage"]), st.integers(0, 1), st.integers(0, 40)),
    min_size=4,
    max_size=25,
)


def step(bench: Bench, what: Step) -> None:
    match what[0]:
        case "reason":
            bench.handle(ev.StopRequested(bench.now, "command", GROUND))
        case "ordinary":
            bench.handle(ev.ContextGiven(bench.now, mode="一般"))
        case "whole":
            bench.handle(ev.ContextGiven(bench.now, mode="全程"))
        case "stage":
            bench.handle(ev.ContextGiven(bench.now, matter=Matter(stage="送达执行")))
        case _:
            play(bench, what)
            return
    bench.run(max(1, what[2]) * SECOND // 10)


@hypothesis_settings(max_examples=200, deadline=None)
@example(steps=[("lose", 0, 0), ("stall-stop", 0, 0), ("start", 0, 0), ("crash", 0, 0)], post_event_us=0, resume=False)
@given(steps=STEPS, post_event_us=st.sampled_from([0, 2 * SECOND]), resume=st.booleans())
def test_whatever_happens_a_whole_recording_ends_with_a_reason(
    steps: list[Step], post_event_us: int, resume: bool
) -> None:
    bench = Bench(settings(default_mode="全程", post_event_us=post_event_us, resume_open_recording=resume))
    for what in steps:
        step(bench, what)
    check_to_the_end(bench)
    modes: dict[str, str | None] = {}
    for record in (line.record for line in bench.lines):
        if isinstance(record, rec.SessionStart):
            modes[record.session_id] = record.mode
        elif isinstance(record, rec.Event) and record.event == "session-context" and record.detail["session_id"]:
            session_id = record.detail["session_id"]
            assert modes[session_id] != "全程" or record.detail["mode"] == "全程", "lowered on the way"
            modes[session_id] = record.detail["mode"]
        elif isinstance(record, rec.SessionStop):
            by_the_unit = record.reason in ("shutdown", "abandoned")
            assert by_the_unit or modes[record.session_id] == "一般" or record.stated is not None


def refusals(answered: object) -> list[str]:
    return [effect.code for effect in answered if isinstance(effect, Refused)] if isinstance(answered, list) else []


def test_a_stop_without_a_reason_is_refused_and_the_recording_goes_on() -> None:
    bench = Bench(settings(default_mode="全程"))
    bench.start()
    bench.run(3 * SECOND)
    assert refusals(bench.handle(ev.StopRequested(bench.now, "remote"))) == ["stop-needs-reason"]
    assert bench.machine.state is State.RECORDING
    assert refusals(bench.handle(ev.ContextGiven(bench.now, mode="一般"))) == ["mode-lowered"]
    assert refusals(bench.handle(ev.StopRequested(bench.now, "remote", GROUND))) == []
    bench.run(3 * SECOND)
    (stop,) = bench.records(rec.SessionStop)
    assert isinstance(stop, rec.SessionStop) and stop.stated == GROUND


def test_the_mode_outlives_a_crash() -> None:
    bench = Bench(settings())
    bench.handle(ev.ContextGiven(bench.now, mode="全程", matter=Matter(kind="行政强制")))
    bench.start()
    bench.run(3 * SECOND)
    bench.crash(SECOND)
    bench.run(3 * SECOND)
    assert bench.machine.mode == "全程" and bench.machine.matter == Matter(kind="行政强制")
    assert refusals(bench.handle(ev.StopRequested(bench.now, "button"))) == ["stop-needs-reason"]


def test_what_was_said_beforehand_outlives_a_power_cut_and_is_spent_by_one_session() -> None:
    bench = Bench(settings())
    bench.handle(ev.ContextGiven(bench.now, mode="全程", matter=Matter(stage="启动")))
    bench.run(SECOND)
    bench.power_cut(SECOND)
    bench.run(SECOND)
    assert bench.machine.mode == "全程"
    bench.start()
    bench.run(3 * SECOND)
    (start,) = bench.records(rec.SessionStart)
    assert isinstance(start, rec.SessionStart)
    assert (start.mode, start.matter) == ("全程", Matter(stage="启动"))
    bench.handle(ev.StopRequested(bench.now, "button", GROUND))
    bench.run(3 * SECOND)
    assert (bench.machine.mode, bench.machine.matter) == ("一般", None)


def test_a_recording_that_is_being_stopped_stays_what_it_was() -> None:
    """Made a 全程 one after the press, it would end without the reason that needs."""
    bench = Bench(settings(default_mode="一般", post_event_us=5 * SECOND))
    bench.start()
    bench.run(3 * SECOND)
    assert refusals(bench.handle(ev.StopRequested(bench.now, "button"))) == []
    assert bench.machine.state is State.STOPPING
    assert refusals(bench.handle(ev.ContextGiven(bench.now, mode="全程"))) == ["stopping-already"]
    assert refusals(bench.handle(ev.ContextGiven(bench.now, mode="一般", matter=Matter(stage="送达执行")))) == []
    bench.run(9 * SECOND)
    (stop,) = bench.records(rec.SessionStop)
    assert isinstance(stop, rec.SessionStop) and stop.stated is None

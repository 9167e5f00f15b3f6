"""Row 6: from the button's edge to the first frame that is evidence, with pre-roll and without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.bench.measure import program
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.simulation import Outcome, scenario, simulate, unit
from tools.bench.workshop import Row, Workshop

PRE_EVENT_S = 3
CYCLE_S = 10.0
FIRST_S = 5.0


@dataclass(frozen=True, slots=True)
class Press:
    """One start of recording, in seconds after the button's edge."""

    first_frame_s: float
    signed_s: float


def shift(presses: int, pre_event_s: float) -> str:
    actions: list[dict[str, Any]] = []
    for number in range(presses):
        at_s = FIRST_S + number * CYCLE_S + number * 0.237  # never at the same place of the GOP
        actions.append({"at_s": at_s, "do": "press", "button": "record"})
        actions.append({"at_s": at_s + 3.5, "do": "press", "button": "record", "hold_s": 2.0})
    values = unit(segment_s=5, pre_event_s=pre_event_s, post_event_s=0)
    return scenario("bench-button", FIRST_S + presses * (CYCLE_S + 0.3), actions, values, {"lux": 200.0})


def presses(outcome: Outcome) -> list[Press]:
    """Each session-start with the last edge before it, its earliest media, and the first signature over live media."""
    edges = [change.at_us for change in outcome.changes if change.key == "button.record" and change.value is True]
    found = []
    for start in outcome.of("session-start"):
        session_id, at_us = start.payload["session_id"], start.payload["uptime_us"]
        before = [edge for edge in edges if edge <= at_us]
        opens = [r.payload for r in outcome.of("segment-open") if r.payload["session_id"] == session_id]
        live = {p["segment_id"]: p["media_start_us"] for p in opens if p["role"] == "live"}
        signed = [
            r.payload["uptime_us"]
            for r in outcome.of("head")
            if (begin := live.get(r.payload["segment_id"])) is not None
            and any(entry[4] > begin for entry in r.payload["entries"])
        ]
        for what, there in (("edge", before), ("segment-open", opens), ("head", signed)):
            if not there:
                raise MeasurementError(
                    f"button: {session_id}: 没有 no {what}; {len(edges)} edges, {len(opens)} segments"
                )
        first_us = min(p["media_start_us"] for p in opens)
        found.append(Press((first_us - before[-1]) / 1e6, (min(signed) - before[-1]) / 1e6))
    return found


def take(shop: Workshop, count: int, pre_event_s: float) -> list[Press]:
    with shop.folder("button") as folder:
        outcome = simulate(shop, folder, shift(count, pre_event_s), observe=True)
    found = presses(outcome)
    if len(found) != count:
        raise MeasurementError(f"button: {len(found)} 次录制 sessions, {count} 次按键 presses")
    return found


def measure(shop: Workshop) -> Sequence[Line]:
    program("mosquitto")
    count = shop.count(5, 2)
    with_preroll, without = take(shop, count, PRE_EVENT_S), take(shop, count, 0)
    note_zh = "按下的时刻取自仿真世界，画面时刻取自日志；负数：按键之前的画面"
    note_en = "the edge is the simulated world's, the frame's time the journal's; negative: before the press"
    signed = Spread.of([press.signed_s for press in with_preroll + without])

    def line(zh: str, en: str, found: list[Press], hold_s: float) -> Line:
        spread = Spread.of([press.first_frame_s for press in found])
        return Line("button", zh, en, "s", spread.high, spread, "", "", Limit("<=", hold_s), None, note_zh, note_en)

    return [
        line(
            f"按键到首帧证据，预录 {PRE_EVENT_S} s", "button to first evidence frame, with pre-roll", with_preroll, 0.0
        ),
        line("按键到首帧证据，无预录", "button to first evidence frame, without pre-roll", without, 0.3),
        Line(
            "button",
            "按键到首个分片落盘并签名",
            "button to the first fragment durable and signed",
            "s",
            signed.median,
            signed,
            note_zh="短按在松开时生效（按下 0.15 s）",
            note_en="a short press acts on release, 0.15 s after the edge",
        ),
    ]


ROW = Row("button", "按键到首帧", "button to first frame", measure)

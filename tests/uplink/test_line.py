from __future__ import annotations

import pytest

from recorder.uplink.line import PRESS_LOOK_US, Line
from recorder.uplink.link_watch import Way
from recorder.uplink.links import Link
from tests.uplink.running import Watch

LTE, DOCK = Way("wwan0", Link.METERED), Way("eth0", Link.DOCK)
KB = 1000


class Pressing:
    def __init__(self, answer: bool) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self) -> bool:
        self.asked += 1
        return self.answer


def line(way: Way, max_kb_s: int, pressing: Pressing | None = None) -> Line:
    return Line(Watch(way, DOCK), max_kb_s, pressing or Pressing(False), 0)


def test_what_was_sent_since_the_last_look_is_waited_for() -> None:
    capped = line(LTE, 100)
    assert capped.pause_s(300 * KB, 1) == pytest.approx((300 * KB - 65536) / (100 * KB), abs=1e-3)
    assert capped.pause_s(300 * KB, 10_000_000) == 0.0, "nothing more was sent"


@pytest.mark.parametrize(("way", "max_kb_s"), [(DOCK, 1), (LTE, 0)])
def test_there_is_no_cap_at_the_dock_or_without_one(way: Way, max_kb_s: int) -> None:
    assert line(way, max_kb_s).pause_s(1000 * KB, 1) == 0.0


def test_the_cap_gives_way_while_something_presses_and_holds_again_after_that() -> None:
    pressing = Pressing(True)
    capped = line(LTE, 1, pressing)
    assert capped.pause_s(1000 * KB, 1) == 0.0
    pressing.answer = False
    assert capped.pause_s(2000 * KB, 2) == 0.0
    assert pressing.asked == 1, "asked at every block it would cost more than it saves"
    assert capped.pause_s(3000 * KB, PRESS_LOOK_US + 2) > 0


def test_another_line_is_noticed_once() -> None:
    watch = Watch(LTE, DOCK)
    seen = Line(watch, 0, Pressing(False), 0)
    assert not seen.look(0, None)
    watch.turn = True
    assert seen.look(1, None)
    assert seen.way == DOCK
    assert not seen.look(2, None)

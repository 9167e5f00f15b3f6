"""No edge that lasts is lost, none is invented, the first is never late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.raspberry_pi.debounce import Debouncer

HOLD_OFF = 20_000


def play(edges: list[tuple[bool, int]], hold_off_us: int = HOLD_OFF) -> list[tuple[bool, int]]:
    """All believed edges, with ticks at their deadlines as the driver gives them."""
    debouncer = Debouncer(hold_off_us)
    believed: list[tuple[bool, int]] = []
    for pressed, at_us in edges:
        while (deadline := debouncer.deadline_us()) is not None and deadline < at_us:
            believed += debouncer.tick(deadline)
        believed += debouncer.edge(pressed, at_us)
    while (deadline := debouncer.deadline_us()) is not None:
        believed += debouncer.tick(deadline)
    return believed


def test_a_clean_press_counts_at_once() -> None:
    debouncer = Debouncer(HOLD_OFF)
    assert debouncer.edge(True, 1_000) == [(True, 1_000)]
    assert debouncer.edge(False, 151_000) == [(False, 151_000)]


def test_chatter_is_one_press() -> None:
    chatter = [(True, 0), (False, 800), (True, 1_500), (False, 2_100), (True, 3_000), (False, 200_000), (True, 201_000)]
    assert play([*chatter, (False, 201_500)]) == [(True, 0), (False, 200_000)]


def test_a_pulse_shorter_than_the_hold_off_loses_no_release() -> None:
    """gpiozero's bounce_time would stay pressed for ever here (#550, #1039)."""
    assert play([(True, 0), (False, 5_000)]) == [(True, 0), (False, 5_000)]


def test_two_short_pulses_in_a_row_end_released() -> None:
    assert play([(True, 0), (False, 5_000), (True, 21_000), (False, 22_000)])[-1][0] is False


def test_without_hold_off_every_edge_counts() -> None:
    edges = [(True, 0), (False, 10), (True, 20), (False, 30)]
    assert play(edges, hold_off_us=0) == edges


@given(gaps=st.lists(st.integers(1, 60_000), max_size=60), hold_off=st.integers(0, 50_000))
def test_properties(gaps: list[int], hold_off: int) -> None:
    at_us, pressed, edges = 0, False, []
    for gap in gaps:
        at_us += gap
        pressed = not pressed
        edges.append((pressed, at_us))
    believed = play(edges, hold_off)
    assert [level for level, _ in believed] == [i % 2 == 0 for i in range(len(believed))], "press and release alternate"
    assert all(edge in edges for edge in believed), "every believed edge is one of the contact's, with its own time"
    assert [t for _, t in believed] == sorted(t for _, t in believed)
    assert (believed[-1][0] if believed else False) == pressed, "in the end the contact is believed"
    following = [*edges, (not pressed, at_us + 10**9)][1:]
    for (level, since), (_, until) in zip(edges, following, strict=True):
        if until - since > 2 * hold_off:
            last_before = [lv for lv, t in believed if t <= until - 1]
            assert last_before and last_before[-1] == level, "a level that lasts is seen while it lasts"

"""Which keys a unit does not have as they are desired, from the texts and what the unit reports."""

from __future__ import annotations

from recorder.fleet.delta import delta, values

WANTED = "[night]\nlamp = true\ndwell_s = 9\n[controls.start]\nhold_s = 1\n"


def test_nothing_differs() -> None:
    assert delta(WANTED, WANTED, (), ()) == ()


def test_what_differs_what_is_gone_and_what_waits() -> None:
    had = "[night]\nlamp = true\ndwell_s = 3\n[prompts]\nstealth = true\n"
    assert delta(WANTED, had, (), ()) == ("controls.start.hold_s", "night.dwell_s", "prompts.stealth")
    assert delta(WANTED, WANTED, ("night.dwell_s", "capture.gop_s"), ("controls.start",)) == (
        "controls.start.hold_s",
        "night.dwell_s",
    )


def test_a_layer_nobody_knows_may_differ_in_everything() -> None:
    assert delta(WANTED, None, (), ()) == tuple(sorted(values(WANTED)))
    assert values("[night") == {}

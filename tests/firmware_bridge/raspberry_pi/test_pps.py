"""The pulse as the kernel shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.raspberry_pi.pps import Pulse, PulsePerSecond, parse_assert

SECOND_NS = 1_000_000_000


def test_a_pulse_and_how_far_it_is_from_the_second() -> None:
    pulse = parse_assert("1795651200.000004317#86400\n")
    assert pulse == Pulse(1_795_651_200 * SECOND_NS + 4317, 86400)
    assert pulse.offset_ns == 4317
    late = parse_assert("1795651199.999998000#7")
    assert late is not None and late.offset_ns == -2000


@pytest.mark.parametrize("text", ["", "\n", "0.000000000#0", "1795651200#5", "1795651200.0#5", "garbage#1"])
def test_no_pulse_yet(text: str) -> None:
    assert parse_assert(text) is None


def test_a_pulse_that_stopped_tells_nothing(tmp_path: Path) -> None:
    source = PulsePerSecond(tmp_path)
    now_us = 1_795_651_200_000_000
    assert source.last() is None and source.offset_ns(now_us) is None
    (tmp_path / "assert").write_text("1795651200.000004317#86400\n")
    assert source.offset_ns(now_us + 1_000_000) == 4317
    assert source.offset_ns(now_us + 3_000_000) is None, "the receiver lost its fix"
    assert source.offset_ns(now_us - 3_000_000) is None, "the clock was set since"

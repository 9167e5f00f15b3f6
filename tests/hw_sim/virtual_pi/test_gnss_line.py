"""The receiver on the virtual Pi's serial line, read by the real parser."""

from __future__ import annotations

import os
import select
from datetime import UTC, datetime
from typing import Any

import pynmea2

from firmware_bridge.clock import SystemClock
from hw_sim.virtual_pi.gnss_line import GnssLine, fix

_parse: Any = pynmea2.parse  # a library without types


def test_the_sentences_are_what_pynmea2_takes_for_a_fix() -> None:
    gga, rmc = fix(datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC)).decode("ascii").split()
    position = _parse(gga, check=True)
    assert (round(position.latitude, 4), round(position.longitude, 4)) == (38.8741, 115.4649)
    assert (position.gps_qual, position.num_sats) == (1, "08")
    assert _parse(rmc, check=True).datetime == datetime(2026, 11, 26, 1, 2, 3, tzinfo=UTC)


def test_an_old_fix_does_not_wait_for_its_reader() -> None:
    line = GnssLine(SystemClock(), interval_s=0.01)
    try:
        assert select.select([line.guest_end], [], [], 10)[0]
        for _ in range(20):  # many intervals in which nobody reads
            select.select([], [], [], 0.01)
        assert os.read(line.guest_end.fileno(), 65536).count(b"RMC") == 1
    finally:
        line.close()
        line.guest_end.close()

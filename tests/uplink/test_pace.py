"""Whether the deadlines will be met at the rate uploads have had, and when somebody is told."""

from __future__ import annotations

import math

from recorder.uplink.edf import Job
from recorder.uplink.pace import LateNotice, Pace

MB = 1_000_000
S = 1_000_000


def test_too_little_is_no_rate() -> None:
    pace = Pace()
    assert pace.rate() is None
    pace.sent(64_000, 0.001)
    assert pace.rate() is None
    assert pace.late([Job("a", 10**12, 5.0)], 0.0) is None


def test_the_rate_is_that_of_the_last_uploads() -> None:
    pace = Pace()
    for _ in range(20):
        pace.sent(30 * MB, 10.0)
    assert pace.rate() == 3 * MB
    for _ in range(10):
        pace.sent(30 * MB, 100.0)
    assert pace.rate() == 0.3 * MB


def test_a_line_that_carries_nothing_at_all_for_long_is_known_to_be_slow() -> None:
    pace = Pace()
    pace.sent(50_000, 60.0)
    rate = pace.rate()
    assert rate is not None and rate < 1000


def test_late_counts_what_will_be_and_not_what_is_or_has_no_deadline() -> None:
    pace = Pace()
    pace.sent(30 * MB, 30.0)
    jobs = [
        Job("overdue", 30 * MB, 99.0),
        Job("fits", 30 * MB, 140.0),
        Job("late", 30 * MB, 150.0),
        Job("whenever", 30 * MB, math.inf),
    ]
    assert pace.late(jobs, 100.0) == 1


def test_told_at_once_again_after_ten_minutes_and_once_when_it_is_over() -> None:
    notice = LateNotice()
    assert notice.due(None, 0) is None
    assert notice.due(0, 0) is None
    assert notice.due(3, 0) == 3
    assert notice.due(3, 1) == 3, "nobody was told yet"
    notice.told(3, S)
    assert notice.due(5, 500 * S) is None
    assert notice.due(5, 601 * S) == 5
    notice.told(5, 601 * S)
    assert notice.due(0, 602 * S) == 0
    notice.told(0, 602 * S)
    assert notice.due(None, 603 * S) is None

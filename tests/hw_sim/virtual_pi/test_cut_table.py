"""The numbers of the power-cut table."""

from __future__ import annotations

import math
from dataclasses import replace

from hw_sim.virtual_pi.cut_table import Cut, Phase, hold_problem, quantile, table
from hw_sim.virtual_pi.power_cuts import Result


def cut(number: int, phase: Phase, lost_s: float | None, again_s: float | None = 5.0) -> Cut:
    return Cut(number, phase, True, "clean", 3, (), "incomplete", True, lost_s, 3.0, again_s)


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([7.0], 0.99) == 7.0
    assert math.isnan(quantile([], 0.5))


def test_the_table_has_a_row_for_each_phase_that_was_cut_and_one_for_all() -> None:
    lines = table([cut(1, "recording", 0.2), cut(2, "releasing", 0.4), cut(3, "recording", None, None)]).splitlines()
    assert len(lines) == 2 + 3
    assert "| recording | 2 | 0.20 / 0.20 / 0.20 | 5.00 / 5.00 / 5.00 | 0 | 0 | incomplete |" in lines
    assert lines[-1].startswith("| all | 3 | 0.20 / 0.40 / 0.40 |")


def test_a_cut_is_good_only_when_file_system_and_evidence_are() -> None:
    assert cut(1, "recording", 0.1).good
    assert not replace(cut(1, "recording", 0.1), file_system="errors").good
    assert not replace(cut(1, "recording", 0.1), holds=False).good


def test_a_cut_that_cost_more_than_the_hold_or_was_not_measured_is_a_problem() -> None:
    assert hold_problem(cut(1, "recording", 1.0), 1.0) == ""
    assert "lost 5.00 s" in hold_problem(cut(1, "recording", 5.0), 1.0)
    assert hold_problem(cut(1, "recording", 5.0), 6.0) == ""
    assert "no gap" in hold_problem(cut(1, "recording", None), 1.0)
    assert "not a measurement" in hold_problem(cut(1, "recording", 0.0), 1.0)
    assert "record again" in hold_problem(cut(1, "recording", 0.5, None), 1.0)


def test_the_rig_fails_when_a_single_cut_cost_too_much() -> None:
    good = Result((cut(1, "recording", 0.4),), {"integrity": "intact"}, True)
    assert good.problems() == []
    slow = replace(good, cuts=(cut(1, "recording", 0.4), cut(2, "splitting", 1.01)))
    assert len(slow.problems()) == 1 and "cut 2" in slow.problems()[0]
    assert slow.problems(hold_s=1.1) == []

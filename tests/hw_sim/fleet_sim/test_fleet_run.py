"""A small fleet under the same load and faults as the big one: nothing late, marked evidence at once, no idle line."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from hw_sim.cli import main
from hw_sim.fleet_sim.chart import decades
from hw_sim.fleet_sim.engine import FleetRun
from hw_sim.fleet_sim.load import MB, LoadPlan, make_load
from hw_sim.fleet_sim.report import FleetResult, cumulative, remaining, simulate, waiting
from tests.support import tier

SMALL = LoadPlan(units=300, link_rate=60 * MB)
"""Seventy minutes of a line that five units fill."""

SEEDS = {"quick": 1, "ci": 3, "nightly": 20}[tier()]


@pytest.fixture(scope="module")
def results() -> list[FleetResult]:
    return [simulate(LoadPlan(units=300, link_rate=60 * MB, seed=seed)) for seed in range(1, SEEDS + 1)]


def test_the_bounds_hold(results: list[FleetResult]) -> None:
    assert [result.failures for result in results] == [[] for _ in results]


def test_every_segment_has_its_receipt_once_in_either_scheme(results: list[FleetResult]) -> None:
    for result in results:
        for tally in result.tallies.values():
            assert (tally.receipts, tally.unfinished) == (300 * 30, 0)


def test_the_lottery_under_the_same_load_is_late(results: list[FleetResult]) -> None:
    """The comparison means something only where it is hard: tight deadlines pass when nobody looks at them."""
    for result in results:
        lottery, grants = result.tallies["lottery"], result.tallies["grants"]
        assert lottery.late > 0
        assert lottery.late_tight == lottery.late
        assert lottery.marked_p99_s > 3 * grants.marked_p99_s
        assert lottery.turned_away > grants.turned_away


def test_the_load_is_one_that_can_be_done(results: list[FleetResult]) -> None:
    for result in results:
        assert not result.load.feasible.late
        assert sum(unit.tight for unit in result.load.units) > 0
        assert sum(unit.away is not None for unit in result.load.units) > 0


def test_a_load_nobody_could_carry_is_told_by_arithmetic_and_by_the_run() -> None:
    plan = LoadPlan(units=100, link_rate=20 * MB, tight=0.8, tight_s=(600.0, 900.0))
    load = make_load(plan)
    assert load.feasible.late
    assert FleetRun(load, "grants").run().late > 0


def test_the_same_seed_is_the_same_run() -> None:
    load = make_load(LoadPlan(units=50, link_rate=20 * MB, seed=7))
    first, second = FleetRun(load, "grants").run(), FleetRun(load, "grants").run()
    assert (first.finish_s, first.requests, first.curve) == (second.finish_s, second.requests, second.curve)


def test_the_command_writes_the_page_and_its_picture(tmp_path: Path) -> None:
    target = tmp_path / "scale.md"
    done = CliRunner().invoke(
        main, ["fleet", "--simulate", "60", "--simulate", "40", "--link-mb-s", "30", "--write", str(target)]
    )
    assert done.exit_code in (0, 1), done.output
    text = target.read_text(encoding="utf-8")
    assert "| 60 | **许可 grants** |" in text and "| 40 | **许可 grants** |" in text
    assert "scale.svg" in text
    drawing = ElementTree.fromstring(target.with_suffix(".svg").read_text(encoding="utf-8"))
    words = {text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert {"等待 waiting, s", "分钟 minutes", "许可 grants", "429 + full jitter"} <= words


def test_the_picture_shows_who_waits_and_what_is_left(results: list[FleetResult]) -> None:
    result = results[0]
    waits = {line.name: line for line in waiting(result).lines}
    for name, tally in (("许可 grants", result.tallies["grants"]), ("429 + full jitter", result.tallies["lottery"])):
        shares = [share for _, share in waits[name].points]
        assert shares == sorted(shares) and shares[-1] == 100.0, "every marked segment has its receipt in the end"
        assert all(share >= 99.0 for place, share in waits[name].points if place >= tally.marked_p99_s)
    sooner = zip(waits["许可 grants"].points, waits["429 + full jitter"].points, strict=True)
    assert sum(grants[1] - lottery[1] for grants, lottery in sooner) > 0
    for line in remaining(result).lines:
        assert line.points[0][1] == result.load.plan.total_bytes / 1e12 and line.points[-1][1] == 0.0


def test_what_never_got_its_receipt_keeps_the_line_below_the_top() -> None:
    x = decades("s", 1.0, 100.0)
    shares = dict(cumulative([1.0, 10.0], 4, x))
    assert (shares[1.0], shares[max(shares)]) == (25.0, 50.0)
    assert cumulative([], 0, x)[-1][1] == 0.0

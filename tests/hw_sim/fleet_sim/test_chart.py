"""The axes of the fleet's picture."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.fleet_sim.chart import Axis, Line, Panel, chart, decades, linear


@given(st.floats(0.001, 1e9))
def test_a_linear_axis_has_round_steps_within_it(high: float) -> None:
    axis = linear("s", high)
    assert 3 <= len(axis.ticks) <= 5
    assert axis.ticks[0] == 0.0 and axis.ticks[-1] <= high * (1 + 1e-6)


@pytest.mark.parametrize(
    ("low", "high", "ends"), [(2.5, 480.0, (1, 1000)), (10.0, 100.0, (10, 100)), (5.0, 5.0, (1, 10)), (1, 1, (1, 10))]
)
def test_a_logarithmic_axis_is_of_whole_powers_of_ten(low: float, high: float, ends: tuple[float, float]) -> None:
    axis = decades("s", low, high)
    assert (axis.low, axis.high) == pytest.approx(ends)
    assert axis.ticks[0] == axis.low and axis.ticks[-1] == axis.high


def test_where_a_value_stands() -> None:
    assert Axis("s", 1.0, 100.0, [], log=True).share(10.0) == pytest.approx(0.5)
    assert Axis("s", 0.0, 100.0, []).share(25.0) == 0.25
    assert Axis("s", 1.0, 100.0, [], log=True).share(0.0) == 0.0, "beyond its end"


def test_names_are_text_and_panels_stand_side_by_side() -> None:
    panel = Panel(
        "<a & b>", linear("s", 4.0), linear("%", 100.0), [Line("one <1>", "#000", [(0.0, 0.0), (4.0, 100.0)])]
    )
    drawing = ElementTree.fromstring(chart("t", [panel, panel]))
    svg = "{http://www.w3.org/2000/svg}"
    assert [text.text for text in drawing.iter(f"{svg}text")].count("<a & b>") == 2
    lines = [line.get("points") for line in drawing.iter(f"{svg}polyline")]
    assert lines.count("70.0,316.0 520.0,64.0") == 2

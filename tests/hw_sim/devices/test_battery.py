from __future__ import annotations

import pytest

from hw_sim.devices.battery import Cell, open_circuit_v


def test_a_cell_lasts_as_long_as_its_charge() -> None:
    cell, hours = Cell(capacity_mah=3000, resistance_ohm=0.1), 0.0
    while not cell.empty:
        cell.draw(300, 36)
        hours += 0.01
    assert 9.5 < hours < 10, "a little stays behind the cut-off"
    assert cell.voltage_v() < 3.2 and cell.percent() <= 3


def test_it_sags_with_the_load_and_dies_sooner_for_it() -> None:
    light, heavy = Cell(charge=0.05), Cell(charge=0.05)
    light.draw(100, 1)
    heavy.draw(2500, 1)
    assert heavy.loaded_v < light.loaded_v - 0.2
    assert heavy.empty and not light.empty


def test_readings_are_noisy_and_repeatable() -> None:
    readings = [Cell(noise_v=0.01, seed=seed).voltage_v() for seed in (1, 1, 2)]
    assert readings[0] == readings[1] != readings[2]
    assert Cell(gauge_error=3, charge=0.5).percent() == 53


def test_the_curve_has_its_ends() -> None:
    assert open_circuit_v(-1) == open_circuit_v(0) == pytest.approx(3.0)
    assert open_circuit_v(2) == open_circuit_v(1) == pytest.approx(4.19)

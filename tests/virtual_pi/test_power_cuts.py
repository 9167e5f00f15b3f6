"""A few true power cuts with everything judged; ``./dev virtual-pi cuts -n 50`` makes the table of docs/benchmarks.md."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.virtual_pi.cut_table import table
from hw_sim.virtual_pi.power_cuts import HOLD_S, power_cuts
from tests.support import tier
from tests.virtual_pi.conftest import Images

CUTS = {"quick": 3, "ci": 3, "nightly": 50}


@pytest.mark.timeout(7200)
def test_a_cut_costs_the_time_it_took_and_nothing_else(images: Images, tmp_path: Path) -> None:
    seed = int(os.environ.get("CUT_SEED", "20191201"))
    count = int(os.environ.get("CUTS", CUTS[tier()]))
    result = power_cuts(images.kernel, images.root.parent, tmp_path, count, seed, SystemClock(), click.echo)
    click.echo(table(result.cuts))
    hold_s = float(os.environ.get("CUT_HOLD_S", HOLD_S))
    assert result.problems(hold_s) == []

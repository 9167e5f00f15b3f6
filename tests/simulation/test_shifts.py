"""Tier 1: whole shifts with random faults keep the five promises. A failing seed prints the one command that replays it."""

from __future__ import annotations

import pytest

from hw_sim.deterministic.campaign import Tally, campaign, replay_command
from tests.support import tier

SHIFTS = {"quick": 40, "ci": 2_000, "nightly": 100_000}[tier()]


@pytest.mark.timeout(0)
@pytest.mark.slow
def test_no_shift_breaks_a_promise() -> None:
    tally = Tally()
    broken: list[str] = []
    for outcome in campaign(1, SHIFTS):
        tally.add(outcome)
        broken += [f"seed {outcome.seed}: {text}  ({replay_command(outcome.seed)})" for text in outcome.violations]
    assert not broken, "\n".join([*broken[:40], str(tally)])
    assert tally.shifts == SHIFTS

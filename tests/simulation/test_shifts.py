"""Tier 1: whole shifts with random faults keep the five promises. A failing seed prints the one command that replays it."""

from __future__ import annotations

import pytest

from hw_sim.deterministic.campaign import Tally, campaign, replay_command
from tests.support import tier

SHIFTS = {"quick": 40, "ci": 2_000, "nightly": 100_000}[tier()]

OPEN = {
    380: "of acknowledged media",
    464: "journal-lines-repeated",
    608: "gap-unrecorded",
    1272: "gap-unrecorded",
    1312: "gap-unrecorded",
    1750: "journal-lines-repeated",
}
"""Seeds that still break a promise, and by what: open defects (docs/testing.md), not tolerances. Each must go on failing in
just this way until it is mended; then its line goes."""


@pytest.mark.timeout(0)
@pytest.mark.slow
def test_no_shift_breaks_a_promise() -> None:
    tally = Tally()
    broken: list[str] = []
    mended = {seed for seed in OPEN if seed <= SHIFTS}
    for outcome in campaign(1, SHIFTS):
        tally.add(outcome)
        for text in outcome.violations:
            if OPEN.get(outcome.seed, "\0") in str(text):
                mended.discard(outcome.seed)
            else:
                broken.append(f"seed {outcome.seed}: {text}  ({replay_command(outcome.seed)})")
    assert not broken, "\n".join([*broken[:40], str(tally)])
    assert tally.shifts == SHIFTS
    assert not mended, f"no longer broken, take them off the list: {sorted(mended)}"

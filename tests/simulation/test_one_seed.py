"""One seed is one shift: the same again, event by event; and a seed does what its plan says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw_sim.deterministic.__main__ import main
from hw_sim.deterministic.judge import run_seed
from hw_sim.deterministic.plan import KINDS, REAL_SIGNER_EACH, Plan, Trouble, plan_of
from hw_sim.deterministic.timeline import SECOND


@pytest.mark.parametrize("seed", [4, REAL_SIGNER_EACH])
def test_the_same_seed_is_the_same_shift(seed: int) -> None:
    one: list[str] = []
    other: list[str] = []
    first, second = run_seed(seed, out=one.append), run_seed(seed, out=other.append)
    assert one == other
    assert (first.simulated_us, first.counts) == (second.simulated_us, second.counts)
    assert len(one) > 10


def _a_card_with_errors(plan: Plan) -> Plan:
    troubles = (Trouble(20 * SECOND, "card-errors", 60 * SECOND, 0.5),)
    return replace(plan, duration_us=90 * SECOND, real_signer=False, tampers=False, commands=False, troubles=troubles)


def test_a_shift_that_is_kept_is_the_shift_that_is_not(tmp_path: Path) -> None:
    """The errors of a card name files, and stand in the journal: where the shift is kept must not change their length."""
    kept = run_seed(3, change=_a_card_with_errors, keep=tmp_path / "a folder with a name of some length")
    other = run_seed(3, change=_a_card_with_errors)
    assert (kept.simulated_us, kept.counts) == (other.simulated_us, other.counts)


def test_every_kind_of_trouble_is_planned_and_every_twentieth_shift_really_signs() -> None:
    plans = [plan_of(seed) for seed in range(400)]
    kinds = Counter(trouble.kind for plan in plans for trouble in plan.troubles)
    assert set(kinds) == set(KINDS)
    assert sum(plan.real_signer for plan in plans) == len(plans) // REAL_SIGNER_EACH
    assert all(5 <= plan.duration_us / 60e6 <= 15 for plan in plans)


def test_the_command_ends_with_its_count_and_replays_a_seed(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["--seeds", "1", "--jobs", "1"])
    assert (result.exit_code, result.output.splitlines()[-1]) == (0, "1 shifts, 0 violations")
    result = CliRunner().invoke(main, ["--seed", "2", "--trace", "--keep", str(tmp_path / "kept")])
    assert result.exit_code == 0
    assert "power on" in result.output.splitlines()[0]
    assert list((tmp_path / "kept" / "unit" / "journal").glob("*.jws"))
    assert CliRunner().invoke(main, ["--trace"]).exit_code == 2

"""One seed, from plan to verdict."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from hw_sim.deterministic import promises, verdicts
from hw_sim.deterministic.account import account, journal_lines
from hw_sim.deterministic.desk import obeyed_once
from hw_sim.deterministic.plan import Plan, plan_of
from hw_sim.deterministic.promises import Violation
from hw_sim.deterministic.shift import Bugs, Shift
from hw_sim.deterministic.signing import stand_in_signatures
from hw_sim.deterministic.trace import Out
from hw_sim.deterministic.verdicts import TAMPERS, Act, Verify, verify

MEMORY = Path("/dev/shm")
COUNTED = ("interruption", "resumption", "explanation", "note", "recovery", "release", "receipt", "session-start")
CLOCK_TROUBLES = ("clock-step", "clock-lost")


@dataclass(frozen=True, slots=True)
class Outcome:
    """``counts``: how often what happened."""

    seed: int
    violations: tuple[Violation, ...]
    simulated_us: int
    counts: dict[str, int] = field(default_factory=dict)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A new folder in memory where there is one. ``keep`` names a new folder everything is copied to in the end: the shift
    runs in no other place than without it, for the texts of the card's errors name files and stand in the journal, so
    that a path of another length makes another shift."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=False)
    with tempfile.TemporaryDirectory(prefix="shift-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        try:
            yield Path(name)
        finally:
            if keep is not None:
                shutil.copytree(name, keep, dirs_exist_ok=True)


def run_seed(
    seed: int,
    *,
    bugs: Bugs | None = None,
    check: Verify = verify,
    tampers: Sequence[Act] = TAMPERS,
    out: Out | None = None,
    keep: Path | None = None,
    change: Callable[[Plan], Plan] = lambda plan: plan,
) -> Outcome:
    """Run one shift and judge it. ``bugs``, ``check``, ``tampers`` and ``change`` are for tests: a planted bug, another
    verifier, other hands, another plan. The recorder's log is silent meanwhile."""
    plan = change(plan_of(seed))
    logging.disable(logging.CRITICAL)
    try:
        with _folder(keep) as folder, nullcontext() if plan.real_signer else stand_in_signatures():
            shift = Shift(plan, folder, bugs, out)
            shift.run()
            return Outcome(seed, tuple(_judge(shift, check, tampers)), shift.timeline.now_us, shift.truth.counts)
    finally:
        logging.disable(logging.NOTSET)


def _judge(shift: Shift, check: Verify, tampers: Sequence[Act]) -> list[Violation]:
    plan, truth, end_us = shift.plan, shift.truth, shift.timeline.now_us
    lines = list(journal_lines(shift.data_dir / "journal"))
    for line in lines:
        if line.typ in COUNTED:
            truth.count(line.typ)
    found = [Violation(0, text) for text in truth.internal]
    found += promises.nobody_is_accused(lines)
    found += promises.the_store_has_it(shift.store, lines, truth)
    said = account(lines, truth)
    found += promises.recording_goes_on(truth, said, plan.cameras, end_us)
    found += promises.nothing_is_lost(truth, lines, shift.data_dir / "segments")
    trust = shift.folder / "trust"
    report = check(shift.data_dir, trust)
    clock_lied = any(kind in truth.counts for kind in CLOCK_TROUBLES)
    found += promises.every_second(truth, said, report.summary(), plan.cameras, plan.standby_interval_us, end_us)
    found += verdicts.no_false_alarm(truth, report, clock_lied=clock_lied)
    found += promises.every_gap_shows(truth, lines, verdicts.named(report))
    found += promises.nothing_leaks(shift.data_dir, plan.sealed, truth.names, lines)
    found += obeyed_once(shift.desk, lines)
    if plan.real_signer:
        found += _store(shift, check)
    if plan.tampers:
        found += verdicts.any_change_shows(
            shift.data_dir, trust, random.Random(f"tamper {plan.seed}"), check, report, tampers
        )
    return found


def _store(shift: Shift, check: Verify) -> list[Violation]:
    """The store's own vault: what it has is right; what it lacks it may still get."""
    if shift.store.journal_id is None:
        return []
    shift.store.write_vault(shift.folder / "store")
    report = check(shift.folder / "store", shift.folder / "trust")
    clean = replace(shift.truth, rotten={})
    lied = any(kind in shift.truth.counts for kind in CLOCK_TROUBLES)
    late = ("segment-missing", "anchor-behind", "shift-open", "torn-absent")
    return [
        violation
        for violation in verdicts.no_false_alarm(clean, report, clock_lied=lied)
        if not any(f"finds {code} " in violation.text for code in late)
    ]

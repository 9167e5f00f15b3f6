"""A bug planted in each of the five promises is caught within a few seeds: the invariants have teeth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hw_sim.deterministic.judge import run_seed
from hw_sim.deterministic.plan import Kind, Plan, Trouble
from hw_sim.deterministic.shift import Bugs
from hw_sim.deterministic.timeline import SECOND
from hw_sim.deterministic.unit import Making
from hw_sim.deterministic.verdicts import TAMPERS, Act, Verify, cut_journal_tail, flip_in_segment, verify
from recorder.evidence.files import AppendFile, Files
from recorder.evidence.journal import Appended, Journal
from recorder.evidence.records import Event, OfficerSignIn, Record
from recorder.evidence.recovery import Recovered, recover
from recorder.evidence.state import JournalState
from recorder.evidence.verify.report import Report
from recorder.session import events as ev
from recorder.session.machine import SessionMachine
from recorder.session.retention import Held
from recorder.session.shift_account import ShiftAccount
from recorder.unit.custody import Custody
from recorder.unit.duties import DUTIES
from recorder.unit.duties.command_desk import CommandDesk
from recorder.unit.duty import Duty
from recorder.unit.ledger import Ledger

SEEDS = range(7001, 7013)


def with_troubles(*kinds: Kind, strength: float = 0.5) -> Callable[[Plan], Plan]:
    """Four minutes with just these troubles, spread evenly."""

    def change(plan: Plan) -> Plan:
        duration = 4 * 60 * SECOND
        each = duration // (len(kinds) + 1)
        troubles = tuple(
            Trouble(each * number, kind, 40 * SECOND, strength) for number, kind in enumerate(kinds, start=1)
        )
        return replace(plan, duration_us=duration, troubles=troubles, real_signer=False, sealed=True, tampers=False)

    return change


CALM = with_troubles()
CUTS = with_troubles("power-cut", "power-cut", "power-cut", "power-cut")
KILLS = with_troubles("unit-killed", "unit-killed", "unit-killed", "unit-killed", "unit-killed")
"""In the middle of what the unit process does with the disk."""


def caught(
    promise: int,
    change: Callable[[Plan], Plan],
    bugs: Bugs | None = None,
    check: Verify = verify,
    tampers: Sequence[Act] = TAMPERS,
) -> None:
    """The planted bug shows as a violation of its promise within the seeds; the same seed without it shows nothing."""
    for seed in SEEDS:
        found = run_seed(seed, bugs=bugs, check=check, tampers=tampers, change=change).violations
        if any(violation.promise == promise for violation in found):
            assert run_seed(seed, tampers=tampers, change=change).violations == ()
            return
    pytest.fail(f"not caught by seeds {SEEDS[0]} to {SEEDS[-1]}")


# --- 1: recording goes on --------------------------------------------------------------------------------------------


class StopsInTheDark(Duty):
    """Finds it too dark to record."""

    name = "timid"

    def poll(self, now_us: int, wall_us: int) -> None:
        lux = self._unit.p.sensors.readings.lux
        if lux is not None and lux < 5 and self._unit.p.machine.session_id is not None:
            self._unit.decide(ev.StopRequested(at_us=now_us, reason="command"))


def test_a_recording_that_stops_for_a_lesser_reason() -> None:
    caught(1, with_troubles("darkness", "darkness", "darkness"), Bugs(Making(duties=(*DUTIES, StopsInTheDark))))


class NeverResumes(SessionMachine):
    """Leaves a recording that a crash cut short to the officer."""

    def handle(self, event: ev.Event) -> Any:
        if isinstance(event, ev.WorkerReady) and self.gaps:
            return []
        return super().handle(event)


def test_a_recording_that_does_not_go_on_after_a_crash() -> None:
    caught(1, with_troubles("worker-crash", "worker-crash", "worker-crash"), Bugs(Making(machine=NeverResumes)))


class ForgetsCommands(CommandDesk):
    """Knows only the commands of its own process."""

    def started(self, before: JournalState) -> None:
        super().started(JournalState())


def test_a_command_that_is_obeyed_again_after_a_restart() -> None:
    forgetful = tuple(ForgetsCommands if duty is CommandDesk else duty for duty in DUTIES)
    caught(4, lambda plan: replace(KILLS(plan), commands=True), Bugs(Making(duties=forgetful)))


# --- 2: nothing recorded is lost -------------------------------------------------------------------------------------


class HastyLedger(Ledger):
    """Acknowledges before the journal is durable."""

    def commit(self) -> bool:
        after, self._after = self._after, []
        for act in after:
            act()
        return super().commit()


def test_an_acknowledgement_before_the_sync() -> None:
    caught(2, KILLS, Bugs(Making(ledger=HastyLedger)))


@dataclass
class _Unsynced:
    inner: AppendFile

    def write(self, data: bytes | memoryview) -> None:
        self.inner.write(data)

    def sync(self) -> None:
        """Says it is durable and does nothing."""

    def close(self) -> None:
        self.inner.close()


class LazyFiles:
    """Every file but its sync."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def create(self, path: Path) -> AppendFile:
        return _Unsynced(self._files.create(path))


def lazy(files: Files) -> Files:
    made: Any = LazyFiles(files)
    return made  # type: ignore[no-any-return]


def test_a_fragment_reported_before_its_sync() -> None:
    caught(2, CUTS, Bugs(worker_files=lazy))


class GreedyCustody(Custody):
    """Lets go of what no receipt covers."""

    def _release(self, wall_us: int) -> None:
        for segment in self._index.held():
            if segment.segment_id not in self._pending_release:
                self._let_go(replace(segment, receipt_digest=segment.receipt_digest or "A" * 43))

    def _let_go(self, segment: Held) -> None:
        super()._let_go(segment)


def test_a_release_before_the_receipt() -> None:
    caught(2, with_troubles("partition"), Bugs(Making(custody=GreedyCustody)))


# --- 3: every second is accounted for --------------------------------------------------------------------------------


class HoleyAccount(ShiftAccount):
    """Begins each standby interval three seconds late."""

    def standby_to(self, to_us: int) -> list[Record]:
        self.covered_us = min(to_us, self.covered_us + 3 * SECOND)
        return super().standby_to(to_us)


class HoleyMachine(SessionMachine):
    def __init__(self, settings: Any, new_id: Callable[[], str]) -> None:
        super().__init__(settings, new_id)
        self._shift = HoleyAccount(settings.standby_interval_us, new_id)


def test_a_standby_interval_with_a_hole() -> None:
    caught(3, CALM, Bugs(Making(machine=HoleyMachine)))


WORN_CARD = with_troubles("write-errors", "write-errors", "write-errors", "write-errors")


class WaitsForTheClose(SessionMachine):
    """Judges what lies between two segments when the first is closed; one the disk made the worker give up never is."""

    def handle(self, event: ev.Event) -> Any:
        if isinstance(event, ev.SegmentOpened) and event.message.role != "preroll" and self._session is not None:
            track = self._session.tracks[event.message.camera_id]
            if track.end_us is not None and track.gap is None:
                track.end_us = max(track.end_us, event.message.media_start_us)
        return super().handle(event)


def test_seconds_of_write_errors_in_no_gap() -> None:
    caught(3, WORN_CARD, Bugs(Making(machine=WaitsForTheClose)))


class TakesAFileForMedia(SessionMachine):
    """Ends a gap when the next file is opened, whether or not the disk takes anything else of it."""

    def handle(self, event: ev.Event) -> Any:
        effects = super().handle(event)
        if isinstance(event, ev.SegmentOpened) and event.message.role != "preroll":
            opened = event.message
            media = ev.MediaDurable(event.at_us, opened.camera_id, opened.segment_id, opened.media_start_us + 1)
            effects += super().handle(media)
        return effects


def test_a_gap_that_ends_before_anything_is_recorded() -> None:
    caught(3, WORN_CARD, Bugs(Making(machine=TakesAFileForMedia)))


# --- 4: any change shows ---------------------------------------------------------------------------------------------


def blind_to(*codes: str) -> Verify:
    """A verifier that does not say these things."""

    def check(vault: Path, trust: Path) -> Report:
        report = verify(vault, trust)
        vaults = tuple(
            replace(one, findings=tuple(finding for finding in one.findings if finding.code not in codes))
            for one in report.vaults
        )
        return replace(report, vaults=vaults)

    return check


def tampering(plan: Plan) -> Plan:
    return replace(CALM(plan), tampers=True)


def test_a_verifier_blind_to_a_cut_tail() -> None:
    caught(4, tampering, check=blind_to("rolled-back"), tampers=(cut_journal_tail,))


def test_a_verifier_blind_to_a_flipped_bit() -> None:
    caught(4, tampering, check=blind_to("segment-altered"), tampers=(flip_in_segment,))


class UnchainedJournal(Journal):
    """Every line for itself."""

    def _sign(self, record: Record) -> tuple[Appended, bytes]:
        self.state.prev = None
        return super()._sign(record)


def unchained(*args: Any, **kwargs: Any) -> Recovered:
    recovered = recover(*args, **kwargs)
    recovered.journal.__class__ = UnchainedJournal
    return recovered


def test_a_journal_that_is_not_chained() -> None:
    caught(4, CALM, Bugs(Making(recover=unchained)))


# --- 5: a lost unit leaks nothing ------------------------------------------------------------------------------------


class ThinSealer:
    """Looks like age and seals nothing."""

    def __init__(self, recipients: Sequence[str]) -> None:
        self.header = b"age-encryption.org/v1\n-> X25519 A\nA\n--- A\n" + bytes(16)

    def seal(self, plain: bytes | memoryview) -> bytes:
        return bytes(plain) + bytes(16)

    def finish(self, plain: bytes) -> bytes:
        return bytes(plain) + bytes(16)


def test_media_written_in_the_clear() -> None:
    caught(5, CALM, Bugs(sealer=ThinSealer))


class Gossip(Duty):
    """Writes down who signed in."""

    name = "gossip"

    def observe(self, record: Record) -> None:
        if isinstance(record, OfficerSignIn):
            numbers = ", ".join(self._unit.p.officers.certificate_numbers)
            self._unit.write(Event(event="signed-in", at_us=self._unit.now_us(), detail={"who": numbers}))


def test_a_number_written_in_the_clear() -> None:
    caught(5, CALM, Bugs(Making(duties=(*DUTIES, Gossip))))

"""A shift with an update in it: offered while a recording runs, it waits; installed after stop and receipts; a version
that is bad goes back. Real: TLS, files, carrier, installer, signatures. Played: hawkBit, the unit process, dpkg, the
clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recorder.evidence.files import OsFiles
from recorder.unit.duties.update_desk import FORMS
from recorder.update import places
from recorder.update.carrier import Carrier
from recorder.update.client import DdiClient
from recorder.update.ddi import Attributes
from recorder.update.gates import Conditions
from recorder.update.installation import Installation, Note
from recorder.update.installer import ORDER_S, Installer
from recorder.update.manifest import Manifest, Refused, verify_manifest
from recorder.update.probation import Look, TrialLimits
from recorder.update.programs import ProgramError
from tests.update.ddi_server import DdiServer
from tests.update.kit import ARTEFACT, BOARD, LIMITS, MAKER, NEW, OLD, signed, status
from tests.uplink.pki import UNIT


class PlayedUnit:
    def __init__(self) -> None:
        self.now_us = 0
        self.boot_id = "boot-1"
        self.said = status()
        self.fresh = True
        self.just_began = False
        """A recording its status file does not tell of yet."""
        self.journal: list[Note] = []

    def look(self) -> Look:
        return Look(self.boot_id, self.now_us, self.fresh, self.said)

    def idle_now(self) -> bool:
        return self.fresh and not self.just_began and self.said["session_id"] is None

    def note(self, note: Note) -> bool:
        """As the unit's own desk, which refuses what is not of its form."""
        taken = self.fresh and all(form.fullmatch(getattr(note, name)) for name, form in FORMS.items())
        if taken:
            self.journal.append(note)
        return taken


class PlayedDpkg:
    """``reboots``: as an image would. Puts the version in; ``after``: what the unit says of itself then."""

    def __init__(self, unit: PlayedUnit) -> None:
        self.unit = unit
        self.after: dict[str, Any] = {}
        self.calls: list[str] = []
        self.kept = True
        self.complaint = ""
        self.reboots = False
        self.running = ""

    def way_back(self, version: str) -> bool:
        return self.kept and version == OLD

    def install(self, artefact: Path) -> None:
        self.calls.append("install")
        assert artefact.read_bytes() == ARTEFACT and self.unit.said["recording"] is False
        assert self.unit.journal[-1].event == "update-started"
        if self.complaint:
            raise ProgramError(self.complaint)
        self.unit.said = status(version=NEW, **self.after)

    def start(self) -> bool:
        if self.reboots:
            self.calls.append("reboot")
            self.unit.boot_id += "x"
        return self.reboots

    def commit(self, artefact: Path, version: str) -> None:
        self.calls.append(f"commit {version}")
        artefact.unlink()

    def roll_back(self, version: str, running: str, *, answers: bool) -> bool:
        self.calls.append(f"roll-back {version}" + ("" if answers else ", silent"))
        self.running, self.unit.fresh = running, True
        self.unit.said = status(version=version)
        return True


class Card(OsFiles):
    """``room``: bytes free, less what lies in ``folder``."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.room = 10**10
        self.fills_up = False

    def free_bytes(self, path: Path) -> int:
        if self.fills_up:  # asked before the first byte; gone after it
            self.fills_up, room, self.room = False, self.room, 0
            return room
        return self.room - (self.size(self.folder / places.ARTEFACT) or 0)


class Shift:
    def __init__(self, root: Path, client: DdiClient, server: DdiServer) -> None:
        self.root, self.client, self.server = root, client, server
        self.unit = PlayedUnit()
        self.dpkg = PlayedDpkg(self.unit)
        self.carrier_dir, self.root_dir = root / "update", root / "root"
        self.root_dir.mkdir()
        self.card = Card(self.carrier_dir)
        self.start()

    def start(self) -> None:
        """Both processes, as after a power cut."""
        key, files = MAKER.public_key(), OsFiles()

        def verify(text: str) -> Manifest | Refused:
            installed = str(self.unit.said["version"])
            return verify_manifest(text, key, key.kid, installed=installed, board=BOARD, kinds=("deb",))

        def conditions(needed: int) -> Conditions:
            look = self.unit.look()
            return Conditions(look.status, look.fresh, 10**10, needed, 600, way_back=True)

        attributes = Attributes(UNIT, "zfy vehicle", BOARD, OLD)
        self.carrier = Carrier(
            self.client,
            self.card,
            self.carrier_dir,
            self.root_dir,
            attributes,
            verify,
            conditions,
            LIMITS,
            3600,
            lambda n: None,
        )
        self.installer = Installer(
            files,
            self.carrier_dir,
            self.root_dir,
            verify,
            self.unit,
            {"deb": self.dpkg},
            LIMITS,
            TrialLimits(well_s=60, within_s=300),
            lambda: 600,
            str(self.unit.said["version"]),
        )

    def turn(self) -> None:
        self.carrier.ask()
        assert self.carrier.fault is None, self.carrier.fault
        self.carrier.look()
        while self.installer.turn() == 0.0:
            continue
        self.unit.now_us += 10_000_000

    def until_idle(self, most: int = 60) -> None:
        for _ in range(most):
            self.turn()
            if self.carrier.state.phase == "idle":
                self.turn()
                return
        raise AssertionError(f"not idle: {self.carrier.state}, {self.installer.state}")

    def events(self) -> list[str]:
        return [note.event for note in self.unit.journal]


@pytest.fixture
def shift(tmp_path: Path, client: DdiClient, server: DdiServer) -> Shift:
    return Shift(tmp_path, client, server)


def offer(shift: Shift, action: str = "8", **changes: Any) -> None:
    shift.server.offer(action, {"update.jws": signed(**changes).encode(), "zfy-recorder.deb": ARTEFACT})


def executions(shift: Shift) -> list[str]:
    return [body["status"]["execution"] for _, _, body in shift.server.feedback]


def test_offered_while_recording_it_waits_for_the_receipts_and_is_committed(shift: Shift) -> None:
    shift.unit.said = status(recording=True, session_id="s", health_upload_backlog_segments=3)
    offer(shift)
    for _ in range(5):
        shift.turn()
    assert shift.carrier.state.gate == "recording" and shift.dpkg.calls == [] and shift.unit.journal == []
    shift.unit.said = status(health_upload_backlog_segments=3)
    for _ in range(5):
        shift.turn()
    assert shift.carrier.state.gate == "backlog" and shift.dpkg.calls == []
    shift.unit.said = status()
    shift.until_idle()
    assert shift.dpkg.calls == ["install", f"commit {NEW}"]
    assert shift.events() == ["update-started", "update-installed"]
    assert {(n.version_from, n.version_to) for n in shift.unit.journal} == {(OLD, NEW)}
    assert shift.server.closed("8") == ["success"]
    assert executions(shift) == ["proceeding", "downloaded", "scheduled", "scheduled", "proceeding", "closed"]
    assert shift.server.attributes[0]["data"]["version"] == OLD
    assert not (shift.root_dir / places.UNFINISHED).exists() and not (shift.carrier_dir / places.ORDER).exists()


def test_the_next_order_is_for_a_process_of_the_new_version(shift: Shift) -> None:
    """The one that installed it would still compare with the version before: an old update could come back."""
    offer(shift)
    shift.until_idle()
    (shift.carrier_dir / places.ORDER).write_text('{"id": "9.1"}')
    (shift.carrier_dir / places.MANIFEST).write_text(signed(version="0.1.5"))
    assert shift.installer.turn() is None and shift.installer.state.order_id == "8.1"
    shift.start()
    while shift.installer.turn() == 0.0:
        continue
    assert shift.installer.state.why and shift.installer.state.why[0] == "update-rollback"


@pytest.mark.parametrize("after", [{"cameras": {}}, {"faults": ["worker-crash"]}])
def test_a_bad_version_goes_back(shift: Shift, after: dict[str, Any]) -> None:
    shift.dpkg.after = after
    offer(shift)
    shift.until_idle()
    assert shift.dpkg.calls == ["install", f"roll-back {OLD}"]
    assert shift.events() == ["update-started", "update-rolled-back"]
    assert shift.server.closed("8") == ["failure"] and shift.unit.said["version"] == OLD
    details = shift.server.feedback[-1][2]["status"]["details"][0]
    assert details.isascii() is False and ("camera" in details or "fault" in details)


def test_a_version_that_never_answers_goes_back_though_nobody_can_be_asked(shift: Shift) -> None:
    offer(shift)
    while not shift.dpkg.calls:
        shift.turn()
    shift.unit.fresh = False
    shift.until_idle()
    assert shift.dpkg.calls == ["install", f"roll-back {OLD}, silent"]
    assert shift.dpkg.running == OLD, "the installer's own version, whatever a status file says"
    assert shift.events() == ["update-started", "update-rolled-back"]


def test_a_unit_that_is_only_starting_is_not_stopped_to_go_back(shift: Shift) -> None:
    shift.dpkg.after = {"cameras": {}}
    offer(shift)
    while shift.installer.state.phase != "rolling-back":
        shift.unit.now_us += 10_000_000
        shift.carrier.ask()
        shift.carrier.look()
        shift.installer.turn()
    shift.start()  # a power cut
    shift.unit.fresh = False
    for _ in range(6):
        shift.turn()
    shift.unit.said, shift.unit.fresh = status(version=NEW, recording=True, session_id="resumed"), True
    for _ in range(20):
        shift.turn()
    assert shift.dpkg.calls == ["install"]
    shift.unit.said = status(version=NEW)
    shift.until_idle()
    assert shift.dpkg.calls == ["install", f"roll-back {OLD}"]


@pytest.mark.parametrize("busy", [{"recording": True}, {"session_id": "s"}, None])
def test_the_machine_is_not_started_anew_under_a_unit_that_may_be_recording(
    shift: Shift, busy: dict[str, Any] | None
) -> None:
    shift.dpkg.reboots = True
    offer(shift)
    while not shift.dpkg.calls:
        shift.carrier.ask()
        shift.carrier.look()
        shift.installer.turn()
    shift.unit.said, shift.unit.fresh = status(**(busy or {"recording": True})), busy is not None
    for _ in range(20):
        shift.turn()
    assert shift.dpkg.calls == ["install"]
    shift.unit.said, shift.unit.fresh = status(version=NEW), True
    shift.until_idle()
    assert shift.dpkg.calls == ["install", "reboot", f"commit {NEW}"]


@pytest.mark.parametrize("phase", ["prepared", "restarting", "rolling-back"])
def test_a_recording_the_status_file_does_not_tell_of_yet_is_not_disturbed(shift: Shift, phase: str) -> None:
    shift.dpkg.reboots = phase == "restarting"
    shift.dpkg.after = {"cameras": {}} if phase == "rolling-back" else {}
    offer(shift)
    while shift.installer.state.phase != phase:
        shift.unit.now_us += 10_000_000
        shift.carrier.ask()
        shift.carrier.look()
        shift.installer.turn()
    before, shift.unit.just_began = list(shift.dpkg.calls), True
    for _ in range(10):
        shift.installer.turn()
    assert shift.dpkg.calls == before
    shift.unit.just_began = False
    shift.until_idle(100)
    assert len(shift.dpkg.calls) > len(before)


def test_one_that_does_not_let_itself_be_installed_goes_back(shift: Shift) -> None:
    shift.dpkg.complaint = "dpkg 1: 依赖不满足 unmet dependencies"
    offer(shift)
    shift.until_idle()
    assert shift.dpkg.calls == ["install", "install", "install", f"roll-back {OLD}"]
    assert shift.server.closed("8") == ["failure"]


def test_a_program_of_many_lines_is_journalled_and_the_next_update_is_not_held_up(shift: Shift) -> None:
    shift.dpkg.complaint = "dpkg: error\n depends on\tlibx\x1b[0m" * 40
    offer(shift)
    shift.until_idle()
    reason = shift.unit.journal[-1].reason
    assert "depends on" in reason and len(reason) == 300
    assert shift.installer.turn() is None, "at rest: the journal has everything"
    assert shift.events() == ["update-started", "update-rolled-back"]


def test_a_recording_that_begins_at_the_last_moment_is_not_disturbed(shift: Shift) -> None:
    offer(shift)
    shift.carrier.ask()
    shift.carrier.look()
    shift.carrier.look()
    assert (shift.carrier_dir / places.ORDER).exists()
    shift.unit.said = status(recording=True, session_id="s")
    shift.turn()
    shift.turn()
    assert shift.dpkg.calls == [] and shift.carrier.state.gate == "recording"
    assert shift.events() == [], "nothing was begun"
    assert not (shift.root_dir / places.ARTEFACT).exists(), "nor copied"
    shift.unit.said = status()
    shift.until_idle()
    assert shift.server.closed("8") == ["success"]


def test_a_recording_that_begins_between_order_and_installation_is_not_disturbed(shift: Shift) -> None:
    offer(shift)
    for _ in range(2):
        shift.carrier.ask()
        shift.carrier.look()
    for phase in ("prepared", "prepared"):  # the order; the note
        assert shift.installer.turn() == 0.0 and shift.installer.state.phase == phase
    shift.unit.said = status(recording=True, session_id="s")
    assert shift.installer.turn() == ORDER_S and shift.dpkg.calls == []
    shift.turn()
    assert shift.events() == ["update-started", "update-refused"] and shift.carrier.state.gate == "recording"


def test_a_gate_the_installer_alone_finds_closed_costs_neither_copies_nor_records_nor_reports(shift: Shift) -> None:
    """Its folder may lie on a smaller partition than the carrier's, which then orders again and again."""
    shift.dpkg.kept = False
    offer(shift)
    shift.turn()
    told = 0
    for turn in range(30):
        shift.turn()
        told = len(shift.server.feedback) if turn == 5 else told
    assert shift.carrier.state.attempt > 2 and shift.carrier.state.gate == "no-way-back"
    assert len(shift.server.feedback) == told and shift.events() == []
    assert not (shift.root_dir / places.ARTEFACT).exists()


def test_orders_that_come_to_nothing_are_not_taken_in_a_hurry(shift: Shift) -> None:
    shift.carrier_dir.mkdir()
    (shift.carrier_dir / places.MANIFEST).write_text("x")
    for number in (1, 2, 2):
        (shift.carrier_dir / places.ORDER).write_text(f'{{"id": "6.{number}"}}')
        while (pause := shift.installer.turn()) == 0.0:
            continue
        assert pause == ORDER_S
    (shift.carrier_dir / places.ORDER).write_text("{")
    while (pause := shift.installer.turn()) == 0.0:
        continue
    assert pause == ORDER_S and shift.events() == ["update-refused"] * 2


def test_a_power_cut_between_any_two_steps(shift: Shift) -> None:
    offer(shift)
    for turn in range(60):
        shift.start()
        shift.unit.boot_id = f"boot-{turn // 20}"
        shift.turn()
        if shift.carrier.state.phase == "idle" and shift.server.closed("8"):
            break
    assert shift.server.closed("8") == ["success"] and shift.dpkg.calls == ["install", f"commit {NEW}"]
    assert "resumed" in executions(shift)


def test_a_power_cut_behind_the_last_step_does_not_have_it_started_again_and_again(shift: Shift) -> None:
    offer(shift)
    shift.until_idle()
    unfinished = shift.root_dir / places.UNFINISHED
    unfinished.write_bytes(b"")  # the state was saved, the file not yet removed
    shift.start()
    assert shift.installer.turn() is None and not unfinished.exists()


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"zfy-recorder.deb": ARTEFACT}, "update-unsigned"),
        ({"update.jws": b"a.b.c", "zfy-recorder.deb": ARTEFACT}, "update-signature"),
        ({"update.jws": b"\xff" * 9000, "zfy-recorder.deb": ARTEFACT}, "update-signature"),
        ({"update.jws": signed().encode()}, "update-artefact"),
        ({"update.jws": signed().encode(), "zfy-recorder.deb": ARTEFACT[:-1] + b"!"}, "update-digest"),
        ({"update.jws": signed(version="0.0.9").encode(), "zfy-recorder.deb": ARTEFACT}, "update-rollback"),
    ],
)
def test_what_is_not_signed_for_us_is_not_handed_on(shift: Shift, files: dict[str, bytes], code: str) -> None:
    shift.server.offer("8", files)
    shift.until_idle()
    assert shift.server.closed("8") == ["failure"] and shift.dpkg.calls == []
    assert shift.server.feedback[-1][2]["status"]["details"][0].startswith(code)
    assert shift.installer.state == Installation()


def test_a_carrier_that_was_taken_over_gets_nothing_installed(shift: Shift, tmp_path: Path) -> None:
    """It writes whatever it likes into its folder: the installer believes the signature over what it copied itself."""
    folder = shift.carrier_dir
    folder.mkdir()
    secret = tmp_path / "secret"
    secret.write_bytes(ARTEFACT)

    def order(number: int) -> str:
        (folder / places.ORDER).write_text(f'{{"id": "6.{number}"}}')
        while shift.installer.turn() == 0.0:
            continue
        why = shift.installer.state.why
        return why[0] if why else ""

    (folder / places.ARTEFACT).write_bytes(b"evil" + ARTEFACT[4:])
    (folder / places.MANIFEST).write_text(signed())
    assert order(1) == "update-digest"
    (folder / places.ARTEFACT).write_bytes(ARTEFACT + b"more")
    assert order(2) == "update-digest"
    (folder / places.ARTEFACT).unlink()
    (folder / places.ARTEFACT).symlink_to(secret)
    assert order(3) == "update-unreadable"
    (folder / places.MANIFEST).write_text("x" * 100_000)
    assert order(4) == "update-unreadable"
    assert shift.dpkg.calls == [] and set(shift.events()) == {"update-refused"}
    (folder / places.ORDER).write_text('{"id": "../../etc"}')
    while shift.installer.turn() == 0.0:
        continue
    assert not (folder / places.ORDER).exists() and shift.installer.state.order_id == "6.4"


def test_a_deployment_to_be_confirmed_is_confirmed_and_one_called_back_is_given_up(shift: Shift) -> None:
    shift.unit.said = status(recording=True)
    shift.server.asks_confirmation = True
    offer(shift)
    shift.turn()
    shift.turn()
    assert shift.carrier.state.gate == "recording"
    shift.server.cancel = ("21", "8")
    shift.turn()
    assert shift.carrier.state.phase == "idle"
    assert shift.server.feedback[-1][:2] == ("cancelAction", "21")


FLOOR = LIMITS.free_mb * 10**6


@pytest.mark.parametrize("room", [FLOOR + len(ARTEFACT) - 1, FLOOR - 1])
def test_a_download_leaves_the_card_to_the_recordings(shift: Shift, room: int) -> None:
    shift.card.room = room
    offer(shift)
    for _ in range(4):
        shift.turn()
    assert (shift.carrier.state.phase, shift.carrier.state.gate) == ("downloading", "space")
    assert executions(shift) == ["proceeding", "scheduled"]
    assert not (shift.carrier_dir / places.ARTEFACT).exists()
    shift.card.room = 10**10
    shift.until_idle()
    assert shift.server.closed("8") == ["success"]
    assert not (shift.carrier_dir / places.ARTEFACT).exists(), "nor does it keep what is installed"


def test_a_card_that_fills_up_during_a_download_ends_it(shift: Shift) -> None:
    """A recording writes, too."""
    offer(shift)
    shift.card.fills_up = True
    for _ in range(3):
        shift.turn()
    assert (shift.carrier.state.phase, shift.carrier.state.gate) == ("downloading", "space")
    assert not (shift.carrier_dir / places.ARTEFACT).exists()


def test_a_server_that_says_later_is_obeyed(shift: Shift) -> None:
    shift.server.plan = {"maintenanceWindow": "unavailable"}
    offer(shift)
    for _ in range(3):
        shift.turn()
    assert shift.carrier.state.gate == "server" and shift.dpkg.calls == []
    shift.server.plan = {"maintenanceWindow": "available"}
    shift.until_idle()
    assert shift.server.closed("8") == ["success"]


def test_what_a_server_says_wrongly_is_a_fault_and_no_more(shift: Shift) -> None:
    shift.server.answers = [("", 200, b"<html>captive portal</html>")]
    assert shift.carrier.ask() == 3600 and "Base" in str(shift.carrier.fault)
    shift.turn()


def test_a_damaged_state_of_the_carrier_is_as_none(shift: Shift) -> None:
    shift.carrier_dir.mkdir()
    (shift.carrier_dir / places.CARRIAGE).write_bytes(b"{")
    shift.start()
    assert shift.carrier.state.phase == "idle"

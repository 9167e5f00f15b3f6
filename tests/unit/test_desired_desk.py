"""A configuration pushed from afar in the unit process: believed, checked, taken up, on probation, taken back, reported."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from hw_sim.runner.unit_config import to_toml
from recorder.config.last_good import PUSHED
from recorder.config.load import Loaded, load_config
from recorder.config.pushed import PushedState, version_of
from recorder.evidence.config_order import MAX_LEAP
from recorder.evidence.desired import MAX_TEXT, Desired, sign_desired
from recorder.evidence.personal import open_field
from recorder.evidence.records import AgencyLine
from recorder.evidence.signer import FileSigner
from recorder.unit.duties.desired_desk import CHECK, REJECTIONS_RECORDED
from recorder.unit.duties.reload_desk import READING
from recorder.unit.events import WorkerDisconnected, WorkerExited
from recorder.unit.pushed_store import STATE, PushedStore
from recorder.uplink.desired import MAX_TEXT as CARRIED
from tests.contract.wire import problems
from tests.unit.desk_kit import AGENCY, DeskKit
from tests.unit.unit_kit import RefusingFiles

STRANGER = file_signer(ec.generate_private_key(ec.SECP256R1()))
S = 1_000_000


class Remote(DeskKit):
    """A unit with real files: ``local`` is the agency's layer, on top lies what was pushed."""

    def __init__(self, data_dir: Path, *, local: str = "", groups: tuple[str, ...] = ("traffic",)) -> None:
        self.local = data_dir / "agency.toml"
        data_dir.mkdir(parents=True, exist_ok=True)
        base: dict[str, Any] = {
            "device": {"groups": list(groups)},
            "storage": {"data_dir": str(data_dir), "run_dir": str(data_dir / "run")},
            "sealing": {"enabled": False},
            "trust": {"dir": str(data_dir / "trust")},
            "remote": {"probation_s": 60},
        }
        self.local.write_text(to_toml(base) + local, encoding="utf-8")
        super().__init__(data_dir, device={"groups": groups}, remote={"probation_s": 60})
        known = self.unit.p.reloading
        known.read, known.check = self.read, self.check
        known.loaded = self.read()
        known.sha256 = known.loaded.sha256
        self.turn(200_000)

    def read(self) -> Loaded:
        return load_config([self.local], {})

    def check(self, text: bytes) -> Loaded:
        return load_config([self.local], {}, pushed_text=text)

    def desired(self, version: int, toml: str, signer: FileSigner = AGENCY, **changes: Any) -> str:
        fields: dict[str, Any] = {
            "ver": 1,
            "jti": f"{version:08d}-2222-4222-8222-222222222222",
            "unit_id": self.config.device.id,
            "version": version,
            "iat": self.clock.wall_us() / 1e6,
            "toml": toml,
        }
        return sign_desired(Desired.model_validate(fields | changes), signer)

    def push(self, version: int, toml: str, **changes: Any) -> dict[str, Any]:
        """Offer it and let the check end; the unit's answer at once."""
        answer = self.ask("desired", desired=self.desired(version, toml, **changes))
        if answer["ok"]:
            self.until(lambda: self.told()["version"] == version, f"version {version} is reported")
        self.turn(200_000)
        return answer

    def turn(self, advance_us: int = 0) -> None:
        """No time passes while the files are checked or read on threads of their own: on a busy machine seconds of the
        unit's time would, and its watchdogs would bark."""
        for thread in threading.enumerate():
            if thread.name in (CHECK, READING):
                thread.join(60)
        super().turn(advance_us)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        for _ in range(20_000):
            if condition():
                return
            self.turn(1000)
        raise AssertionError(f"not reached: {what}: {self.told()}")

    def told(self) -> dict[str, Any]:
        reported = self.unit.p.reloading.reported
        assert reported is not None
        return dict(reported)

    def state(self) -> str:
        return str(self.told()["state"])

    def applied(self) -> None:
        self.until(lambda: self.state() == "applied", "applied")

    def healthy(self, seconds: int) -> None:
        for _ in range(seconds):
            self.progress(frames=self.clock.now_us // 1000)
            self.turn(S)

    def crash(self) -> None:
        """The worker is gone; the next one is launched."""
        self.events.put(WorkerDisconnected("cam0", "closed"))
        self.events.put(WorkerExited("cam0", 1, 70))
        launched = len(self.launcher.launched)  # the first to be replaced starts at once
        self.turn()
        self.until(lambda: len(self.launcher.launched) > launched, "another worker")

    def stored(self) -> PushedState:
        return PushedStore(RefusingFiles(), self.data_dir).load()

    def layer(self) -> str | None:
        path = self.data_dir / PUSHED
        return path.read_text(encoding="utf-8") if path.exists() else None

    def config_commands(self) -> list[tuple[str, str]]:
        self.turn()
        return [(each["result"], each["detail"]) for each in self.of("command") if each["name"] == "config"]


@pytest.fixture
def unit(tmp_path: Path) -> Remote:
    made = Remote(tmp_path)
    made.worker_up()
    return made


NIGHT = "[night]\ndwell_s = 9\n"


def test_in_standby_it_is_in_force_at_once_and_proven_after_the_probation(unit: Remote) -> None:
    assert unit.told()["state"] == "none" and unit.told()["effective"] == unit.read().sha256
    assert unit.push(1, NIGHT)["version"] == 1
    unit.applied()
    said = unit.told()
    assert unit.unit.p.config.night.dwell_s == 9 and unit.layer() == NIGHT
    assert said["effective"] == unit.read().sha256 == unit.of("config")[-1]["sha256"]
    assert said["probation"] and said["layer"] == {"version": 1, "digest": said["digest"], "in_force": True}
    assert unit.config_commands() == [("accepted", f"version 1 {said['digest']}")]
    unit.healthy(65)
    assert not unit.told()["probation"] and unit.stored().good == unit.stored().wanted


def test_what_the_agency_signed_stands_in_the_record_of_each_that_was_considered(unit: Remote) -> None:
    """Also of one that waited while another was being looked at (which it superseded); never of one that is rejected: it
    changed nothing."""
    first, second, third = (unit.desired(n, toml) for n, toml in ((1, NIGHT), (2, "[night]\nlampp = true\n"), (3, "")))
    for text in (first, second):
        assert unit.ask("desired", desired=text)["ok"]
    unit.until(lambda: unit.told()["version"] == 2, "version 2 is reported")
    assert unit.ask("desired", desired=third)["ok"]
    unit.until(lambda: unit.told()["version"] == 3, "version 3 is reported")
    assert not unit.ask("desired", desired=first)["ok"]
    unit.turn(200_000)
    records = [each for each in unit.of("command") if each["name"] == "config"]
    lines = [
        None if each["agency_line"] is None else AgencyLine.model_validate(each["agency_line"]) for each in records
    ]
    told = {each["command_id"][:8]: line for each, line in zip(records, lines, strict=True) if line is not None}
    assert {jti: open_field(line.signed, ()) for jti, line in told.items()} == {"00000002": second, "00000003": third}
    assert {line.kid for line in told.values()} == {AGENCY.kid}
    assert (records[-1]["detail"], records[-1]["agency_line"]) == ("desired-replayed", None)


def test_while_recording_it_waits_for_the_next_segment(unit: Remote) -> None:
    session_id = unit.start()
    unit.push(1, "[capture]\nsegment_s = 30\n")
    unit.until(lambda: unit.told()["waiting"] == ["capture.segment_s"], "it waits")
    assert unit.state() == "pending" and unit.told()["why"]["code"] == "recording"
    assert unit.unit.p.config.capture.segment_s == 60
    unit.closed(session_id, 1, last=False)
    unit.say(unit.opened(2, session_id))
    unit.applied()
    assert unit.unit.p.config.capture.segment_s == 30 and unit.told()["waiting"] == []


def test_what_is_wrong_with_it_is_reported_with_line_and_key_and_nothing_changes(unit: Remote) -> None:
    before = unit.told()["effective"]
    unit.push(1, '[capture]\nsegment_s = "long"\n[night]\nlampp = true\n')
    said = unit.told()
    assert (said["state"], said["layer"]["version"], said["effective"]) == ("refused", 0, before)
    first, second = said["errors"]
    assert (first["file"], first["line"], first["key"], first["pointer"]) == (
        "pushed.toml",
        2,
        "capture.segment_s",
        "/capture/segment_s",
    )
    assert second["line"] == 4 and "lamp" in second["en"] and "未知" in second["zh"]
    assert unit.layer() is None and unit.config_commands()[0][0] == "refused"
    (record,) = [each for each in unit.of("config") if each["status"] == "refused"]
    assert record["sha256"] == before and "pushed.toml:2: capture.segment_s" in record["errors"][0]


@pytest.mark.parametrize(
    ("toml", "key"),
    [
        ('[uplink]\nstore_url = "https://elsewhere:1"\n', "uplink.store_url"),
        ("[sealing]\nrecipients = []\n", "sealing.recipients"),
        ("[audio]\nenabled = false\n", "audio.enabled"),
        ("[remote]\nprobation_s = 1\n", "remote.probation_s"),
        ('[trust]\ndir = "/tmp"\n', "trust.dir"),
        ('[mqtt]\nhost = "elsewhere"\n', "mqtt.host"),
    ],
)
def test_what_may_not_be_changed_from_afar_is_refused_as_a_whole(unit: Remote, toml: str, key: str) -> None:
    unit.push(1, toml + NIGHT)
    assert unit.state() == "refused" and unit.unit.p.config.night.dwell_s != 9
    assert unit.told()["errors"][0]["key"].startswith(key.split(".")[0]) and unit.told()["errors"][0]["line"] in (1, 2)


def test_who_may_not_is_not_believed(unit: Remote) -> None:
    for text, code in (
        (unit.desired(1, NIGHT, STRANGER), "desired-signature"),
        (unit.desired(1, NIGHT, unit_id="zfy-other"), "desired-unit"),
        (unit.desired(2, NIGHT, unit_id=None, group="harbour"), "desired-unit"),
        (unit.assignment(1), "desired-type"),
        ("nonsense", "desired-signature"),
    ):
        answer = unit.ask("desired", desired=text)
        assert answer["error"]["code"] == code
        unit.turn(200_000)
        assert unit.told()["rejected"]["code"] == code and unit.state() == "none"
    assert [result for result, _ in unit.config_commands()] == ["refused"] * 5
    unit.ask("desired", desired="nonsense")
    assert len(unit.config_commands()) == 5, "a retained message comes again with every connection and is one fact"
    assert unit.push(1, NIGHT, unit_id=None, group="traffic")["ok"], "its own group"


def test_rubbish_never_reaches_the_disk(unit: Remote) -> None:
    for number in range(100):
        for text in ("nonsense", unit.desired(2, NIGHT, unit_id="zfy-other"), f"{number}.a.b"):
            assert not unit.ask("desired", desired=text)["ok"]
    assert not (unit.data_dir / STATE).exists() and len(unit.config_commands()) == REJECTIONS_RECORDED
    unit.push(1, NIGHT)
    unit.applied()
    before = (unit.data_dir / STATE).stat()
    for text in ("nonsense", unit.desired(2, NIGHT, STRANGER), unit.desired(1, "")):
        assert not unit.ask("desired", desired=text)["ok"]
        unit.turn(200_000)
    assert unit.told()["rejected"]["code"] == "desired-version-reused"
    after = (unit.data_dir / STATE).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_an_older_one_is_refused_and_the_same_again_does_nothing(unit: Remote) -> None:
    unit.push(5, NIGHT)
    unit.applied()
    records = len(unit.config_commands())
    assert unit.push(5, NIGHT)["repeated"] is True
    assert len(unit.config_commands()) == records
    assert unit.ask("desired", desired=unit.desired(4, ""))["error"]["code"] == "desired-replayed"
    assert unit.ask("desired", desired=unit.desired(5, ""))["error"]["code"] == "desired-version-reused"
    unit.turn(200_000)
    assert (unit.told()["version"], unit.state()) == (5, "applied") and unit.told()["rejected"]["version"] == 5
    assert unit.layer() == NIGHT


def test_a_leap_of_the_version_is_refused_and_uses_nothing_up(unit: Remote) -> None:
    unit.push(5, NIGHT)
    unit.applied()
    far = 5 + MAX_LEAP + 1
    answer = unit.ask("desired", desired=unit.desired(far, ""))
    assert answer["error"]["code"] == "desired-leap"
    unit.turn(200_000)
    assert unit.told()["rejected"]["version"] == far and unit.layer() == NIGHT
    unit.push(6, "")
    unit.applied()


def test_a_worker_that_does_not_stay_up_with_it_takes_it_back(unit: Remote) -> None:
    before = unit.told()["effective"]
    unit.push(3, "[watermark]\nmargin_px = 8\n")
    unit.until(lambda: unit.unit.p.config.watermark.margin_px == 8, "in force")
    for _ in range(5):
        if unit.state() == "rolled-back":
            break
        unit.crash()
        unit.turn(200_000)
    assert unit.state() == "rolled-back" and unit.told()["why"]["code"] == "worker-restarts"
    unit.until(lambda: unit.unit.p.config.watermark.margin_px == 16, "taken back")
    unit.until(lambda: unit.told()["layer"]["in_force"], "reported")
    assert unit.told()["effective"] == before and unit.layer() is None
    (event,) = [each for each in unit.of("event") if each["event"] == "config-rolled-back"]
    assert (event["detail"]["version"], event["detail"]["back_to"], event["detail"]["code"]) == (
        3,
        0,
        "worker-restarts",
    )
    unit.turn(200_000)
    assert unit.stored().unrecorded is None and not unit.unit.p.reloading.urgent


def test_it_is_taken_back_even_while_the_broken_unit_records(unit: Remote) -> None:
    unit.push(3, "[watermark]\nmargin_px = 8\n")
    unit.until(lambda: unit.unit.p.config.watermark.margin_px == 8, "in force")
    unit.ask("start")
    for _ in range(6):
        if unit.state() == "rolled-back":
            break
        unit.crash()
        unit.turn(200_000)
    unit.until(lambda: unit.unit.p.config.watermark.margin_px == 16, "back in force without the end of the recording")
    assert unit.unit.p.machine.session_id is not None


def test_a_silent_camera_takes_it_back_to_the_last_that_was_good(unit: Remote) -> None:
    unit.push(1, NIGHT)
    unit.applied()
    unit.healthy(65)
    unit.push(2, "[night]\ndwell_s = 3\n")
    unit.applied()
    unit.camera.ready = False
    for _ in range(47):
        unit.camera.ready = False
        unit.turn(S)
    assert unit.state() == "rolled-back"
    unit.until(lambda: unit.unit.p.config.night.dwell_s == 9, "back to version 1")
    assert unit.told()["layer"]["version"] == 1 and unit.layer() == NIGHT


def test_one_that_comes_before_the_cameras_waits_for_them_and_is_judged_by_them(tmp_path: Path) -> None:
    early = Remote(tmp_path)
    early.ask("desired", desired=early.desired(1, NIGHT))
    for _ in range(1000):  # the check is long over by then
        early.turn(2000)
    assert early.told()["version"] == 0 and early.layer() is None, "it waits"
    assert early.ask("desired", desired=early.desired(1, NIGHT))["repeated"]
    early.worker_up()
    early.applied()
    assert early.stored().expected == ("cam0",)
    for _ in range(47):
        early.camera.ready = False
        early.turn(S)
    assert early.state() == "rolled-back" and early.told()["why"]["code"] == "camera-silent"


def test_with_no_camera_at_all_it_is_taken_up_and_proves_nothing(tmp_path: Path) -> None:
    blind = Remote(tmp_path)
    blind.ask("desired", desired=blind.desired(1, "[night]\nlampp = true\n"))
    blind.until(lambda: blind.state() == "refused", "what is wrong is said at once")
    blind.ask("desired", desired=blind.desired(2, NIGHT))
    while blind.told()["version"] != 2 or blind.state() != "applied":
        blind.turn(S)
    for _ in range(70):
        blind.turn(S)
    assert blind.told()["probation"]


def test_a_push_that_follows_at_once_supersedes(unit: Remote) -> None:
    unit.ask("desired", desired=unit.desired(1, NIGHT))
    unit.ask("desired", desired=unit.desired(2, "[night]\ndwell_s = 3\n"))
    assert unit.ask("desired", desired=unit.desired(2, "[night]\ndwell_s = 3\n"))["ok"]
    unit.until(lambda: unit.told()["version"] == 2 and unit.state() == "applied", "the newest")
    assert unit.unit.p.config.night.dwell_s == 3


def test_an_empty_one_brings_the_units_own_files_back(unit: Remote) -> None:
    before = unit.told()["effective"]
    unit.push(1, NIGHT)
    unit.applied()
    unit.push(2, "")
    unit.applied()
    unit.until(lambda: unit.told()["effective"] == before, "as it was")


def test_switched_off_it_takes_nothing(tmp_path: Path) -> None:
    made = Remote(tmp_path)
    made.unit.p.config = made.config.model_copy(
        update={"remote": made.config.remote.model_copy(update={"enabled": False})}
    )
    assert made.ask("desired", desired=made.desired(1, NIGHT))["error"]["code"] == "desired-off"


def test_a_damaged_state_is_a_fault_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir(parents=True)
    (tmp_path / STATE).write_text("{", encoding="utf-8")
    (tmp_path / PUSHED).write_text(NIGHT, encoding="utf-8")
    made = Remote(tmp_path)
    made.worker_up()
    assert "storage-fault" in made.unit.p.faults.present() and made.layer() == NIGHT
    made.push(1, "[night]\ndwell_s = 3\n")
    made.applied()
    made.turn(200_000)
    assert "storage-fault" not in made.unit.p.faults.present()


@pytest.mark.parametrize("damage", ["truncated", "lost"])
def test_an_old_one_does_not_come_back_when_the_state_is_lost(unit: Remote, tmp_path: Path, damage: str) -> None:
    first, second = unit.desired(1, ""), unit.desired(2, NIGHT)
    for version, toml in ((1, ""), (2, NIGHT)):
        unit.push(version, toml)
        unit.applied()
    state = tmp_path / STATE
    state.write_text("{") if damage == "truncated" else state.unlink()
    again = Remote(tmp_path)
    again.worker_up()
    assert again.ask("desired", desired="nonsense")["error"]["code"] == "desired-signature"
    assert again.ask("desired", desired=first)["error"]["code"] == "desired-replayed"
    assert again.ask("desired", desired=again.desired(2, ""))["error"]["code"] == "desired-replayed"
    again.turn(200_000)
    assert not state.exists() or state.read_text() == "{", "left as it is for whoever looks into it"
    assert again.ask("desired", desired=second)["ok"], "the newest is what the agency wants, whatever became of it"
    again.until(lambda: again.told()["version"] == 2 and again.state() == "applied", "taken up anew")
    assert again.stored().highest == 2


def test_a_state_that_can_be_read_again_is_not_forgotten(unit: Remote, tmp_path: Path) -> None:
    unit.push(2, NIGHT)
    unit.applied()
    text = (tmp_path / STATE).read_text()
    (tmp_path / STATE).write_text("{")
    again = Remote(tmp_path)
    (tmp_path / STATE).write_text(text)
    assert again.ask("desired", desired=again.desired(1, ""))["error"]["code"] == "desired-replayed"
    again.turn(200_000)
    assert again.told()["version"] == 2 and "storage-fault" not in again.unit.p.faults.present()


@pytest.mark.parametrize("refused", [STATE, PUSHED])
def test_a_disk_that_refuses_once_loses_nothing_that_was_accepted(unit: Remote, refused: Path) -> None:
    (unit.data_dir / refused).mkdir(parents=True)  # no file can take its place
    unit.push(1, NIGHT)
    unit.turn(200_000)
    assert unit.state() == "pending" and "storage-fault" in unit.unit.p.faults.present()
    (unit.data_dir / refused).rmdir()
    unit.applied()
    unit.turn(200_000)
    assert unit.layer() == NIGHT and version_of(unit.stored().wanted) == 1
    assert unit.unit.p.config.night.dwell_s == 9 and "storage-fault" not in unit.unit.p.faults.present()
    assert [result for result, _ in unit.config_commands()] == ["accepted"]


def test_a_report_is_made_when_something_changed_and_not_with_every_look(unit: Remote) -> None:
    unit.push(1, NIGHT)
    unit.applied()
    before = unit.unit.p.reloading.reported
    for _ in range(10):
        unit.turn(200_000)
        assert unit.unit.p.reloading.reported is before
    unit.ask("desired", desired="nonsense")
    unit.turn(200_000)
    assert unit.told()["rejected"]["code"] == "desired-signature"


def test_an_answer_for_the_report_is_plain_json(unit: Remote) -> None:
    unit.push(1, '[capture]\nsegment_s = "long"\n')
    assert json.loads(json.dumps(unit.told())) == unit.told()


def test_every_report_is_what_the_schema_says(unit: Remote) -> None:
    def judged() -> list[str]:
        body = {**unit.told(), "msg_id": "m", "sent_at": 1.5}
        return problems("fleet/v1/zfy-1/up/reported", json.dumps(body).encode())

    assert judged() == []
    unit.ask("desired", desired="nonsense")
    unit.push(1, '[capture]\nsegment_s = "long"\n')
    assert unit.state() == "refused" and judged() == []
    unit.start()
    unit.push(2, "[capture]\nsegment_s = 30\n")
    assert unit.state() == "pending" and judged() == []
    desired = {"msg_id": "m", "sent_at": 1.5, "desired": unit.desired(3, NIGHT)}
    assert problems("fleet/v1/zfy-1/down/desired", json.dumps(desired).encode()) == []
    assert MAX_TEXT == CARRIED == 49152, "as the schema says"

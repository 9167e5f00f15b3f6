"""A changed configuration in the running unit process: when it takes effect, what is recorded, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recorder.channel import messages
from recorder.config import last_good
from recorder.config.load import Loaded, canonical
from recorder.config.models import RecorderConfig
from recorder.config.problems import Place, Problem
from recorder.evidence.encoding import sha256_b64u
from recorder.session.reload import QUIET_US
from recorder.unit.events import ReloadRequested, WorkerConnected, WorkerDisconnected, WorkerExited
from tests.unit.desk_kit import DeskKit
from tests.unit.unit_kit import configuration


class Bench(DeskKit):
    """A unit whose files say what ``files_say`` was told last."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.known = self.unit.p.reloading
        self.known.loaded = self.loaded(self.config)
        self.known.sha256 = self.known.loaded.sha256
        self.reads = 0

    @staticmethod
    def loaded(config: RecorderConfig, *problems: Problem, fallback: bool = False) -> Loaded:
        return Loaded(
            config=config,
            provenance={},
            problems=problems,
            status="fallback" if fallback else "applied",
            sha256=sha256_b64u(canonical(config)),
            layers=(),
        )

    def files_say(self, loaded: Loaded | Exception) -> None:
        def read() -> Loaded:
            self.reads += 1
            if isinstance(loaded, Exception):
                raise loaded
            return loaded

        self.known.read = read

    def reload(self) -> None:
        """SIGHUP, and the turns until the files are read and judged."""
        before = self.known.status, self.reads
        self.known.status = "none"
        self.events.put(ReloadRequested())
        while self.status() == "none":
            self.turn(1)
        assert self.reads == before[1] + 1

    def restarting(self) -> bool:
        return self.unit.restarting

    def status(self) -> str:
        return self.known.status

    def changed(self, **sections: dict[str, Any]) -> RecorderConfig:
        return configuration(self.data_dir, {**self.sections, **sections})

    def split(self, session_id: str, closed: int) -> None:
        """The worker ends a segment and begins the next."""
        self.closed(session_id, closed, last=False)
        self.say(self.opened(closed + 1, session_id))
        self.turn(1000)

    def configs(self) -> list[dict[str, Any]]:
        self.turn()
        return [payload for typ, payload in self.records() if typ == "config"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_in_standby_it_is_in_force_at_once_recorded_and_kept(bench: Bench) -> None:
    bench.worker_up()
    new = bench.loaded(bench.changed(capture={"segment_s": 30}, session={"standby_interval_s": 3}))
    bench.files_say(new)
    bench.reload()
    bench.turn()
    assert bench.unit.p.config == new.config and bench.status() == "applied" and bench.known.waiting == ()
    (record,) = bench.configs()
    assert (record["status"], record["sha256"], record["errors"]) == ("applied", new.sha256, [])
    assert bench.launcher.configs[-1] == canonical(new.config)
    assert bench.link.of(messages.SegmentLength)[-1].segment_us == 30_000_000
    assert bench.link.dropped == 0, "no worker has to start anew for it"
    kept = json.loads((bench.data_dir / last_good.LAST_GOOD).read_bytes())
    assert kept["sha256"] == new.sha256


def test_while_recording_it_waits_for_the_next_segment(bench: Bench) -> None:
    session_id = bench.start()
    new = bench.loaded(bench.changed(capture={"segment_s": 30}))
    bench.files_say(new)
    bench.reload()
    for _ in range(5):
        bench.turn(100_000)
    assert bench.unit.p.config == bench.config and bench.status() == "waiting"
    assert bench.known.waiting == ("capture.segment_s",)
    assert bench.link.of(messages.SegmentLength)[-1].segment_us == 30_000_000, "the worker knows, or it would never end"
    assert bench.configs() == []
    bench.split(session_id, 1)
    assert bench.unit.p.config == new.config and bench.status() == "applied"
    opened = [index for index, typ in enumerate(bench.types()) if typ == "segment-open"]
    assert bench.types().index("config") > opened[-1]
    assert bench.configs()[0]["sha256"] == new.sha256


def test_what_needs_new_workers_waits_for_the_end_of_the_recording(bench: Bench) -> None:
    session_id = bench.start()
    camera = {"cam0": bench.config.cameras["cam0"].model_dump() | {"bitrate_kbps": 3000}}
    new = bench.loaded(bench.changed(cameras=camera, night={**bench.config.night.model_dump(), "dwell_s": 9}))
    bench.files_say(new)
    bench.reload()
    bench.split(session_id, 1)
    assert bench.unit.p.config.night.dwell_s == 9
    assert bench.unit.p.config.cameras["cam0"].bitrate_kbps == bench.config.cameras["cam0"].bitrate_kbps
    assert bench.known.waiting == ("cameras.cam0.bitrate_kbps",) and bench.link.dropped == 0
    assert bench.configs()[0]["sha256"] == bench.known.sha256 != new.sha256, "what is in force, not what is wanted"
    bench.ask("stop")
    bench.closed(session_id, 2)
    bench.turn()
    assert bench.unit.p.machine.session_id is None and bench.link.dropped == 0, "the officer may start again at once"
    bench.progress(frames=99)
    bench.turn(QUIET_US)
    assert bench.unit.p.config == new.config and bench.link.dropped == 1 and bench.status() == "applied"
    assert bench.configs()[-1]["sha256"] == new.sha256
    # The worker goes as it was told: no fault, and the next one gets the new configuration.
    bench.events.put(WorkerDisconnected("cam0", "closed"))
    bench.events.put(WorkerExited("cam0", 1, 0))
    bench.turn()
    bench.turn(200_000)
    assert bench.launcher.launched == ["cam0", "cam0"] and bench.launcher.killed == []
    assert "worker-crash" not in bench.unit.p.faults.present()
    assert bench.launcher.configs[-1] == canonical(new.config)


def test_a_worker_that_crashes_on_its_way_out_has_crashed(bench: Bench) -> None:
    bench.worker_up()
    bench.files_say(bench.loaded(bench.changed(watermark={**bench.config.watermark.model_dump(), "margin_px": 8})))
    bench.reload()
    bench.progress(frames=99)
    bench.turn(QUIET_US)
    assert bench.link.dropped == 1
    bench.events.put(WorkerDisconnected("cam0", "closed"))
    bench.events.put(WorkerExited("cam0", 1, 70))
    bench.turn()
    assert "worker-crash" in bench.unit.p.faults.present()


def other_margin(bench: Bench) -> None:
    bench.files_say(bench.loaded(bench.changed(watermark={**bench.config.watermark.model_dump(), "margin_px": 8})))
    bench.reload()
    bench.turn(QUIET_US)
    assert bench.status() == "applied"


def test_a_worker_launched_before_and_connected_after_is_replaced_too(bench: Bench) -> None:
    bench.turn()
    assert bench.launcher.launched == ["cam0"]
    other_margin(bench)
    assert bench.link.dropped == 0, "nobody has said hello yet"
    bench.worker_up()
    bench.turn()
    assert bench.link.dropped == 1, "once, and at once: it has the configuration of its launch"
    bench.events.put(WorkerDisconnected("cam0", "closed"))
    bench.events.put(WorkerExited("cam0", 1, 0))
    bench.turn()
    bench.turn(200_000)
    assert bench.launcher.launched == ["cam0", "cam0"] and bench.launcher.killed == []
    assert "worker-crash" not in bench.unit.p.faults.present()
    bench.worker_up()
    assert bench.link.dropped == 1, "the new one stays"


def test_a_recording_begun_meanwhile_comes_first(bench: Bench) -> None:
    bench.turn()
    other_margin(bench)
    assert bench.ask("start")["ok"]
    bench.events.put(WorkerConnected("cam0", 1))
    bench.progress(frames=1)
    bench.turn()
    session_id = bench.unit.p.machine.session_id
    assert session_id is not None and bench.link.dropped == 0
    bench.say(bench.opened(1, session_id))
    bench.turn()
    bench.ask("stop")
    assert bench.link.dropped == 0
    bench.closed(session_id, 1)
    bench.turn()
    assert bench.unit.p.machine.session_id is None and bench.link.dropped == 1


@pytest.mark.parametrize("supervised", [True, False])
def test_what_only_a_new_process_takes_up(supervised: bool, bench: Bench) -> None:
    session_id = bench.start()
    bench.known.restarts = supervised
    new = bench.loaded(bench.changed(officers={**bench.config.officers.model_dump(), "look_s": 10}))
    bench.files_say(new)
    bench.reload()
    bench.split(session_id, 1)
    assert not bench.restarting(), "never while recording"
    bench.ask("stop")
    bench.closed(session_id, 2)
    bench.turn()
    assert not bench.restarting()
    bench.turn(QUIET_US)
    assert bench.restarting() is supervised and not bench.unit.finished
    assert bench.known.waiting == ("officers.look_s",) and bench.status() == "waiting"
    assert bench.configs() == [], "nothing of it is in force"
    events = [payload for payload in bench.of("event") if payload["event"] == "unit-restart"]
    assert [event["detail"] for event in events] == ([{"changes": ["officers.look_s"]}] if supervised else [])
    if supervised:
        bench.unit.close()
        bench.unit.commit()
        assert bench.of("event")[-1]["event"] == "unit-stop" and bench.of("shift-end") == []


def problem(text: str) -> Problem:
    return Problem(Place("unit.toml", 3, 1), ("capture", "segment_s"), f"不对 {text}", text)


def test_a_refused_one_changes_nothing_and_is_recorded(bench: Bench) -> None:
    bench.worker_up()
    wrong = bench.loaded(bench.changed(capture={"segment_s": 30}), problem("wrong"), fallback=True)
    bench.files_say(wrong)
    bench.reload()
    bench.turn()
    assert bench.unit.p.config == bench.config and bench.launcher.configs == []
    (record,) = bench.configs()
    assert (record["status"], record["sha256"]) == ("refused", sha256_b64u(canonical(bench.config)))
    assert "unit.toml:3:1" in record["errors"][0] and bench.status() == "refused"
    assert not (bench.data_dir / last_good.LAST_GOOD).exists()
    # What is mended is taken up.
    bench.files_say(bench.loaded(bench.changed(capture={"segment_s": 30})))
    bench.reload()
    bench.turn()
    assert bench.status() == "applied" and bench.known.errors == ()


def refused(bench: Bench) -> None:
    bench.files_say(bench.loaded(bench.changed(capture={"segment_s": 30}), problem("wrong"), fallback=True))
    bench.reload()
    assert bench.status() == "refused" and bench.unit.p.health.config_good is False


def test_the_files_put_back_as_they_were_end_the_refusal_on_record(bench: Bench) -> None:
    refused(bench)
    bench.files_say(bench.loaded(bench.config))
    for _ in range(2):
        bench.reload()
    last = bench.configs()
    assert [record["status"] for record in last] == ["refused", "applied"], "once"
    assert last[-1]["sha256"] == bench.known.sha256 and bench.unit.p.health.config_good is True


def test_mended_with_a_change_that_only_waits_ends_the_refusal_too(bench: Bench) -> None:
    refused(bench)
    bench.files_say(bench.loaded(bench.changed(officers={**bench.config.officers.model_dump(), "look_s": 10})))
    bench.reload()
    bench.turn()
    bench.turn(QUIET_US)
    assert bench.status() == "waiting" and bench.known.waiting == ("officers.look_s",)
    assert [record["status"] for record in bench.configs()] == ["refused", "applied"]
    assert bench.configs()[-1]["sha256"] == sha256_b64u(canonical(bench.config)), "what is in force"
    assert bench.unit.p.health.config_good is True


def test_a_change_that_waited_and_was_taken_back_after_a_refusal(bench: Bench) -> None:
    session_id = bench.start()
    bench.files_say(bench.loaded(bench.changed(capture={"segment_s": 30})))
    bench.reload()
    refused(bench)
    bench.files_say(bench.loaded(bench.config))
    bench.reload()
    bench.split(session_id, 1)
    assert [record["status"] for record in bench.configs()] == ["refused", "applied"]
    assert bench.unit.p.health.config_good is True and bench.unit.p.config == bench.config


def test_what_was_wrong_before_refuses_nothing(bench: Bench) -> None:
    """A unit without keys to seal to has said so at its start; its admin may still change the length of segments."""
    old = problem("one key only")
    bench.known.loaded = bench.loaded(bench.config, old)
    bench.files_say(bench.loaded(bench.changed(capture={"segment_s": 30}), old))
    bench.reload()
    bench.turn()
    assert bench.status() == "applied"
    assert bench.configs()[0]["errors"] == [str(old)]


def test_files_that_cannot_be_read_at_all(bench: Bench) -> None:
    bench.files_say(RuntimeError("no defaults"))
    bench.reload()
    assert bench.status() == "refused" and "no defaults" in bench.configs()[0]["errors"][0]
    assert bench.unit.p.config == bench.config


def test_nothing_changed_is_nothing_to_record(bench: Bench) -> None:
    bench.files_say(bench.loaded(bench.config))
    bench.reload()
    assert bench.status() == "applied" and bench.configs() == []


def test_by_command_and_on_a_unit_without_files(bench: Bench) -> None:
    answer = bench.ask("reload")
    assert not answer["ok"] and answer["error"]["code"] == "no-reload"
    bench.files_say(bench.loaded(bench.changed(capture={"segment_s": 30})))
    assert bench.ask("reload")["ok"]
    while bench.status() == "none":
        bench.turn(1)
    commands = bench.of("command")
    assert [(command["name"], command["result"]) for command in commands] == [
        ("reload", "refused"),
        ("reload", "accepted"),
    ]


def test_a_threshold_that_changes_ends_the_fault_it_no_longer_makes(bench: Bench) -> None:
    storage = bench.config.faults.storage.model_dump()
    faults = bench.config.faults.model_dump()
    bench.files_say(bench.loaded(bench.changed(faults={**faults, "storage": {**storage, "low_minutes": 0}})))
    bench.unit.fault("storage-low", "storage", True, {})
    bench.reload()
    bench.turn()
    assert not bench.unit.p.faults.is_open("storage-low", "storage")

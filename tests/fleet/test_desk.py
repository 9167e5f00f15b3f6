"""The admin's commands as they leave: the line to the store closed, whatever became of it, and the exit code that tells."""

from __future__ import annotations

import gc
import json
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.store.register import Register
from hw_sim.agency.store_process import StoreProcess
from hw_sim.runner.unit_config import to_toml
from recorder.cli import main
from recorder.evidence.config_order import MAX_LEAP
from recorder.evidence.files import OsFiles
from recorder.fleet import rollout as ro
from recorder.fleet.desk import rollout_files
from recorder.fleet.rollout import Ended, Rollout
from recorder.fleet.rollout_files import RolloutFiles
from recorder.fleet.settings import FleetError
from tests.fleet.test_rollout import begun, plan
from tests.fleet.test_rollout_run import until_somebody_waits


@dataclass
class Admin:
    """No broker is there: whatever wants one fails after it has asked the store."""

    store: StoreProcess
    authority: Authority
    folder: Path

    def run(self, *arguments: str, settings: bool = True, state: bool = True, language: str = "en_US.UTF-8") -> Result:
        values = {
            "broker": {"host": "127.0.0.1", "port": 1, "connect_timeout_s": 0.5},
            "tls": {"dir": str(self.authority.desk_client_dir)},
            "store": {"url": f"https://127.0.0.1:{self.store.port}"},
            "commands": {"key": str(self.authority.command_key_file)},
        }
        file = self.folder / "fleet.toml"
        file.write_text(to_toml(values), encoding="utf-8")
        options = ["--settings", str(file)] if settings else []
        options += ["--state", str(self.folder / "rollouts")] if state else []
        return CliRunner().invoke(
            main, ["fleet", *arguments, *options], env={"LANG": language, "LC_ALL": "", "LC_MESSAGES": ""}
        )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StoreProcess, Authority]]:
    folder = tmp_path_factory.mktemp("agency")
    authority = Authority(folder / "authority", SystemClock())
    store = StoreProcess(folder / "store", folder / "root", authority, SystemClock())
    store.start()
    register = Register(store.root / "store.db")
    with register.atomic():
        register.keep_latest("zfy-000", "status", json.dumps({"online": True}), SystemClock().wall_us() / 1e6)
    register.close()
    yield store, authority
    store.stop()


@pytest.fixture
def admin(running: tuple[StoreProcess, Authority], tmp_path: Path) -> Admin:
    return Admin(*running, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "state", "code"),
    [
        (("units",), False, 0),
        (("show", "zfy-000"), True, 0),
        (("show", "zfy-nobody"), True, 2),
        (("config", "push", "LAYER", "--all"), True, 2),
        (("config", "resume"), True, 2),
        (("config", "rollback"), True, 2),
    ],
)
def test_the_line_to_the_store_is_closed(admin: Admin, arguments: tuple[str, ...], state: bool, code: int) -> None:
    layer = admin.folder / "layer.toml"
    layer.write_text("[night]\ndwell_s = 9\n", encoding="utf-8")
    if arguments[1:] in (("resume",), ("rollback",)):
        _save(admin, begun(plan(1, 100)))
    gc.collect()
    with warnings.catch_warnings(record=True) as left_open:
        warnings.simplefilter("always", ResourceWarning)
        done = admin.run(*(str(layer) if each == "LAYER" else each for each in arguments), state=state)
        gc.collect()
    assert done.exit_code == code, done.output
    assert [str(each.message) for each in left_open if issubclass(each.category, ResourceWarning)] == []


def _save(admin: Admin, rollout: Rollout) -> None:
    rollout_files(admin.folder / "rollouts").save(rollout)


def _member(rollout: Rollout, number: int, **changes: Any) -> Rollout:
    members = list(rollout.members)
    members[number] = members[number].model_copy(update=changes)
    return rollout.model_copy(update={"members": tuple(members)})


def test_the_status_tells_an_end_without_results_from_a_clean_one(admin: Admin) -> None:
    applied = begun(plan(2, 100))
    for number in range(2):
        applied = _member(applied, number, state="applied", sent_at=1.0, applied_at=2.0)
    clean = applied.model_copy(update={"phase": "done"})
    unit = clean.members[1].unit_id
    cases = [
        (clean, 0, ""),
        (_member(clean, 1, state="pending", overdue=True), 3, unit),
        (_member(clean, 1, state="silent"), 3, unit),
        (_member(applied, 1, state="pending"), 0, ""),
        (clean.model_copy(update={"why": Ended(code="refused", zh="拒绝", en="too many")}), 1, "too many"),
        (applied.model_copy(update={"phase": "aborted"}), 1, ""),
    ]
    for rollout, code, words in cases:
        _save(admin, rollout)
        done = admin.run("config", "status", "r1", settings=False)
        assert done.exit_code == code, done.output
        assert ("without a result" in done.output) == (code == 3) and words in done.output
    _save(admin, cases[1][0])
    (listed,) = json.loads(admin.run("config", "status", "--json", settings=False).output)
    assert listed["without_result"] == [unit] and listed["counts"] == {"applied": 1, "pending": 1, "overdue": 1}


def test_the_bound_is_a_day_unless_another_is_asked_for(admin: Admin) -> None:
    layer = admin.folder / "layer.toml"
    layer.write_text("", encoding="utf-8")
    admin.run("config", "push", str(layer), "--all")
    admin.run("config", "push", str(layer), "--all", "--result-within", "600")
    found = rollout_files(admin.folder / "rollouts").all()
    assert [each.plan.result_s for each in found] == [ro.RESULT_S, 600.0]


SPOKEN = pytest.mark.parametrize("language", ["zh_CN.UTF-8", "en_US.UTF-8"])


@SPOKEN
def test_a_unit_the_store_does_not_know_is_said_in_plain_words(admin: Admin, language: str) -> None:
    done = admin.run("show", "zfy-nobody", language=language)
    words = {
        "zh_CN.UTF-8": "错误：存储从未收到设备 zfy-nobody 的消息，请核对设备编号\n",
        "en_US.UTF-8": "error: the store has never heard of a unit zfy-nobody: is that its id?\n",
    }
    assert (done.exit_code, done.output) == (2, words[language])


@SPOKEN
def test_without_a_roll_out_status_says_so(admin: Admin, language: str) -> None:
    done = admin.run("config", "status", settings=False, language=language)
    words = {"zh_CN.UTF-8": "还没有下发任务\n", "en_US.UTF-8": "there is no roll-out yet\n"}
    assert (done.exit_code, done.output) == (0, words[language])


def test_what_others_sent_is_told_of_the_units_of_a_roll_out_only(admin: Admin) -> None:
    mine = begun(plan(2, 100))
    here, other = (member.unit_id for member in mine.members)
    newer = _member(begun(plan(3, 100, rollout_id="r2")), 0, sent_at=5.0)
    newer = newer.model_copy(
        update={
            "members": tuple(
                each.model_copy(
                    update={"version": 8, "back_version": 9, "sent_at": 5.0 if each.unit_id == here else None}
                )
                for each in newer.members
            )
        }
    )
    _save(admin, mine)
    _save(admin, newer)
    files = rollout_files(admin.folder / "rollouts")
    assert files.newest_of_others(mine) == {here: 8, other: 0}, "and what is only planned is not out"
    index = [each.unit_id for each in newer.members].index(here)
    _save(admin, _member(newer, index, version=5 + MAX_LEAP, back_version=6 + MAX_LEAP))
    assert files.newest_of_others(mine) == {here: 0, other: 0}, "the unit was set up anew since"


@pytest.mark.parametrize("command", ["resume", "rollback"])
def test_what_another_process_carries_out_is_left_as_it_is(admin: Admin, command: str) -> None:
    _save(admin, begun(plan(2, 100)))
    file = admin.folder / "rollouts" / "r1.json"
    before = file.read_bytes()
    with rollout_files(admin.folder / "rollouts").alone("r1"):
        done = admin.run("config", command, "r1")
    assert (done.exit_code, done.output) == (2, "error: roll-out r1 runs already\n")
    assert file.read_bytes() == before, "what was refused has not been begun either"


class JustEnded(RolloutFiles):
    """Another process has the roll-out until the moment it is free, and leaves it done."""

    @contextmanager
    def alone(self, rollout_id: str) -> Iterator[None]:
        self.save(self.load(rollout_id).model_copy(update={"phase": "done"}))
        with super().alone(rollout_id):
            yield


@pytest.mark.parametrize("named", ["r1", None])
def test_a_roll_out_is_taken_up_as_whoever_had_it_before_left_it(tmp_path: Path, named: str | None) -> None:
    files = JustEnded(tmp_path, OsFiles(file_mode=0o600, dir_mode=0o700))
    files.save(begun(plan(2, 100)))
    with files.taken_up(named) as rollout:
        assert rollout.phase == "done"
        with pytest.raises(FleetError, match="runs already"), files.taken_up(named):
            pass


def test_what_is_no_id_locks_no_file(tmp_path: Path) -> None:
    files = rollout_files(tmp_path / "rollouts")
    with pytest.raises(FleetError, match="no id of a roll-out"), files.alone("../r1"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["push", "rollback"])
def test_two_at_once_never_take_the_same_version(admin: Admin, command: str) -> None:
    """Another admin is in the middle of it, and writes down version 50 before it is our turn."""
    folder, layer = admin.folder / "rollouts", admin.folder / "layer.toml"
    layer.write_text("", encoding="utf-8")
    files, ours = rollout_files(folder), begun(plan(1, 100))
    files.save(ours)
    other = _member(begun(plan(1, 100, rollout_id="r2")), 0, version=50, back_version=51)
    begins = threading.Event()

    def takes_its_time() -> None:
        with files.in_turn():
            begins.set()
            until_somebody_waits(folder)
            files.save(other)

    thread = threading.Thread(target=takes_its_time)
    thread.start()
    assert begins.wait(10)
    admin.run("config", *(("push", str(layer), "--all") if command == "push" else ("rollback", "r1")))
    thread.join(10)
    found = files.load("r1") if command == "rollback" else files.newest()
    (member,) = found.members
    assert (member.version if command == "push" else member.back_version) == 52

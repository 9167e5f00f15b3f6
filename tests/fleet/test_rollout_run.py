"""How a roll-out sends: in turns with the others of its folder, and never over what one of them has sent since."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import jws
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import FileSigner, load_or_create_key
from recorder.fleet.rollout import SEND_AGAIN_S, Rollout
from recorder.fleet.rollout_files import RolloutFiles
from recorder.fleet.rollout_run import BATCH, Runner
from recorder.fleet.settings import FleetError
from tests.firmware_bridge.manual_clock import ManualClock
from tests.fleet.test_rollout import begun, plan

UNITS = 2 * BATCH + 1


class Office:
    """The folder, the broker's retained orders (version by unit), and another admin who comes in between two turns."""

    def __init__(self, folder: Path) -> None:
        self.files = RolloutFiles(folder, OsFiles(file_mode=0o600, dir_mode=0o700), turn_s=0.0)
        self.retained: dict[str, int] = {}
        self.queue: dict[str, int] = {}
        self.turns = 0
        self.other: Rollout | None = None
        self.comes_after = 0
        self.clock = ManualClock()
        key = load_or_create_key(folder.parent / "key.pem")
        self.runner = Runner(
            self.clock,
            FileSigner(key),
            lambda: (),
            self.files.newest_of_others,
            self.in_turn,
            self.files.save,
            self.publish,
            self.settle,
            lambda _: None,
        )

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        with self.files.in_turn():
            yield
        self.turns += 1
        if self.turns == self.comes_after and self.other is not None:
            with self.files.in_turn():
                self.files.save(self.other)
                self.retained |= {member.unit_id: member.version for member in self.other.members}

    def publish(self, topic: str, body: Mapping[str, Any], *, retain: bool) -> None:
        with pytest.raises(FleetError, match="another roll-out is sending"), self.files.in_turn():
            pass
        assert retain
        payload = jws.split(body["desired"]).payload
        assert topic == f"fleet/v1/{payload['unit_id']}/down/desired"
        self.queue[payload["unit_id"]] = payload["version"]

    def settle(self) -> None:
        """Not before this does the broker have it."""
        with pytest.raises(FleetError, match="another roll-out is sending"), self.files.in_turn():
            pass
        self.retained |= self.queue
        self.queue.clear()


def until_somebody_waits(folder: Path) -> None:
    """For a turn: the gate is his meanwhile. Gives up after some seconds, for the test to say what is wrong."""
    for _ in range(500):
        with (folder / ".all_gate.lock").open("a") as gate:
            try:
                fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        threading.Event().wait(0.01)


def newer(rollout: Rollout) -> Rollout:
    """Another roll-out over the same units, version 7, sent to all of them."""
    changes = {"version": 7, "back_version": 8, "state": "sent", "sent_at": 1.0}
    members = tuple(member.model_copy(update=changes) for member in rollout.members)
    named = rollout.plan.model_copy(update={"rollout_id": "r2"})
    return rollout.model_copy(update={"plan": named, "members": members})


@pytest.mark.parametrize("comes_after", [1, 2, 3, 4])
def test_between_two_turns_a_newer_roll_out_may_send_and_its_orders_stay(tmp_path: Path, comes_after: int) -> None:
    office, rollout = Office(tmp_path / "rollouts"), begun(plan(UNITS, 100))
    office.other, office.comes_after = newer(rollout), comes_after
    after = office.runner.once(rollout)
    assert office.turns == 4, "one to look and write down, one for each batch"
    assert set(office.retained.values()) == {7} and len(office.retained) == UNITS
    office.clock.now_us += round(SEND_AGAIN_S * 1e6)
    after = office.runner.once(after)
    assert (after.phase, {member.state for member in after.members}) == ("done", {"superseded"})
    assert set(office.retained.values()) == {7}


def test_without_another_one_everybody_is_sent_to_once(tmp_path: Path) -> None:
    office, rollout = Office(tmp_path / "rollouts"), begun(plan(UNITS, 100))
    after = office.runner.once(rollout)
    assert set(office.retained.values()) == {5} and len(office.retained) == UNITS
    assert office.files.load("r1") == after
    assert office.runner.once(after) == after and office.turns == 4, "nothing to send, nobody is kept waiting"


def test_whoever_waits_for_his_turn_is_next(tmp_path: Path) -> None:
    """Even when the one whose turn it was wants another at once."""
    mine, others = (RolloutFiles(tmp_path, OsFiles(file_mode=0o600, dir_mode=0o700)) for _ in range(2))
    order: list[str] = []

    def other() -> None:
        with others.in_turn():
            order.append("other")

    thread = threading.Thread(target=other)
    with mine.in_turn():
        thread.start()
        until_somebody_waits(tmp_path)
    with mine.in_turn():
        order.append("mine")
    thread.join(10)
    assert order == ["other", "mine"]

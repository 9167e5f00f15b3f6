"""From the order to its end; a power cut at any instant repeats a step and loses none."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from recorder.update import installation as ins
from recorder.update.gates import RECORDING
from recorder.update.installation import Installation, Note
from recorder.update.manifest import Refused
from recorder.update.probation import Before, Trial
from tests.update.kit import NEW, OLD, manifest

BEFORE = Before(OLD, ("cam0",))
BAD = Refused("camera", "摄像头未就绪", "camera is not ready")


class World:
    """Card, unit and programs under the machine: what survives a power cut is ``disk``, the journal and the version."""

    def __init__(self, *, works: bool, good: bool) -> None:
        self.works, self.good = works, good
        self.disk = msgspec.json.encode(ins.ordered(Installation(), "8", manifest(), BEFORE))
        self.journal: list[Note] = []
        self.version = OLD
        self.installed_before_note = False

    def step(self, cut_before_save: bool) -> bool:
        """One step; the power may go after it has had its effect and before its outcome is on the disk."""
        state = msgspec.json.decode(self.disk, type=Installation)
        step = ins.due(state)
        if step == "rest":
            return False
        if step == "note":
            note = state.notes[0]
            if note not in self.journal:
                self.journal.append(note)
            state = ins.noted(state, note)
        elif step == "install":
            self.installed_before_note |= not any(n.event == "update-started" for n in self.journal)
            state = ins.begun(state)
            self.disk = msgspec.json.encode(state)
            if self.works:
                self.version = NEW
                state = ins.put_in(state, "b")
            else:
                state = ins.went_wrong(state, BAD)
        elif step == "restart":
            state = ins.restarted(state)
        elif step == "watch":
            state = ins.watched(state, Trial(boots=1), "well" if self.good else BAD)
        elif step == "commit":
            state = ins.committed(state)
        elif step == "roll-back":
            self.version = OLD
            state = ins.rolled_back(state)
        if not cut_before_save:
            self.disk = msgspec.json.encode(state)
        return True

    @property
    def state(self) -> Installation:
        return msgspec.json.decode(self.disk, type=Installation)


@given(st.booleans(), st.booleans(), st.lists(st.booleans(), max_size=30))
def test_whatever_the_power_does_it_ends_in_one_of_two_states(works: bool, good: bool, cuts: list[bool]) -> None:
    world = World(works=works, good=good)
    for cut in cuts:
        world.step(cut)
    for _ in range(20):
        if not world.step(False):
            break
    state = world.state
    assert state.phase == "done" and not state.notes and not world.installed_before_note
    events = [note.event for note in world.journal]
    if works and good and state.outcome == "committed":
        assert world.version == NEW and events == ["update-started", "update-installed"]
    else:
        assert state.outcome == "rolled-back" and world.version == OLD
        assert events == ["update-started", "update-rolled-back"]
    if works and good and not any(cuts):
        assert state.outcome == "committed"


def test_one_that_fails_is_tried_again_and_then_taken_back() -> None:
    world = World(works=False, good=True)
    tries = 0
    while world.step(False):
        tries = max(tries, world.state.tries)
    assert tries == ins.MOST_TRIES and world.state.why == (BAD.code, BAD.zh, BAD.en)


def test_an_order_that_is_not_believed_changes_nothing_and_is_journalled_once() -> None:
    state = ins.refused(Installation(), "8", BAD, BEFORE, NEW, "")
    assert (state.outcome, state.notes[0].event) == ("refused", "update-refused")
    assert ins.refused(state, "8", BAD, BEFORE, NEW, "") == state
    assert ins.refused(state, "9", BAD, BEFORE, NEW, "").order_id == "9"
    under_way = ins.ordered(Installation(), "8", manifest(), BEFORE)
    assert ins.refused(under_way, "9", BAD, BEFORE, NEW, "") == under_way


def test_a_gate_that_closes_puts_it_off() -> None:
    state = ins.put_off(ins.ordered(Installation(), "8", manifest(), BEFORE), RECORDING)
    assert (state.phase, state.outcome, state.notes) == ("done", "put-off", ())
    told = ins.noted(
        ins.ordered(Installation(), "8", manifest(), BEFORE), Note("update-started", OLD, NEW, manifest().sha256)
    )
    state = ins.put_off(told, RECORDING)
    assert [note.event for note in state.notes] == ["update-refused"], "the journal shall not say that it went on"
    assert ins.ordered(state, "8", manifest(), BEFORE).phase == "prepared"


def test_an_order_does_not_disturb_one_that_is_under_way() -> None:
    state = ins.begun(ins.ordered(Installation(), "8", manifest(), BEFORE))
    assert ins.ordered(state, "9", manifest(), BEFORE) == state
    assert ins.put_off(state, RECORDING) == state

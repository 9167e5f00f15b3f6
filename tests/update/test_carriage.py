"""What the server offered, from the offer to the last word: any order of events, and power cuts between any two."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from recorder.update import carriage
from recorder.update.carriage import MOST_REPORTS, Carriage, Report
from recorder.update.gates import BACKLOG, RECORDING, Gate
from recorder.update.manifest import Refused
from tests.update.kit import manifest, signed

NO = Refused("update-signature", "签名无效", "does not verify")


def waiting(action: str = "8") -> Carriage:
    state = carriage.manifest_read(carriage.offered(Carriage(), action), signed(), manifest())
    return carriage.downloaded(state)


def told(state: Carriage) -> list[tuple[str, str, str, str]]:
    return [(r.channel, r.action_id, r.execution, r.finished) for r in state.reports]


def test_the_way_to_success() -> None:
    state = waiting()
    assert state.phase == "waiting"
    state = carriage.gates(state, (RECORDING, BACKLOG))
    state = carriage.gates(state, (RECORDING,))
    assert (state.phase, state.gate) == ("waiting", "recording")
    state = carriage.gates(state, (BACKLOG,))
    state = carriage.gates(state, ())
    assert state.phase == "installing"
    state = carriage.installed(state)
    assert (state.phase, state.closed) == ("idle", "8")
    assert [r[2:] for r in told(state)] == [
        ("proceeding", "none"),
        ("downloaded", "none"),
        ("scheduled", "none"),
        ("scheduled", "none"),
        ("proceeding", "none"),
        ("closed", "success"),
    ]
    assert carriage.offered(state, "8") == state, "the server shows it until it has had its answer"
    assert carriage.offered(state, "9").phase == "downloading"


def test_one_that_is_refused_is_a_failure_told_in_both_languages() -> None:
    state = carriage.manifest_read(carriage.offered(Carriage(), "8"), "x", NO)
    assert (state.phase, state.reports[-1].finished) == ("idle", "failure")
    assert "签名无效" in state.reports[-1].details[0] and "does not verify" in state.reports[-1].details[0]


def test_it_is_called_back_until_it_is_installed() -> None:
    state = carriage.cancelled(waiting(), "8", "11")
    assert (state.phase, state.closed) == ("idle", "8")
    assert told(state)[-1] == ("cancelAction", "11", "closed", "success")
    assert carriage.cancelled(state, "8", "11") == state, "asked again before the answer is there"
    state = carriage.cancelled(carriage.gates(waiting(), ()), "8", "11")
    assert state.phase == "installing" and told(state)[-1][2] == "rejected"


def test_a_newer_one_takes_its_place_but_not_while_it_is_installed() -> None:
    assert carriage.offered(waiting(), "9").action_id == "9"
    going = carriage.gates(waiting(), ())
    assert carriage.offered(going, "9") == going


def test_the_installer_may_find_a_gate_closed() -> None:
    state = carriage.put_off(carriage.gates(waiting(), ()), RECORDING)
    assert (state.phase, state.gate) == ("waiting", "recording")


IDS = st.sampled_from(["8", "9", "10"])


class Server(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state = Carriage()
        self.handed = False
        self.over: set[str] = set()

    def become(self, state: Carriage) -> None:
        over = {r.action_id for r in state.reports if r.channel == "deploymentBase" and r.execution == "closed"}
        self.over |= over
        self.state = state

    @rule(action=IDS)
    def offer(self, action: str) -> None:
        self.become(carriage.offered(self.state, action))

    @rule(good=st.booleans())
    def read(self, good: bool) -> None:
        self.become(carriage.manifest_read(self.state, signed(), manifest() if good else NO))

    @rule()
    def download(self) -> None:
        self.become(carriage.downloaded(self.state))

    @rule(shut=st.lists(st.sampled_from([RECORDING, BACKLOG]), max_size=2))
    def look(self, shut: list[Gate]) -> None:
        before = self.state.phase
        self.become(carriage.gates(self.state, tuple(shut)))
        if self.state.phase == "installing" and before != "installing":
            assert before == "waiting" and not shut and self.state.manifest

    @rule(action=IDS, cancel=st.sampled_from(["21", "22"]))
    def cancel(self, action: str, cancel: str) -> None:
        was = self.state
        self.become(carriage.cancelled(self.state, action, cancel))
        if was.phase == "installing":
            assert self.state.phase == "installing" and self.state.action_id == was.action_id

    @rule(well=st.booleans())
    def end(self, well: bool) -> None:
        if self.state.phase == "installing":
            self.become(carriage.installed(self.state) if well else carriage.failed(self.state, NO))

    @rule()
    def confirm(self) -> None:
        if self.state.reports:
            self.become(carriage.confirmed(self.state, self.state.reports[0]))

    @rule()
    def power_cut(self) -> None:
        again = msgspec.json.decode(msgspec.json.encode(self.state), type=Carriage)
        assert again == self.state
        self.become(carriage.resumed(again))

    @invariant()
    def coherent(self) -> None:
        state = self.state
        assert (state.phase == "idle") == (state.action_id == "")
        assert state.phase not in ("waiting", "installing") or state.manifest
        assert len(state.reports) <= MOST_REPORTS
        assert state.closed == "" or state.closed != state.action_id


TestServer = Server.TestCase
TestServer.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_where_too_many_wait_the_last_word_is_kept() -> None:
    state = carriage.installed(carriage.gates(waiting(), ()))
    for number in range(100, 100 + 2 * MOST_REPORTS):
        state = carriage.offered(state, str(number))
    assert len(state.reports) == MOST_REPORTS
    assert Report("deploymentBase", "8", "closed", "success", state.reports[0].details) in state.reports

"""What becomes of pushed configurations, step by step and in any order the network and power cuts can bring about."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recorder.config import pushed
from recorder.config.pushed import ConfigError, Push, PushedState, Why, version_of
from recorder.evidence.config_order import MAX_LEAP, ConfigOrder
from recorder.evidence.encoding import sha256_b64u

WHY = Why(code="camera-silent", zh="不出帧", en="silent")


def push(version: int, toml: str = "") -> Push:
    text = toml or f"# {version}\n"
    return Push(version=version, jti=f"j{version}", digest=sha256_b64u(text.encode()), toml=text)


def error(key: str = "capture.segment_s") -> ConfigError:
    return ConfigError(file="pushed.toml", line=2, column=1, key=key, pointer="/capture/segment_s", zh="错", en="wrong")


def said(state: PushedState) -> tuple[int, str, bool]:
    told = pushed.report(
        state, in_force=True, waiting=(), covered=(), waits_for=None, effective="e", groups=("traffic",)
    )
    return told["version"], told["state"], told["probation"]


def test_accepted_in_force_proven() -> None:
    state = pushed.accepted(PushedState(), push(1), ("cam0",))
    assert said(state) == (1, "pending", True)
    state = pushed.in_force(state)
    assert said(state) == (1, "applied", True)
    state = pushed.proven(state)
    assert said(state) == (1, "applied", False) and state.good == push(1)


def test_what_fails_goes_back_to_what_proved_itself_and_never_comes_again() -> None:
    state = pushed.proven(pushed.in_force(pushed.accepted(PushedState(), push(1), ())))
    state = pushed.failed(pushed.in_force(pushed.accepted(state, push(2), ("cam0",))), WHY)
    assert said(state) == (2, "rolled-back", False)
    assert state.wanted == push(1) and state.unrecorded == push(2) and state.why == WHY
    assert pushed.repeats(state, push(2)), "the retained message comes with every connection"
    assert pushed.not_considered(state, push(3)) is None
    assert pushed.recorded(state).unrecorded is None


def test_the_first_one_that_fails_goes_back_to_the_units_own_files() -> None:
    state = pushed.failed(pushed.accepted(PushedState(), push(7), ()), WHY)
    assert state.wanted is None and said(state) == (7, "rolled-back", False)


def test_older_ones_and_used_versions_are_not_considered() -> None:
    state = pushed.accepted(PushedState(), push(5), ())
    older, other = pushed.not_considered(state, push(4)), pushed.not_considered(state, push(5, "[night]\n"))
    assert older is not None and older.code == "desired-replayed" and "5" in older.en
    assert other is not None and other.code == "desired-version-reused"
    kept = pushed.rejected(state, older)
    assert kept.wanted == push(5) and said(kept) == said(state) and kept.rejected == older
    assert pushed.accepted(kept, push(6), ()).rejected is None


def test_what_the_journal_knows_holds_when_the_state_is_lost() -> None:
    known = ConfigOrder(version=5, digest=push(5).digest)
    for older in (push(4), push(5, "[night]\n")):
        found = pushed.not_considered(PushedState(), older, known)
        assert found is not None and found.code == "desired-replayed"
    assert pushed.not_considered(PushedState(), push(5), known) is None
    assert pushed.not_considered(PushedState(), push(6), known) is None
    assert pushed.not_considered(PushedState(highest=7), push(6), known) is not None


def test_a_leap_is_refused_whether_the_state_or_the_journal_knows_the_newest() -> None:
    far, digest = 5 + MAX_LEAP, push(5).digest
    state, known = pushed.accepted(PushedState(), push(5), ()), ConfigOrder(version=5, digest=digest)
    for before, order in ((state, None), (PushedState(), known)):
        assert pushed.not_considered(before, push(far), order) is None
        found = pushed.not_considered(before, push(far + 1), order)
        assert found is not None and (found.code, found.version) == ("desired-leap", far + 1)
    again = ConfigOrder(version=2 * MAX_LEAP, digest=push(2 * MAX_LEAP).digest)
    assert pushed.not_considered(PushedState(), push(2 * MAX_LEAP), again) is None, "the newest may come again"


def test_a_refused_one_leaves_what_is_on_probation_there() -> None:
    state = pushed.in_force(pushed.accepted(PushedState(), push(1), ()))
    state = pushed.refused(state, push(2), tuple(error(f"k{n}") for n in range(50)))
    assert said(state) == (2, "refused", True) and len(state.errors) == pushed.MAX_ERRORS
    failed = pushed.failed(state, WHY)
    assert said(failed) == (2, "refused", False), "the answer to 2 stays the answer to 2"
    assert failed.wanted is None and failed.unrecorded == push(1)


def test_starts_count_unless_they_ended_in_order() -> None:
    state = pushed.accepted(PushedState(), push(1), ())
    for _ in range(10):
        state = pushed.process_ended(pushed.process_started(state, 3))
    assert state.outcome == "pending" and state.starts == 0
    for _ in range(3):
        state = pushed.process_started(state, 3)
        assert state.outcome == "pending"
    state = pushed.process_started(state, 3)
    assert state.outcome == "rolled-back" and state.why is not None and state.why.code == "restarts"
    assert pushed.process_started(state, 3) == state


@given(st.integers(1, 9), st.booleans())
def test_what_is_written_down_is_read_again(version: int, fail: bool) -> None:
    state = pushed.accepted(PushedState(), push(version, "[night]\nlamp = true # 灯\n"), ("cam0",))
    state = pushed.failed(state, WHY) if fail else state
    assert PushedState.model_validate_json(state.model_dump_json()) == state


class Unit(RuleBasedStateMachine):
    """A unit to which anything may be offered at any time. ``lost``: the power goes before a step is written down."""

    @initialize()
    def begin(self) -> None:
        self.state = PushedState()
        self.proved: set[int] = {0}
        self.failed: set[int] = set()
        self.highest = 0

    @rule(version=st.integers(1, 12), text=st.sampled_from(["", "[night]\n"]), good=st.booleans(), lost=st.booleans())
    def offer(self, version: int, text: str, good: bool, lost: bool) -> None:
        offered = push(version, text)
        if pushed.repeats(self.state, offered):
            return
        why = pushed.not_considered(self.state, offered)
        if why is not None:
            assert version <= self.highest, "whatever is new is considered"
            self.state = pushed.rejected(self.state, why)
            return
        assert version > self.highest, "nothing is considered twice"
        if lost:
            return
        self.highest = version
        step = (
            pushed.accepted(self.state, offered, ("cam0",)) if good else pushed.refused(self.state, offered, (error(),))
        )
        self.state = step

    @precondition(lambda self: self.state.on_probation)
    @rule()
    def takes_effect(self) -> None:
        self.state = pushed.in_force(self.state)

    @precondition(lambda self: self.state.on_probation)
    @rule()
    def proves_itself(self) -> None:
        self.proved.add(version_of(self.state.wanted))
        self.state = pushed.proven(self.state)

    @rule()
    def fails(self) -> None:
        if self.state.on_probation:
            self.failed.add(version_of(self.state.wanted))
        self.state = pushed.failed(self.state, WHY)

    @rule(in_order=st.booleans())
    def restarts(self, in_order: bool) -> None:
        before = self.state
        if in_order and before.on_probation:
            self.state = pushed.process_ended(self.state)
        self.state = pushed.process_started(PushedState.model_validate_json(self.state.model_dump_json()), 3)
        if self.state.wanted != before.wanted:
            self.failed.add(version_of(before.wanted))

    @invariant()
    def promises(self) -> None:
        state = self.state
        assert version_of(state.good) in self.proved, "back only to what proved itself"
        assert version_of(state.wanted) not in self.failed, "what was taken back never comes again"
        assert state.highest == self.highest >= version_of(state.last) >= 0
        assert version_of(state.wanted) <= state.highest
        if state.outcome == "applied":
            assert version_of(state.wanted) == version_of(state.last)
        if state.outcome == "refused":
            assert state.errors and version_of(state.wanted) != version_of(state.last)
        if state.outcome == "rolled-back":
            assert state.why is not None and version_of(state.wanted) != version_of(state.last)


TestUnit = Unit.TestCase

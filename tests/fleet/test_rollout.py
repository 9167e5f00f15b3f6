"""A roll-out goes on by what units say: stage by stage, never past a bad sign, whatever is lost or interrupted."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.encoding import sha256_b64u
from recorder.fleet import rollout as ro
from recorder.fleet.rollout import Criteria, Ended, Plan, Rollout, Send, View

TOML, BEFORE = "[night]\ndwell_s = 9\n", "[night]\ndwell_s = 3\n"
SOAK, SILENT = 300.0, 600.0


def plan(units: int, *percent: float, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "rollout_id": "r1",
        "created_at": 0.0,
        "digest": sha256_b64u(TOML.encode()),
        "toml": TOML,
        "units": ro.order("r1", [f"zfy-{n:03d}" for n in range(units)]),
        "percent": percent or (100,),
        "soak_s": SOAK,
        "silent_s": SILENT,
        "abort_if": Criteria(),
        "take_back": True,
    }
    return Plan.model_validate(values | changes)


def begun(made: Plan) -> Rollout:
    return ro.begin(made, dict.fromkeys(made.units, 5), dict.fromkeys(made.units, BEFORE))


@dataclass
class Fleet:
    """Units as they are, and what the store last heard of them."""

    rollout: Rollout
    now: float = 1000.0
    views: dict[str, View] = field(default_factory=dict)
    sent: list[Send] = field(default_factory=list)

    @classmethod
    def of(cls, made: Plan) -> Fleet:
        fleet = cls(begun(made))
        fleet.views = {unit: View(seen_at=fleet.now, version=4, state="applied") for unit in made.units}
        return fleet

    def step(self, seconds: float = 0.0) -> list[str]:
        """Time passes, everybody is heard of; returns whom something was sent."""
        self.now += seconds
        self.views = {unit: replace(view, seen_at=self.now) for unit, view in self.views.items()}
        self.rollout, sends = ro.step(self.rollout, self.views, self.now)
        self.sent += sends
        return [send.unit_id for send in sends]

    def say(self, units: list[str], state: str = "applied", **changes: Any) -> None:
        digest = self.rollout.plan.digest
        for unit in units:
            self.views[unit] = replace(self.views[unit], version=5, digest=digest, state=state, **changes)

    def states(self) -> set[str]:
        return {member.state for member in self.rollout.members}


def phase(fleet: Fleet) -> str:
    return fleet.rollout.phase


def test_stage_by_stage_each_after_its_soak_time() -> None:
    fleet = Fleet.of(plan(10, 10, 50, 100))
    first = fleet.step()
    assert len(first) == 1 and fleet.step(1) == [], "once"
    fleet.say(first, probation=True)
    assert fleet.step(SOAK) == [] and fleet.step(SOAK) == [], "still on the unit's own probation"
    fleet.say(first, probation=False)
    second = fleet.step()
    assert len(second) == 4 and not set(first) & set(second)
    fleet.say(second)
    assert fleet.step(SOAK - 1) == []
    assert fleet.step(1) == []
    third = fleet.step(SOAK)
    assert len(third) == 5
    fleet.say(third)
    fleet.step(1)
    fleet.step(SOAK)
    assert fleet.rollout.phase == "done" and ro.counts(fleet.rollout) == {"applied": 10}
    assert fleet.step(10_000) == [], "what is over is over"


def test_who_is_first_is_nobodys_choice_and_always_the_same() -> None:
    units = [f"zfy-{n:03d}" for n in range(50)]
    assert ro.order("a", units) == ro.order("a", reversed(units)) != ro.order("b", units)


@pytest.mark.parametrize("state", ["refused", "rolled-back"])
def test_one_bad_answer_ends_it_and_what_was_sent_is_taken_back(state: str) -> None:
    fleet = Fleet.of(plan(10, 30, 100))
    units = fleet.step()
    assert len(units) == 3
    fleet.say(units[:2])
    fleet.say(units[2:], state)
    assert sorted(fleet.step(1)) == sorted(units[:2]), "not the one that has not got it anyway"
    assert fleet.rollout.why is not None and fleet.rollout.why.code == state and "1 of 3" in fleet.rollout.why.en
    assert {(send.version, send.toml) for send in fleet.sent[3:]} == {(6, BEFORE)}
    assert phase(fleet) == "aborting"
    for unit in units[:2]:
        fleet.views[unit] = replace(fleet.views[unit], version=6, layer=6, digest="x", state="applied")
    assert fleet.step(1) == [] and phase(fleet) == "aborted"
    assert ro.counts(fleet.rollout) == {"waiting": 7, "taken-back": 2, state: 1}


def test_within_the_limits_it_goes_on_without_the_bad_ones() -> None:
    fleet = Fleet.of(plan(10, 50, 100, abort_if=Criteria(refused=0.2)))
    units = fleet.step()
    fleet.say(units[:4])
    fleet.say(units[4:], "refused")
    fleet.step(1)
    assert len(fleet.step(SOAK)) == 5 and fleet.rollout.phase == "running"


def test_silence_and_new_faults() -> None:
    fleet = Fleet.of(plan(4, 100, abort_if=Criteria(silent=0.25)))
    units = fleet.step()
    fleet.say(units[:3])
    fleet.views[units[3]] = View(seen_at=None)
    fleet.now += SILENT
    heard = {unit: replace(fleet.views[unit], seen_at=fleet.now) for unit in units[:3]}
    fleet.rollout, _ = ro.step(fleet.rollout, heard, fleet.now)
    assert ro.counts(fleet.rollout) == {"applied": 3, "silent": 1}
    assert fleet.rollout.phase == "running"
    faulty = Fleet.of(plan(4, 100, abort_if=Criteria(faulty=0.0)))
    faulty.views = {unit: replace(view, faults=("clock-not-set",)) for unit, view in faulty.views.items()}
    units = faulty.step()
    faulty.say(units)
    faulty.step(1)
    assert faulty.rollout.phase == "running", "what was there before is nobody's fault"
    faulty.views[units[0]] = replace(faulty.views[units[0]], faults=("clock-not-set", "camera-stall"))
    faulty.step(1)
    assert faulty.rollout.why is not None and faulty.rollout.why.code == "faulty"


def test_a_silent_one_that_speaks_again_counts_as_what_it_says() -> None:
    fleet = Fleet.of(plan(10, 10, 100, abort_if=Criteria(silent=1.0)))
    (unit,) = fleet.step()
    fleet.views[unit] = View()
    fleet.now += SILENT
    fleet.rollout, _ = ro.step(fleet.rollout, {}, fleet.now)
    assert "silent" in fleet.states()
    fleet.views[unit] = View(seen_at=fleet.now)
    fleet.say([unit], "rolled-back")
    fleet.step(1)
    assert fleet.rollout.phase == "aborting"


def test_what_was_not_answered_is_sent_again_now_and_then() -> None:
    fleet = Fleet.of(plan(1, 100))
    assert len(fleet.step()) == 1 and fleet.step(ro.SEND_AGAIN_S - 1) == []
    assert len(fleet.step(1)) == 1 and fleet.step(1) == []
    fleet.say(list(fleet.rollout.plan.units), "pending")
    assert fleet.step(ro.SEND_AGAIN_S) == [], "it has it and waits for the end of a recording"
    assert fleet.step(10 * SILENT) == [] and fleet.rollout.phase == "running"


DAY = ro.RESULT_S


def test_a_unit_that_goes_on_recording_holds_the_others_up_for_a_while_and_no_longer() -> None:
    fleet = Fleet.of(plan(4, 50, 100, result_s=7200.0))
    first = fleet.step()
    fleet.say(first[:1])
    fleet.say(first[1:], "pending")
    fleet.step(1)
    assert fleet.step(7198) == [] and ro.without_result(fleet.rollout) == ()
    rest = fleet.step(1)
    assert len(rest) == 2, "the next stage begins"
    assert ro.without_result(fleet.rollout) == (first[1],)
    assert ro.counts(fleet.rollout)["overdue"] == 1
    fleet.say(rest)
    fleet.step(1)
    fleet.step(SOAK)
    assert phase(fleet) == "done" and fleet.rollout.why is None, "it has not failed"
    fleet.say([first[1]])
    assert fleet.step(DAY) == [], "nothing is sent by what is over"
    assert ro.counts(fleet.rollout) == {"applied": 4} and ro.without_result(fleet.rollout) == ()


def test_an_overdue_unit_is_not_silent_and_may_still_say_no() -> None:
    """Switched off for the night it counts against nothing; what it says in the morning counts as it always does."""
    fleet = Fleet.of(plan(2, 50, 100, result_s=SILENT, abort_if=Criteria(silent=0.0)))
    (unit,) = fleet.step()
    fleet.say([unit], "pending")
    (other,) = fleet.step(SILENT)
    fleet.say([other])
    asleep, later = fleet.views[unit], fleet.now + 10 * SILENT
    views = {unit: asleep, other: replace(fleet.views[other], seen_at=later)}
    fleet.rollout, _ = ro.step(fleet.rollout, views, later)
    assert ro.counts(fleet.rollout) == {"pending": 1, "applied": 1, "overdue": 1} and phase(fleet) == "running"
    fleet = Fleet.of(plan(2, 50, 100, result_s=SILENT))
    (unit,) = fleet.step()
    fleet.say([unit], "pending")
    fleet.step(SILENT)
    fleet.say([unit], "refused")
    fleet.step(1)
    assert phase(fleet) == "aborting"


def test_a_limit_broken_by_those_who_came_late_is_said_and_nothing_taken_back_by_itself() -> None:
    fleet = Fleet.of(plan(2, 100, result_s=SILENT))
    units = fleet.step()
    fleet.say(units, "pending")
    fleet.step(SILENT)
    assert phase(fleet) == "done" and set(ro.without_result(fleet.rollout)) == set(units)
    fleet.say(units[:1], "rolled-back")
    assert fleet.step(1) == [] and phase(fleet) == "done"
    assert fleet.rollout.why is not None and fleet.rollout.why.code == "rolled-back"
    assert ro.without_result(fleet.rollout) == (units[1],)


def test_a_unit_that_does_not_come_for_the_old_layer_ends_the_taking_back_too() -> None:
    fleet = Fleet.of(plan(2, 100, result_s=7200.0))
    units = fleet.step()
    fleet.say(units)
    fleet.step(1)
    fleet.rollout = ro.abort(fleet.rollout, Ended(code="admin", zh="管理员", en="admin"), take_back=True)
    assert sorted(fleet.step(1)) == sorted(units)
    fleet.views[units[0]] = replace(fleet.views[units[0]], version=6, layer=6, digest="x")
    fleet.step(7199)
    assert phase(fleet) == "aborting"
    fleet.step(1)
    assert phase(fleet) == "aborted" and ro.without_result(fleet.rollout) == (units[1],)
    fleet.views[units[1]] = replace(fleet.views[units[1]], version=6, layer=6, digest="x")
    fleet.step(DAY)
    assert ro.counts(fleet.rollout) == {"taken-back": 2}


def test_a_roll_out_written_down_before_there_was_a_bound_can_be_taken_up() -> None:
    text = begun(plan(2, 100)).model_dump(mode="json")
    del text["plan"]["result_s"], text["back_at"]
    for member in text["members"]:
        del member["overdue"]
    assert Rollout.model_validate(text).plan.result_s == DAY


def test_without_taking_back_and_where_nobody_knows_what_was_before() -> None:
    fleet = Fleet.of(plan(2, 100, take_back=False))
    units = fleet.step()
    fleet.say(units[:1], "refused")
    assert fleet.step(1) == [] and fleet.rollout.phase == "aborted"
    fleet.rollout = ro.abort(fleet.rollout, Ended(code="admin", zh="管理员", en="admin"), take_back=True)
    assert fleet.step(1) == units[1:], "taken back later by hand"
    unknown = Fleet.of(plan(2, 100))
    unknown.rollout = ro.begin(unknown.rollout.plan, dict.fromkeys(unknown.rollout.plan.units, 5), {})
    assert ro.unknown_before(unknown.rollout.members) == unknown.rollout.plan.units
    unknown.say(unknown.step()[:1], "refused")
    assert unknown.step(1) == [] and unknown.rollout.phase == "aborted"


def test_a_newer_version_of_somebody_else_is_left_alone() -> None:
    fleet = Fleet.of(plan(2, 50, 100))
    (unit,) = fleet.step()
    fleet.views[unit] = replace(fleet.views[unit], version=9, layer=9, digest="other", state="applied")
    assert len(fleet.step(1)) == 1 and "superseded" in fleet.states()


def test_what_refused_something_newer_since_still_has_it_and_is_taken_back_above_that() -> None:
    fleet = Fleet.of(plan(1, 100))
    (unit,) = fleet.step()
    fleet.say([unit])
    fleet.step(SOAK)
    fleet.step(SOAK)
    assert fleet.rollout.phase == "done"
    fleet.views[unit] = replace(fleet.views[unit], version=7, layer=5, digest="other", state="refused")
    why = Ended(code="admin", zh="管理员", en="admin")
    fleet.rollout = ro.abort(fleet.rollout, why, take_back=True, back_versions={unit: 9})
    assert fleet.step(1) == [unit] and fleet.sent[-1] == Send(unit, 9, BEFORE)


def test_each_unit_is_sent_and_taken_back_with_its_own_versions() -> None:
    made = plan(2, 100)
    versions = dict(zip(made.units, (5, 70), strict=True))
    state, sends = ro.step(ro.begin(made, versions, dict.fromkeys(made.units, BEFORE)), {}, 0.0)
    assert {send.unit_id: send.version for send in sends} == versions
    views = {unit: View(1.0, version, version, made.digest, "applied") for unit, version in versions.items()}
    state, _ = ro.step(state, views, 1.0)
    assert ro.counts(state) == {"applied": 2}
    state, sends = ro.step(ro.abort(state, Ended(code="admin", zh="", en=""), take_back=True), views, 2.0)
    assert {send.unit_id: send.version for send in sends} == {unit: 1 + version for unit, version in versions.items()}


def test_a_unit_that_refuses_the_leap_has_refused_the_roll_out() -> None:
    fleet = Fleet.of(plan(1, 100))
    (unit,) = fleet.step()
    fleet.views[unit] = replace(fleet.views[unit], rejected=5)
    fleet.step(1)
    assert fleet.states() == {"refused"}


def taking_back() -> tuple[Fleet, str]:
    """One unit that has version 5, and was sent the old layer as version 6."""
    fleet = Fleet.of(plan(1, 100, result_s=7200.0))
    (unit,) = fleet.step()
    fleet.say([unit], layer=5)
    fleet.step(1)
    fleet.rollout = ro.abort(fleet.rollout, Ended(code="admin", zh="管理员", en="admin"), take_back=True)
    assert fleet.step(1) == [unit] and fleet.sent[-1] == Send(unit, 6, BEFORE)
    return fleet, unit


@pytest.mark.parametrize(
    "word",
    [
        {"version": 6, "state": "refused"},
        {"version": 6, "state": "rolled-back"},
        {"rejected": 6},
        {"version": 8, "state": "refused"},
    ],
)
def test_a_unit_that_keeps_what_was_to_be_taken_back_is_not_called_taken_back(word: dict[str, Any]) -> None:
    fleet, unit = taking_back()
    fleet.views[unit] = replace(fleet.views[unit], **word)
    assert fleet.step(1) == [] and phase(fleet) == "aborted"
    assert ro.counts(fleet.rollout) == {"not-taken-back": 1} and ro.not_taken_back(fleet.rollout) == (unit,)
    assert [ro.sent_version(member) for member in fleet.rollout.members] == [6]
    again = ro.abort(fleet.rollout, Ended(code="admin", zh="", en=""), take_back=True, back_versions={unit: 9})
    fleet.rollout = again
    assert fleet.step(1) == [unit] and fleet.sent[-1] == Send(unit, 9, BEFORE), "the admin may try again"
    fleet.rollout = again
    assert stepped(fleet, {unit: 20}) == [], "but not over a newer order the unit has not heard of"


def test_one_that_has_accepted_the_old_layer_is_waited_for_until_it_stands() -> None:
    fleet, unit = taking_back()
    words: list[dict[str, Any]] = [
        {"layer": 5, "state": "pending"},
        {"layer": 6, "state": "pending"},
        {"layer": 6, "state": "applied", "probation": True},
    ]
    for word in words:
        fleet.views[unit] = replace(fleet.views[unit], version=6, **word)
        assert fleet.step(ro.SEND_AGAIN_S) == [], "it has the order"
        assert phase(fleet) == "aborting" and fleet.states() == {"taking-back"}
    asleep = fleet.rollout
    fleet.views[unit] = replace(fleet.views[unit], probation=False)
    fleet.step(1)
    assert phase(fleet) == "aborted" and ro.counts(fleet.rollout) == {"taken-back": 1}
    fleet.rollout = asleep
    fleet.views[unit] = replace(fleet.views[unit], layer=5, state="rolled-back")
    fleet.step(1)
    assert phase(fleet) == "aborted" and ro.counts(fleet.rollout) == {"not-taken-back": 1}


def test_something_newer_in_its_place_has_taken_it_back_or_is_what_counts() -> None:
    fleet, unit = taking_back()
    before = fleet.rollout
    for layer, state in ((8, "taken-back"), (4, "superseded")):
        fleet.rollout = before
        fleet.views[unit] = replace(fleet.views[unit], version=8, layer=layer, state="applied")
        fleet.step(1)
        assert phase(fleet) == "aborted" and fleet.states() == {state}


def test_one_that_says_no_long_after_everybody_stopped_waiting_is_not_taken_back_either() -> None:
    fleet, unit = taking_back()
    fleet.step(7200)
    assert phase(fleet) == "aborted" and ro.without_result(fleet.rollout) == (unit,)
    fleet.views[unit] = replace(fleet.views[unit], version=6, state="refused")
    fleet.step(1)
    assert ro.counts(fleet.rollout) == {"not-taken-back": 1} and ro.without_result(fleet.rollout) == ()


def test_a_second_rollback_leaves_what_was_sent_since_the_first() -> None:
    """The unit is away: the broker has what a later roll-out sent it in place of the old layer."""
    fleet, unit = taking_back()
    fleet.step(7200)
    assert phase(fleet) == "aborted" and ro.without_result(fleet.rollout) == (unit,)
    why = Ended(code="admin", zh="管理员", en="admin")
    again = fleet.rollout = ro.abort(fleet.rollout, why, take_back=True, back_versions={unit: 9})
    assert stepped(fleet, {unit: 7}, ro.SEND_AGAIN_S) == [] and ro.passed_over(fleet.rollout) == (unit,)
    fleet.rollout = again
    assert stepped(fleet, {}, ro.SEND_AGAIN_S) == [(unit, 6)], "it is the same order, sent again"


class Unit:
    """A unit of the simulation: what it answers is settled, when it is heard of is not."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.version, self.digest, self.state = 4, "old", "applied"
        self.layer = 4

    def get(self, send: Send) -> None:
        if send.version <= self.version:
            return  # replayed or repeated
        self.version, self.digest = send.version, sha256_b64u(send.toml.encode())
        self.state = self.answer if send.version == 5 else "applied"
        self.layer = self.version if self.state == "applied" else self.layer

    def view(self, now: float) -> View:
        return View(seen_at=now, version=self.version, layer=self.layer, digest=self.digest, state=self.state)


ANSWERS = st.sampled_from(["applied"] * 6 + ["refused", "rolled-back", "dead"])


@settings(max_examples=40, deadline=None)
@given(
    answers=st.lists(ANSWERS, min_size=1, max_size=12),
    percent=st.sampled_from([(100,), (5, 25, 100), (50, 100)]),
    limit=st.sampled_from([0.0, 0.25, 1.0]),
    seed=st.integers(0, 1 << 32),
)
def test_whatever_is_lost_repeated_or_interrupted(
    answers: list[str], percent: tuple[float, ...], limit: float, seed: int
) -> None:
    luck = random.Random(seed)
    criteria = Criteria(refused=limit, rolled_back=limit, silent=1.0, faulty=limit)  # lost reports look like silence
    made = plan(len(answers), *percent, abort_if=criteria)
    units = {unit: Unit(answer) for unit, answer in zip(made.units, answers, strict=True)}
    state, now, views = begun(made), 0.0, dict[str, View]()
    reached: dict[str, int] = {}
    for _ in range(150):
        now += luck.choice([1.0, 20.0, 200.0])
        for unit_id, unit in units.items():
            if unit.answer != "dead" and luck.random() < 0.7:  # else the report is lost, the old one stays
                views[unit_id] = unit.view(now)
        before = state
        state, sends = ro.step(state, views, now)
        assert ro.step(before, views, now) == (state, sends), "nothing but what is known decides"
        if luck.random() < 0.2:  # killed before it was written down: neither sent nor known
            state = before
            continue
        state = Rollout.model_validate_json(state.model_dump_json())
        for send in sends:
            index = made.units.index(send.unit_id)
            if send.version == 5:
                assert index < ro.quota(made, state.stage) and state.phase == "running"
                reached.setdefault(send.unit_id, state.stage)
            if luck.random() < 0.8 and units[send.unit_id].answer != "dead":
                units[send.unit_id].get(send)
        if state.phase in ("done", "aborted"):
            break
    for unit_id, stage in reached.items():
        if stage == 0:
            continue
        earlier = made.units[: ro.quota(made, stage - 1)]
        bad = sum(units[each].answer in ("refused", "rolled-back") for each in earlier)
        assert bad <= 2 * limit * len(earlier), f"{unit_id} came after too many had said no"
    if all(answer == "applied" for answer in answers):
        assert state.phase == "done" and {unit.state for unit in units.values()} == {"applied"}
        silent = {member.unit_id for member in state.members if member.state == "silent"}
        assert {unit_id for unit_id, unit in units.items() if unit.version != 5} <= silent
    if state.phase == "aborted":
        left = [
            unit for unit in units.values() if unit.version == 5 and unit.state == "applied" and unit.answer != "dead"
        ]
        assert left == [], "whoever had it has it no more"


def stepped(fleet: Fleet, newest: dict[str, int], seconds: float = 0.0) -> list[tuple[str, int]]:
    """One step of an old roll-out that knows what others have sent; whom it sends which version."""
    fleet.now += seconds
    fleet.rollout, sends = ro.step(fleet.rollout, fleet.views, fleet.now, newest)
    return [(send.unit_id, send.version) for send in sends]


def test_a_unit_that_is_away_keeps_the_newer_order_that_waits_for_it() -> None:
    fleet = Fleet.of(plan(4, 50, 100))
    away, other, third, fourth = fleet.rollout.plan.units
    assert len(stepped(fleet, {})) == 2
    fleet.say([other])
    newest = {away: 7, fourth: 7}
    assert stepped(fleet, newest, ro.SEND_AGAIN_S) == [], "not over the newer one, and nobody beyond it yet"
    assert ro.passed_over(fleet.rollout) == (away,)
    for unit in (other, third, fourth):
        fleet.views[unit] = replace(fleet.views[unit], seen_at=fleet.now + 5 * SILENT)
    assert stepped(fleet, newest, 5 * SILENT) == [(third, 5)], (
        "it is silent and no failure; whoever had no newer one is sent it"
    )
    fleet.say([third])
    stepped(fleet, newest)
    stepped(fleet, newest, SOAK)
    assert phase(fleet) == "done" and ro.counts(fleet.rollout) == {"applied": 2, "superseded": 2}
    assert ro.passed_over(fleet.rollout) == (away, fourth) and fleet.rollout.why is None
    assert stepped(fleet, {}, DAY) == [] and ro.passed_over(fleet.rollout) == (away, fourth)


def test_where_everybody_has_a_newer_order_one_look_ends_it() -> None:
    fleet = Fleet.of(plan(4, 25, 50, 100))
    assert stepped(fleet, dict.fromkeys(fleet.rollout.plan.units, 7)) == []
    assert phase(fleet) == "done" and ro.counts(fleet.rollout) == {"superseded": 4}


def test_an_abort_takes_nothing_back_over_a_newer_order() -> None:
    fleet = Fleet.of(plan(3, 100))
    bad, has, away = (unit for unit, _ in stepped(fleet, {}))
    fleet.say([has, away])
    stepped(fleet, {})
    fleet.say([bad], "refused")
    assert stepped(fleet, {away: 7}) == [(has, 6)]
    assert ro.passed_over(fleet.rollout) == (away,)
    assert stepped(fleet, {away: 7, has: 7}, ro.SEND_AGAIN_S) == [], "nor again, once there is one"
    assert phase(fleet) == "aborted" and ro.counts(fleet.rollout) == {"refused": 1, "superseded": 2}


def test_rolling_an_old_one_back_leaves_a_newer_order_that_is_on_its_way() -> None:
    """Its version could be above everything; what waits at the broker would be gone all the same."""
    fleet = Fleet.of(plan(2, 100))
    away, here = fleet.rollout.plan.units
    stepped(fleet, {})
    fleet.say([away, here])
    stepped(fleet, {})
    stepped(fleet, {}, SOAK)
    assert phase(fleet) == "done"
    why = Ended(code="admin", zh="管理员", en="admin")
    fleet.rollout = ro.abort(fleet.rollout, why, take_back=True, back_versions={away: 9, here: 7})
    assert stepped(fleet, {away: 7}) == [(here, 7)] and ro.passed_over(fleet.rollout) == (away,)


def test_what_went_out_is_what_was_sent_and_not_what_may_be() -> None:
    fleet = Fleet.of(plan(2, 50, 100))
    first, later = fleet.rollout.plan.units
    stepped(fleet, {})
    assert [ro.sent_version(member) for member in fleet.rollout.members] == [5, None]
    why = Ended(code="admin", zh="管理员", en="admin")
    fleet.rollout = ro.abort(fleet.rollout, why, take_back=True, back_versions={first: 9, later: 9})
    stepped(fleet, {})
    assert [ro.sent_version(member) for member in fleet.rollout.members] == [9, None]
    fleet.views[first] = replace(fleet.views[first], version=9, layer=9)
    stepped(fleet, {})
    fleet.rollout = ro.abort(fleet.rollout, why, take_back=True, back_versions={first: 20, later: 20})
    assert [ro.sent_version(member) for member in fleet.rollout.members] == [9, None], "nothing more is sent to it"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32), backs=st.booleans())
def test_nothing_older_than_what_is_out_is_ever_sent(seed: int, backs: bool) -> None:
    luck = random.Random(seed)
    fleet = Fleet.of(plan(6, 50, 100, abort_if=Criteria(refused=0.3, silent=0.5)))
    newest: dict[str, int] = {}
    for number in range(40):
        for unit in fleet.rollout.plan.units:
            if luck.random() < 0.1:
                newest[unit] = max(newest.get(unit, 0), luck.choice([3, 5, 6, 7, 9, 12]))
            version = luck.choice([4, 5, 5, 6, newest.get(unit, 4)])
            state = luck.choice(["applied", "applied", "pending", "refused"])
            if luck.random() < 0.4:
                digest = fleet.rollout.plan.digest if version == 5 else "other"
                fleet.views[unit] = View(fleet.now, version, luck.choice([4, version]), digest, state)
        if number == 20 and backs:
            why = Ended(code="admin", zh="管理员", en="admin")
            above = {unit: 1 + max(6, newest.get(unit, 0)) for unit in fleet.rollout.plan.units}
            fleet.rollout = ro.abort(fleet.rollout, why, take_back=True, back_versions=above)
        sent = stepped(fleet, newest, luck.choice([1.0, 70.0, 700.0]))
        assert all(version >= newest.get(unit, 0) for unit, version in sent)

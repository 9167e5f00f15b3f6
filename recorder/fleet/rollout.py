"""A staged roll-out of one configuration over many units. Pure: what units say and the time in, what to send out.

Units are taken in an order that is fixed by unit and roll-out and that nobody chose. A stage is a share of them; the next
one begins when every unit of this one has answered, and whoever applied it has stayed healthy for the soak time. Too many
bad answers end it (:class:`Criteria`), and what was sent is taken back, if the admin wants that, with a new and higher
version.

:func:`step` is a function of what is known now: lost and repeated reports change nothing but the time it takes, and an
interrupted roll-out goes on from its last written state. A unit that a later roll-out has been sent to is passed over: the
broker keeps one order per unit, and an older one in its place would be all that a unit that is away ever gets.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field

from recorder.evidence.base import Count, Digest, Model
from recorder.evidence.config_order import MAX_VERSION

RESULT_S: Final = 86_400.0
"""A day: every shift that was going on is over by then, and its unit has been in standby."""

SEND_AGAIN_S: Final = 60.0
"""A unit that has not reported the version by then is sent it again: sending is not durable, and repeats do nothing."""

_WITHOUT_RESULT: Final = ("sent", "pending")
_NOTHING_NEWER: Final[Mapping[str, int]] = {}

Share = Annotated[float, Field(ge=0, le=1)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION)]
MemberState: TypeAlias = Literal[
    "waiting",
    "sent",
    "pending",
    "applied",
    "refused",
    "rolled-back",
    "silent",
    "superseded",
    "taking-back",
    "taken-back",
    "not-taken-back",
]
Phase: TypeAlias = Literal["running", "aborting", "aborted", "done"]


class Criteria(Model):
    """The roll-out is aborted when *more* than this share of the units it was sent to has refused it, rolled it back, says
    nothing, or has faults it did not have before."""

    refused: Share = 0.0
    rolled_back: Share = 0.0
    silent: Share = 0.1
    faulty: Share = 0.1


class Plan(Model):
    """``units`` in their order; ``percent``: rising, of the units, per stage. ``silent_s``: a unit of which nothing was
    heard for so long is silent. ``result_s``: so long after it was sent to, a unit without a result is waited for no
    longer (it records, or has not said a word yet): it is overdue, which is no failure of it."""

    rollout_id: str
    created_at: float
    digest: Digest
    toml: str
    units: tuple[str, ...]
    percent: tuple[Annotated[float, Field(gt=0, le=100)], ...]
    soak_s: Annotated[float, Field(ge=0)]
    silent_s: Annotated[float, Field(gt=0)]
    result_s: Annotated[float, Field(gt=0)] = RESULT_S
    abort_if: Criteria
    take_back: bool


class Member(Model):
    """``version`` is sent, ``back_version`` is kept for taking it back: of this unit alone, for its word on what it had is
    nothing to others (:mod:`recorder.fleet.versions`). ``overdue``: nothing is waited for any more, and it has no result
    yet; it still has its order, and may carry it out any time. ``before``: text of the layer it had, to go back to;
    null: nobody here knows it. ``faults``: those it had when it was sent to. ``sent_at`` (for the first time),
    ``resent_at`` (last), ``applied_at``: seconds since 1970."""

    unit_id: str
    version: Version
    back_version: Version
    state: MemberState = "waiting"
    before: str | None = None
    faults: tuple[str, ...] = ()
    new_faults: tuple[str, ...] = ()
    sent_at: float | None = None
    resent_at: float | None = None
    applied_at: float | None = None
    probation: bool = False
    overdue: bool = False


class Ended(Model):
    """Why it was aborted."""

    code: str
    zh: str
    en: str


class Rollout(Model):
    plan: Plan
    phase: Phase = "running"
    stage: Count = 0
    members: tuple[Member, ...]
    why: Ended | None = None
    back_at: float | None = None
    """Since when it is being taken back."""


@dataclass(frozen=True, slots=True)
class View:
    """What the store last heard of a unit. ``seen_at``: seconds since 1970, None for never. ``layer``: version of
    what it has; ``rejected``: of the newest offer it did not consider."""

    seen_at: float | None = None
    version: int = 0
    layer: int = 0
    digest: str | None = None
    state: str = "none"
    probation: bool = False
    rejected: int | None = None
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Send:
    """Publish ``toml`` as ``version`` for the unit."""

    unit_id: str
    version: int
    toml: str


def order(rollout_id: str, units: Iterable[str]) -> tuple[str, ...]:
    """Each roll-out begins with others, the same roll-out always with the same."""
    return tuple(sorted(set(units), key=lambda unit_id: hashlib.sha256(f"{rollout_id}/{unit_id}".encode()).digest()))


def begin(plan: Plan, versions: Mapping[str, int], before: Mapping[str, str | None]) -> Rollout:
    """``versions``: what each unit is sent it as; the one behind it is kept for taking it back. ``before``: the text of
    each unit's pushed layer as it is now, None where it is not known."""
    members = tuple(
        Member(
            unit_id=unit_id,
            version=versions[unit_id],
            back_version=versions[unit_id] + 1,
            before=before.get(unit_id),
        )
        for unit_id in plan.units
    )
    return Rollout(plan=plan, members=members)


def quota(plan: Plan, stage: int) -> int:
    """So many units belong to the stages up to this one."""
    return math.ceil(len(plan.units) * plan.percent[stage] / 100)


def abort(rollout: Rollout, why: Ended, *, take_back: bool, back_versions: Mapping[str, int] | None = None) -> Rollout:
    """By the admin, or by :func:`step` for a criterion. A roll-out that is over can still be taken back, with
    ``back_versions`` above everything each unit was sent since."""
    known = back_versions or {}
    members = tuple(
        member.model_copy(
            update={
                "back_version": member.back_version  # it was sent: whoever asks what is out is told this one
                if member.state in ("taking-back", "taken-back")
                else known.get(member.unit_id, member.back_version),
                "overdue": False,
            }
            | ({"state": "applied"} if member.state == "not-taken-back" else {})  # tried again, as one that has it
        )
        for member in rollout.members
    )
    plan = rollout.plan.model_copy(update={"take_back": take_back})
    changes = {"phase": "aborting", "why": why, "plan": plan, "members": members, "back_at": None}
    return rollout.model_copy(update=changes)


def step(
    rollout: Rollout, views: Mapping[str, View], now: float, newest: Mapping[str, int] = _NOTHING_NEWER
) -> tuple[Rollout, tuple[Send, ...]]:
    """Once in a while, until the phase is ``done`` or ``aborted``. The result is to be written down before what it sends is
    sent. Of a roll-out that is over it tells what has become of those without a result, and nothing is sent any more:
    it might overwrite what a later one has sent. ``newest``: by unit, the newest version other roll-outs have sent it;
    nothing older than that is sent to it."""
    if rollout.phase in ("done", "aborted"):
        return _looked_again(rollout, views, now), ()
    members = []
    for member in rollout.members:
        seen = views.get(member.unit_id, View())
        heard = _heard(member, rollout.plan, seen, now)
        members.append(_passed_over(heard, seen, newest.get(member.unit_id, 0), rollout.phase))
    rollout = rollout.model_copy(update={"members": tuple(members)})
    if rollout.phase == "running":
        why = _criterion(rollout)
        if why:
            rollout = abort(rollout, why, take_back=rollout.plan.take_back)
            over = (
                _passed_over(each, views.get(each.unit_id, View()), newest.get(each.unit_id, 0), "aborting")
                for each in rollout.members
            )
            rollout = rollout.model_copy(update={"members": tuple(over)})
        else:
            rollout = _advanced(rollout, now, newest)
    if rollout.phase == "aborting":
        return _taken_back(rollout, views, now)
    return _sent(rollout, views, now)


def counts(rollout: Rollout) -> dict[str, int]:
    """Units by state; ``faulty`` of them have new faults, ``overdue`` ones are waited for no longer."""
    found: dict[str, int] = {}
    for member in rollout.members:
        found[member.state] = found.get(member.state, 0) + 1
    faulty = sum(bool(member.new_faults) for member in rollout.members)
    late = sum(member.overdue for member in rollout.members)
    return found | ({"faulty": faulty} if faulty else {}) | ({"overdue": late} if late else {})


def passed_over(rollout: Rollout) -> tuple[str, ...]:
    """Units this one is over for: a newer order is out, or they have it already."""
    return tuple(member.unit_id for member in rollout.members if member.state == "superseded")


def not_taken_back(rollout: Rollout) -> tuple[str, ...]:
    """Units that refused what they had before, or rolled it back: somebody has to look at them."""
    return tuple(member.unit_id for member in rollout.members if member.state == "not-taken-back")


def sent_version(member: Member) -> int | None:
    """The newest version of this roll-out that went out to the unit, None for none."""
    if member.state in ("taking-back", "taken-back", "not-taken-back"):
        return member.back_version
    return None if member.sent_at is None else member.version


def without_result(rollout: Rollout) -> tuple[str, ...]:
    """Units that nobody waits for any more, and that have not said what became of it: silent or overdue."""
    return tuple(member.unit_id for member in rollout.members if _open(member))


# --- one unit --------------------------------------------------------------------------------------------------------


def _heard(member: Member, plan: Plan, view: View, now: float) -> Member:
    if member.state in ("waiting", "taken-back", "not-taken-back"):
        return member
    if member.state == "taking-back":
        back = _back(member, view)
        return member if back == member.state else member.model_copy(update={"state": back, "overdue": False})
    changes: dict[str, Any] = {"probation": view.probation}
    state = _state(plan, member.version, view)
    if member.state == "superseded" and state is None:
        return member
    quiet_since = max(member.sent_at or 0.0, view.seen_at or 0.0) if state is not None else member.sent_at or 0.0
    quiet = now - quiet_since >= plan.silent_s and not member.overdue  # nobody waits for a word of those any more
    if quiet and state not in ("refused", "rolled-back", "superseded"):
        changes["state"] = "silent"
    elif state is not None:
        changes["state"] = state
        if state == "applied" and member.applied_at is None:
            changes["applied_at"] = now
    if changes.get("state", member.state) not in _WITHOUT_RESULT:
        changes["overdue"] = False
    if state == "applied":
        changes["new_faults"] = tuple(code for code in view.faults if code not in member.faults)
    return member.model_copy(update=changes)


def _state(plan: Plan, version: int, view: View) -> MemberState | None:
    """What the unit says of this roll-out, None for nothing."""
    if view.version > version:
        return "applied" if view.layer == version else "superseded"  # a later one may have been refused
    if view.version == version and view.digest == plan.digest:
        known: dict[str, MemberState] = {
            "pending": "pending",
            "applied": "applied",
            "refused": "refused",
            "rolled-back": "rolled-back",
        }
        return known.get(view.state)
    return "refused" if view.rejected == version or view.version == version else None


def _back(member: Member, view: View) -> MemberState:
    """Of one that is being taken back. That it heard of the version is not enough: it may refuse it or roll it back, and
    what was to be taken away stays in force. Until its own probation is over it may still do the latter."""
    if view.version < member.back_version:
        return "not-taken-back" if view.rejected == member.back_version else "taking-back"
    has_it = view.layer >= member.back_version
    if view.state == "pending" or (has_it and view.probation):
        return "taking-back"
    if has_it:
        return "taken-back"
    another = view.version > member.back_version and view.layer != member.version
    return "superseded" if another else "not-taken-back"


def _passed_over(member: Member, view: View, newest: int, phase: Phase) -> Member:
    """A newer order is out, and the unit has not said a word of it: there is nothing to send, and nothing to take back.
    One that has not been its turn yet is looked at when it is (:func:`_advanced`)."""
    if phase == "running":
        over = member.state in ("sent", "silent") and newest > member.version
    elif member.state == "taking-back":
        over = newest > member.back_version
    else:
        # What it has heard of and refused is in nobody's way, unless what is to be sent would be older than that.
        known = max(member.version, min(view.version, member.back_version - 1))
        over = member.state in ("sent", "pending", "applied", "silent") and newest > known
    return member.model_copy(update={"state": "superseded", "overdue": False}) if over else member


# --- the whole -------------------------------------------------------------------------------------------------------


def _criterion(rollout: Rollout) -> Ended | None:
    limits = rollout.plan.abort_if
    asked = [member for member in rollout.members if member.sent_at is not None]
    for code, zh, limit, bad in (
        ("refused", "拒绝", limits.refused, sum(member.state == "refused" for member in asked)),
        ("rolled-back", "撤回", limits.rolled_back, sum(member.state == "rolled-back" for member in asked)),
        ("silent", "无应答", limits.silent, sum(member.state == "silent" for member in asked)),
        ("faulty", "出现新故障", limits.faulty, sum(bool(member.new_faults) for member in asked)),
    ):
        if bad > limit * len(asked):
            return Ended(
                code=code,
                zh=f"{len(asked)} 台中 {bad} 台{zh}，超过 {limit:.0%}",
                en=f"{bad} of {len(asked)} units {code}, more than {limit:.0%}",
            )
    return None


def _looked_again(rollout: Rollout, views: Mapping[str, View], now: float) -> Rollout:
    """Those that came late may have broken a limit: that is said, and taking it back is for the admin to decide."""
    members = tuple(
        _heard(member, rollout.plan, views.get(member.unit_id, View()), now) if _open(member) else member
        for member in rollout.members
    )
    after = rollout.model_copy(update={"members": members})
    return after if after.why is not None else after.model_copy(update={"why": _criterion(after)})


def _open(member: Member) -> bool:
    return member.overdue or member.state == "silent"


def _advanced(rollout: Rollout, now: float, newest: Mapping[str, int]) -> Rollout:
    plan, stage = rollout.plan, rollout.stage
    members = [member.model_copy(update={"overdue": _overdue(member, plan, now)}) for member in rollout.members]
    while True:
        turn = quota(plan, stage)
        for index, member in enumerate(members[:turn]):
            if member.state == "waiting" and newest.get(member.unit_id, 0) > member.version:
                members[index] = member.model_copy(update={"state": "superseded"})
        done = all(_settled(member, plan, now) for member in members[:turn])
        if not done or stage + 1 == len(plan.percent):
            break
        stage += 1
    changes = {"members": tuple(members), "stage": stage, "phase": "done" if done else "running"}
    return rollout.model_copy(update=changes)


def _settled(member: Member, plan: Plan, now: float) -> bool:
    """Nothing more is waited for: it said no (and the criteria allow that), has been well for the soak time, or is
    overdue."""
    if member.state == "applied":
        return not member.probation and member.applied_at is not None and now - member.applied_at >= plan.soak_s
    return member.overdue or member.state in ("refused", "rolled-back", "silent", "superseded")


def _overdue(member: Member, plan: Plan, now: float) -> bool:
    sent_at = member.sent_at
    return member.state in _WITHOUT_RESULT and sent_at is not None and now - sent_at >= plan.result_s


def _sent(rollout: Rollout, views: Mapping[str, View], now: float) -> tuple[Rollout, tuple[Send, ...]]:
    plan = rollout.plan
    members, sends = list(rollout.members), list[Send]()
    for index in range(quota(plan, rollout.stage) if rollout.phase == "running" else 0):
        member = members[index]
        first = member.state == "waiting"
        again = member.state in ("sent", "silent") and _due(member, now)
        if first:
            faults = views.get(member.unit_id, View()).faults
            member = member.model_copy(update={"state": "sent", "sent_at": now, "faults": faults})
        if first or again:
            members[index] = member.model_copy(update={"resent_at": now})
            sends.append(Send(member.unit_id, member.version, plan.toml))
    return rollout.model_copy(update={"members": tuple(members)}), tuple(sends)


def _due(member: Member, now: float) -> bool:
    return member.resent_at is None or now - member.resent_at >= SEND_AGAIN_S


def _taken_back(rollout: Rollout, views: Mapping[str, View], now: float) -> tuple[Rollout, tuple[Send, ...]]:
    plan = rollout.plan
    back_at = now if rollout.back_at is None else rollout.back_at
    late = now - back_at >= plan.result_s
    members, sends = list[Member](), list[Send]()
    for member in rollout.members:
        before = member.before
        begins = plan.take_back and member.state in ("sent", "pending", "applied", "silent")
        # One that has heard of it keeps the order; sent again it might lie over a newer one.
        unheard = views.get(member.unit_id, View()).version < member.back_version
        again = member.state == "taking-back" and unheard and _due(member, now)
        if before is not None and (begins or again):
            member = member.model_copy(update={"state": "taking-back", "resent_at": now})
            sends.append(Send(member.unit_id, member.back_version, before))
        if late and member.state == "taking-back":
            member = member.model_copy(update={"overdue": True})
        members.append(member)
    over = all(member.state != "taking-back" or member.overdue for member in members)
    changes = {"members": tuple(members), "phase": "aborted" if over else "aborting", "back_at": back_at}
    return rollout.model_copy(update=changes), tuple(sends)


def unknown_before(members: Sequence[Member]) -> tuple[str, ...]:
    """Units that cannot be taken back: nobody here knows what they had."""
    return tuple(member.unit_id for member in members if member.before is None)

"""What becomes of configurations pushed from afar: taken in, in force, on probation, refused, taken back. Pure.

One :class:`PushedState` says everything; each function is one step and returns the next state. It is written down as one
file in one step (``recorder.unit.pushed_store``), so a power cut at any instant leaves the state before the step or the one
behind it, and a start finishes what the state says. The vocabulary is that of device shadows: *desired* is what the agency
wants, *reported* what the unit says of it, the version only grows.

    accepted ── in force ── proven          ``wanted`` is what lies in pushed.toml, ``good`` what proved itself last.
        │           │                       While they differ, ``wanted`` is on probation.
        └── failed ─┴──▶ rolled back to ``good``
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field

from recorder.evidence.base import Count, Digest, Model
from recorder.evidence.config_order import MAX_LEAP, MAX_VERSION, ConfigOrder

MAX_ERRORS: Final = 20
"""Reported at most; a file in the wrong encoding makes hundreds."""

Outcome: TypeAlias = Literal["none", "pending", "applied", "refused", "rolled-back"]


class Push(Model):
    """``digest``: SHA-256 of the text ``toml`` in UTF-8."""

    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    jti: str
    digest: Digest
    toml: str


class ConfigError(Model):
    """One thing wrong with a pushed configuration. ``pointer``: RFC 6901, empty for the file as a whole; ``line`` and
    ``column`` count from 1."""

    file: str
    line: int | None
    column: int | None
    key: str
    pointer: str
    zh: str
    en: str


class Why(Model):
    """``code`` is stable, the texts are for people."""

    code: str
    zh: str
    en: str


class Rejected(Model):
    """The newest offer that was not even considered: it changed nothing of what is in force. ``version`` null: of one whose
    signature did not verify."""

    version: int | None
    code: str
    zh: str
    en: str


class PushedState(Model):
    """``highest``: largest version ever considered. ``last``: the newest one considered, ``outcome`` what became of it,
    ``errors`` why it was refused, ``why`` why it was taken back; ``unrecorded``: the version taken back, until the journal
    says so too. ``expected``: cameras that delivered when ``wanted`` was
    accepted. ``starts``: of the unit process while ``wanted`` was on probation, less those that ended in order."""

    ver: Literal[1] = 1
    highest: Count = 0
    last: Push | None = None
    outcome: Outcome = "none"
    errors: tuple[ConfigError, ...] = ()
    why: Why | None = None
    rejected: Rejected | None = None
    wanted: Push | None = None
    good: Push | None = None
    expected: tuple[str, ...] = ()
    starts: Count = 0
    unrecorded: Push | None = None

    @property
    def on_probation(self) -> bool:
        return version_of(self.wanted) != version_of(self.good)

    def but(self, **changes: Any) -> PushedState:
        return self.model_copy(update=changes)


def version_of(push: Push | None) -> int:
    """0 for none: what stands in the unit's own files."""
    return 0 if push is None else push.version


def repeats(state: PushedState, push: Push) -> bool:
    """The same one again: retained messages come with every connection. It gets the same answer and does nothing."""
    return state.last is not None and (push.version, push.digest) == (state.last.version, state.last.digest)


def not_considered(state: PushedState, push: Push, known: ConfigOrder | None = None) -> Rejected | None:
    """Why an offer that is no repeat is not looked at, None when it is. ``known``: the newest the journal knows of, which
    holds when the state was lost; that very one may come again, for what became of it may be lost, too."""
    if state.last is not None and push.version == state.last.version:
        return Rejected(
            version=push.version,
            code="desired-version-reused",
            zh=f"版本 {push.version} 已用于另一份配置",
            en=f"version {push.version} was another configuration already",
        )
    highest = state.highest
    if known is not None and (push.version, push.digest) != (known.version, known.digest):
        highest = max(highest, known.version)
    if push.version <= highest:
        return Rejected(
            version=push.version,
            code="desired-replayed",
            zh=f"版本 {push.version} 不高于已处理的 {highest}",
            en=f"version {push.version} is not above {highest}, which was considered already",
        )
    newest = max(state.highest, 0 if known is None else known.version)
    if push.version > newest + MAX_LEAP:
        return Rejected(
            version=push.version,
            code="desired-leap",
            zh=f"版本 {push.version} 比已处理的 {newest} 高出 {MAX_LEAP} 以上",
            en=f"version {push.version} is more than {MAX_LEAP} above {newest}, the newest considered",
        )
    return None


def rejected(state: PushedState, why: Rejected) -> PushedState:
    return state.but(rejected=why)


def refused(state: PushedState, push: Push, errors: tuple[ConfigError, ...]) -> PushedState:
    """Considered and in error: what is in force, or on probation, stays so."""
    return state.but(
        highest=push.version, last=push, outcome="refused", errors=errors[:MAX_ERRORS], why=None, rejected=None
    )


def accepted(state: PushedState, push: Push, expected: tuple[str, ...]) -> PushedState:
    """From here on it is what pushed.toml is to hold. ``good`` stays: one that was still on probation proved nothing."""
    return state.but(
        highest=push.version,
        last=push,
        outcome="pending",
        errors=(),
        why=None,
        rejected=None,
        wanted=push,
        expected=expected,
        starts=0,
    )


def in_force(state: PushedState) -> PushedState:
    """All of ``wanted`` has taken effect."""
    ours = version_of(state.last) == version_of(state.wanted) and state.outcome == "pending"
    return state.but(outcome="applied") if ours else state


def proven(state: PushedState) -> PushedState:
    """The unit stayed healthy with it: from here on it is what others are rolled back to."""
    return in_force(state).but(good=state.wanted, starts=0, expected=())


def failed(state: PushedState, why: Why) -> PushedState:
    """Back to what proved itself. Nothing to do when nothing is on probation."""
    if not state.on_probation:
        return state
    back = state.but(wanted=state.good, expected=(), starts=0, unrecorded=state.wanted, why=why)
    # Where a newer one was refused meanwhile, that stays the answer to it.
    return back.but(outcome="rolled-back") if version_of(state.last) == version_of(state.wanted) else back


def recorded(state: PushedState) -> PushedState:
    """The journal says what was taken back."""
    return state.but(unrecorded=None)


def process_started(state: PushedState, most: int) -> PushedState:
    """The unit process starts. More than ``most`` starts that did not end in order while something is on probation: a unit
    that does not stay up with it, however that came about."""
    if not state.on_probation:
        return state
    if state.starts >= most:
        return failed(
            state,
            Why(
                code="restarts",
                zh=f"考察期内程序异常重新启动 {state.starts} 次",
                en=f"the program started anew {state.starts} times within the probation",
            ),
        )
    return state.but(starts=state.starts + 1)


def process_ended(state: PushedState) -> PushedState:
    """In order: that start counts no more."""
    return state.but(starts=max(0, state.starts - 1))


def report(
    state: PushedState,
    *,
    in_force: bool,
    waiting: tuple[str, ...],
    covered: tuple[str, ...],
    waits_for: Why | None,
    effective: str,
    groups: tuple[str, ...],
) -> dict[str, Any]:
    """Members of up/reported (docs/wire.md) besides its envelope. ``waiting``: settings accepted and not in force yet,
    ``covered``: pushed settings a higher layer has another value for, ``effective``: digest of what is in force."""
    last = state.last
    return {
        "version": version_of(last),
        "digest": None if last is None else last.digest,
        "state": state.outcome,
        "probation": state.on_probation,
        "errors": [error.model_dump() for error in state.errors],
        "why": None if (why := state.why or waits_for) is None else why.model_dump(),
        "rejected": None if state.rejected is None else state.rejected.model_dump(),
        "layer": {
            "version": version_of(state.wanted),
            "digest": None if state.wanted is None else state.wanted.digest,
            "in_force": in_force,
        },
        "waiting": list(waiting),
        "covered": list(covered),
        "effective": effective,
        "groups": list(groups),
    }

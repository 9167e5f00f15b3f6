"""What has become of the update a server offered, from the offer to the last word to the server. Pure.

The process that faces the network carries; it decides neither who signed an update nor whether the unit is well with it:
that is the installer's (:mod:`recorder.update.installation`). The state is one document, replaced in one step; what is to
be done follows from it alone, so a power cut at any instant repeats the step that was under way and nothing else.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from recorder.update.gates import SPACE, Gate
from recorder.update.manifest import Manifest, Refused

Phase = Literal["idle", "downloading", "waiting", "installing"]
Execution = Literal["proceeding", "scheduled", "resumed", "canceled", "rejected", "closed", "download", "downloaded"]
Finished = Literal["none", "success", "failure"]
Channel = Literal["deploymentBase", "cancelAction"]

MOST_REPORTS = 32


class Report(msgspec.Struct, frozen=True):
    """Feedback the server has not confirmed yet (DDI ``…/feedback``)."""

    channel: Channel
    action_id: str
    execution: Execution
    finished: Finished = "none"
    details: tuple[str, ...] = ()


class Carriage(msgspec.Struct, frozen=True):
    """``manifest``: the JWS, once it is here. ``gate``: the one told last. ``attempt``: how often it went to the
    installer. ``closed``: the action that is over and must not
    begin again, though the server may go on offering it until it has had its answer. ``reports``: oldest first."""

    phase: Phase = "idle"
    action_id: str = ""
    manifest: str = ""
    filename: str = ""
    size: int = 0
    sha256: str = ""
    version: str = ""
    gate: str = ""
    attempt: int = 0
    closed: str = ""
    reports: tuple[Report, ...] = ()

    @property
    def order_id(self) -> str:
        """What the installer knows it by: one that was put off comes again under another."""
        return f"{self.action_id}.{self.attempt}"


def offered(state: Carriage, action_id: str) -> Carriage:
    """The server has a deployment. A newer one takes the place of one that is not being installed yet: hawkBit supersedes
    actions, too."""
    if action_id in (state.action_id, state.closed) or state.phase == "installing":
        return state
    begun = msgspec.structs.replace(
        Carriage(), phase="downloading", action_id=action_id, closed=state.closed, reports=state.reports
    )
    return _told(begun, Report("deploymentBase", action_id, "proceeding", details=("收到升级 update received",)))


def manifest_read(state: Carriage, text: str, manifest: Manifest | Refused) -> Carriage:
    """The manifest is here. One that is refused closes the action: whatever else is in it is not downloaded."""
    if state.phase != "downloading":
        return state
    if isinstance(manifest, Refused):
        return failed(state, manifest)
    return msgspec.structs.replace(
        state,
        manifest=text,
        filename=manifest.filename,
        size=manifest.size,
        sha256=manifest.sha256,
        version=manifest.version,
    )


def no_room(state: Carriage) -> Carriage:
    """Not downloaded now: the card is evidence's. Told once."""
    if state.phase != "downloading" or state.gate == SPACE.code:
        return state
    waiting = msgspec.structs.replace(state, gate=SPACE.code)
    return _told(
        waiting, Report("deploymentBase", state.action_id, "scheduled", details=(f"等待 {SPACE.zh} {SPACE.en}",))
    )


def downloaded(state: Carriage) -> Carriage:
    """The artefact is here, whole and with the digest its manifest says."""
    if state.phase != "downloading" or not state.manifest:
        return state
    waiting = msgspec.structs.replace(state, phase="waiting", gate="")
    return _told(waiting, Report("deploymentBase", state.action_id, "downloaded", details=(_named(state),)))


def gates(state: Carriage, closed: tuple[Gate, ...]) -> Carriage:
    """``closed``: what keeps it from being installed now; empty: it goes to the installer, and from there on cannot be
    called back. A reason is told once, not at every look."""
    if state.phase != "waiting":
        return state
    if closed:
        first = closed[0]
        if state.gate == first.code:
            return state
        waiting = msgspec.structs.replace(state, gate=first.code)
        return _told(
            waiting, Report("deploymentBase", state.action_id, "scheduled", details=(f"等待 {first.zh} {first.en}",))
        )
    going = msgspec.structs.replace(state, phase="installing", attempt=state.attempt + 1)
    if state.attempt:  # told before: a server counts what it is told of one action, and takes only so much
        return going
    return _told(
        going, Report("deploymentBase", state.action_id, "proceeding", details=(f"安装 install {_named(state)}",))
    )


def put_off(state: Carriage, gate: Gate) -> Carriage:
    """The installer found a gate closed that was open a moment ago: it has done nothing."""
    if state.phase != "installing":
        return state
    return gates(msgspec.structs.replace(state, phase="waiting"), (gate,))


def failed(state: Carriage, why: Refused) -> Carriage:
    """It is over, without success."""
    return _closed(state, "failure", (f"{why.code}: {why.zh} {why.en}"[:500],))


def installed(state: Carriage) -> Carriage:
    """The installer has committed it."""
    return _closed(state, "success", (f"已升级 updated to {_named(state)}",))


def cancelled(state: Carriage, action_id: str, cancel_id: str) -> Carriage:
    """The server calls ``action_id`` back. Refused while it is being installed, and confirmed in every other case: also for
    one never begun or long over, which is nothing to go on with."""
    if any(report.channel == "cancelAction" and report.action_id == cancel_id for report in state.reports):
        return state
    if state.action_id == action_id and state.phase == "installing":
        details = ("正在安装，不能取消 being installed, cannot be cancelled",)
        return _told(state, Report("cancelAction", cancel_id, "rejected", details=details))
    if state.action_id == action_id and state.phase != "idle":
        state = Carriage(closed=action_id, reports=state.reports)
    return _told(state, Report("cancelAction", cancel_id, "closed", "success", ("已取消 cancelled",)))


def confirmed(state: Carriage, report: Report) -> Carriage:
    """The server has had ``report`` (or will never want it)."""
    return msgspec.structs.replace(state, reports=tuple(each for each in state.reports if each != report))


def resumed(state: Carriage) -> Carriage:
    """The process starts; said where something was under way."""
    if state.phase == "idle":
        return state
    return _told(state, Report("deploymentBase", state.action_id, "resumed", details=(f"继续 goes on: {state.phase}",)))


def _closed(state: Carriage, finished: Finished, details: tuple[str, ...]) -> Carriage:
    if state.phase == "idle":
        return state
    over = Carriage(closed=state.action_id, reports=state.reports)
    return _told(over, Report("deploymentBase", state.action_id, "closed", finished, details))


def _told(state: Carriage, report: Report) -> Carriage:
    """Where too many wait, what ends an action is kept and what only tells of progress goes first."""
    reports = [*(each for each in state.reports if each != report), report]
    while len(reports) > MOST_REPORTS:
        lesser = next((each for each in reports if each.execution not in ("closed", "rejected")), reports[0])
        reports.remove(lesser)
    return msgspec.structs.replace(state, reports=tuple(reports))


def _named(state: Carriage) -> str:
    return f"{state.version} sha256 {state.sha256}"

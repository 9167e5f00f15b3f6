"""An installation from the order to its end: committed or rolled back, each step journalled by the unit. Pure.

The installer's own state, which the process that faces the network can read and not write. :func:`due` says what to do;
its outcome goes back in by one of the functions below, and the state is on the disk before the next step. A power cut
repeats the step that was under way: every one of them may be done twice.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from recorder.update.gates import Gate
from recorder.update.manifest import Manifest, Refused
from recorder.update.probation import Before, Trial, Verdict

Phase = Literal["idle", "prepared", "installing", "restarting", "probation", "committing", "rolling-back", "done"]
Outcome = Literal["", "committed", "rolled-back", "refused", "put-off"]
Step = Literal["rest", "note", "install", "restart", "watch", "commit", "roll-back"]

MOST_TRIES = 3


class Note(msgspec.Struct, frozen=True):
    """What the unit is to journal: an ``event``."""

    event: Literal["update-started", "update-installed", "update-rolled-back", "update-refused"]
    version_from: str
    version_to: str
    sha256: str
    code: str = ""
    reason: str = ""


def note_of(
    event: Literal["update-started", "update-installed", "update-rolled-back", "update-refused"],
    version_from: str,
    version_to: str,
    sha256: str,
    why: Refused | Gate | None = None,
) -> Note:
    """What a program last said may have lines; the journal's reason is one of 300 characters, and a note it does not take
    would stand in the way of every later one."""
    if why is None:
        return Note(event, version_from, version_to, sha256)
    told = "".join(each if each.isprintable() else " " for each in f"{why.zh} {why.en}")
    return Note(event, version_from, version_to, sha256, why.code, told[:300])


class Installation(msgspec.Struct, frozen=True):
    """``notes``: not in the journal yet, oldest first. ``why``: of a refusal or a return, three texts: code, zh, en."""

    phase: Phase = "idle"
    order_id: str = ""
    version: str = ""
    sha256: str = ""
    kind: str = ""
    filename: str = ""
    before: Before = Before(version="")
    trial: Trial = Trial()
    tries: int = 0
    outcome: Outcome = ""
    why: tuple[str, str, str] | None = None
    notes: tuple[Note, ...] = ()


def due(state: Installation) -> Step:
    """The next step. Nothing is installed before the journal says that it will be (an update must not hide evidence); what
    a broken new version cannot be told waits until the old one is back."""
    if state.notes and state.phase in ("prepared", "idle", "done"):
        return "note"
    steps: dict[Phase, Step] = {
        "prepared": "install",
        "installing": "install",
        "restarting": "restart",
        "probation": "watch",
        "committing": "commit",
        "rolling-back": "roll-back",
    }
    return steps.get(state.phase, "rest")


def ordered(state: Installation, order_id: str, manifest: Manifest, before: Before) -> Installation:
    """Verified, gates open, artefact in the installer's own folder."""
    if state.phase not in ("idle", "done"):
        return state
    note = note_of("update-started", before.version, manifest.version, manifest.sha256)
    return Installation(
        phase="prepared",
        order_id=order_id,
        version=manifest.version,
        sha256=manifest.sha256,
        kind=manifest.kind,
        filename=manifest.filename,
        before=before,
        notes=(*state.notes, note),
    )


def refused(
    state: Installation, order_id: str, why: Refused, before: Before, version: str, sha256: str
) -> Installation:
    """The order was not believed; nothing is changed on the unit. The journal hears of it."""
    if state.phase not in ("idle", "done") or (state.phase == "done" and state.order_id == order_id):
        return state
    note = note_of("update-refused", before.version, version, sha256, why)
    return Installation(
        phase="done",
        order_id=order_id,
        version=version,
        sha256=sha256,
        before=before,
        outcome="refused",
        why=(why.code, why.zh, why.en),
        notes=(*state.notes, note),
    )


def not_begun(state: Installation, order_id: str, gate: Gate) -> Installation:
    """Verified, but a gate is closed: nothing has been copied, and the journal has nothing to say."""
    if state.phase not in ("idle", "done"):
        return state
    return Installation(
        phase="done", order_id=order_id, outcome="put-off", why=(gate.code, gate.zh, gate.en), notes=state.notes
    )


def put_off(state: Installation, gate: Gate) -> Installation:
    """A gate closed after the order: nothing has been changed, and the order may come again."""
    if state.phase != "prepared":
        return state
    start = Note("update-started", state.before.version, state.version, state.sha256)
    notes = tuple(each for each in state.notes if each != start)
    if start not in state.notes:  # the journal has it already, and shall not say that it went on
        notes += (note_of("update-refused", state.before.version, state.version, state.sha256, gate),)
    return msgspec.structs.replace(
        state, phase="done", outcome="put-off", why=(gate.code, gate.zh, gate.en), notes=notes
    )


def noted(state: Installation, note: Note) -> Installation:
    """The journal has it."""
    return msgspec.structs.replace(state, notes=tuple(each for each in state.notes if each != note))


def begun(state: Installation) -> Installation:
    """Before each attempt."""
    return msgspec.structs.replace(state, phase="installing", tries=state.tries + 1)


def put_in(state: Installation, boot_id: str) -> Installation:
    """The installer's program has ended well in this boot; the version has yet to be started."""
    return msgspec.structs.replace(state, phase="restarting", trial=Trial(boot_id=boot_id))


def restarted(state: Installation) -> Installation:
    """Whether the unit is well with it is seen from now on."""
    return msgspec.structs.replace(state, phase="probation", trial=Trial())


def went_wrong(state: Installation, why: Refused) -> Installation:
    """The installer's program failed, or broke off: again, and then back."""
    if state.phase == "installing" and state.tries < MOST_TRIES:
        return state
    return _back(state, why)


def watched(state: Installation, trial: Trial, verdict: Verdict) -> Installation:
    if state.phase != "probation":
        return state
    state = msgspec.structs.replace(state, trial=trial)
    if verdict == "well":
        return msgspec.structs.replace(state, phase="committing")
    return _back(state, verdict) if isinstance(verdict, Refused) else state


def committed(state: Installation) -> Installation:
    note = Note("update-installed", state.before.version, state.version, state.sha256)
    return msgspec.structs.replace(state, phase="done", outcome="committed", notes=(*state.notes, note))


def rolled_back(state: Installation) -> Installation:
    why = Refused(*state.why) if state.why is not None else None
    note = note_of("update-rolled-back", state.version, state.before.version, state.sha256, why)
    return msgspec.structs.replace(state, phase="done", outcome="rolled-back", notes=(*state.notes, note))


def _back(state: Installation, why: Refused) -> Installation:
    return msgspec.structs.replace(state, phase="rolling-back", why=(why.code, why.zh, why.en))

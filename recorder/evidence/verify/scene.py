"""What the journal says of a session beside its media: officers, matter, mode, marks, the reason it ended with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import ValidationError

from recorder.evidence import records as r
from recorder.evidence.state import CONTEXT_EVENT
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings
from recorder.session.context import lowers
from recorder.session.staffing import warning

SEALED = ("item", "entrusting_agency", "documents")
Opener = Callable[[Link, str, r.SealedField | None], object | None]
"""``(record, field's name, field)``: its value, None when it stays closed."""


@dataclass(slots=True)
class Scene:
    """``sealed``: which of ``SEALED`` were given; ``opened``: those an identity opened. ``officers_…``: signed in while it
    ran. ``stages`` in the order in which they were named."""

    session_id: str
    officers_least: int
    officers_most: int
    mode: str | None = None
    kind: str | None = None
    stages: list[str] = field(default_factory=list)
    sealed: set[str] = field(default_factory=set)
    opened: dict[str, str] = field(default_factory=dict)
    marked: set[str] = field(default_factory=set)
    stated: r.StopReason | None = None
    stated_text: str | None = None


class SceneBook:
    """Feed the records of a journal in order."""

    def __init__(self, findings: Findings, opener: Opener) -> None:
        self.scenes: dict[str, Scene] = {}
        self._findings = findings
        self._open = opener
        self._running: Scene | None = None

    def feed(self, link: Link, record: r.Record) -> None:
        """Any record; most say nothing of a scene."""
        match record:
            case r.SessionStart():
                scene = Scene(record.session_id, record.officers, record.officers, record.mode)
                self.scenes[record.session_id] = self._running = scene
                self._matter(link, scene, record.matter)
            case r.OfficerSignIn() | r.OfficerSignOut():
                self._count(record.count)
            case r.ShiftStart() | r.ShiftEnd():
                self._count(0)
            case r.Mark() if record.session_id in self.scenes:
                self.scenes[record.session_id].marked.add(record.kind)
            case r.Event() if record.event == CONTEXT_EVENT:
                self._context(link, record)
            case r.SessionStop() if record.session_id in self.scenes:
                self._stop(link, self.scenes[record.session_id], record)
            case _:
                pass

    def _count(self, officers: int) -> None:
        if self._running is not None:
            self._running.officers_least = min(self._running.officers_least, officers)
            self._running.officers_most = max(self._running.officers_most, officers)

    def _context(self, link: Link, record: r.Event) -> None:
        detail = record.detail
        scene = self.scenes.get(str(detail.get("session_id")))
        try:
            said = r.SessionContext.model_validate(detail)
        except ValidationError as error:
            reason = str(error.errors()[0]["msg"])
            self._findings.add(
                "journal-record-invalid", f"record {link.seq}", seq=link.seq, typ=CONTEXT_EVENT, reason=reason
            )
            return
        if scene is None:
            return  # of the next session: its ``session-start`` says it again
        if scene.mode == "全程" and lowers("全程", said.mode):
            self._findings.add("mode-lowered", f"session {scene.session_id}", seq=link.seq, session=scene.session_id)
        scene.mode = said.mode
        self._matter(link, scene, said.matter)

    def _matter(self, link: Link, scene: Scene, matter: r.Matter | None) -> None:
        if matter is None:
            return
        scene.kind = matter.kind or scene.kind
        if matter.stage is not None and matter.stage not in scene.stages[-1:]:
            scene.stages.append(matter.stage)
        for name in SEALED:
            sealed = getattr(matter, name)
            if sealed is not None:
                scene.sealed.add(name)
                value = self._open(link, name, sealed)
                if value is not None:
                    scene.opened[name] = "；".join(map(str, value)) if isinstance(value, list) else str(value)

    def _stop(self, link: Link, scene: Scene, record: r.SessionStop) -> None:
        self._running = None
        scene.stated = record.stated
        subject = f"session {scene.session_id}"
        if record.stated is not None and record.stated.text is not None:
            text = self._open(link, "stated", record.stated.text)
            scene.stated_text = None if text is None else str(text)
        elif record.stated is None and scene.mode == "全程" and record.reason not in ("shutdown", "abandoned"):
            self._findings.add("stop-without-reason", subject, seq=link.seq, session=scene.session_id)
        short = warning(scene.officers_most)
        if short is not None:
            self._findings.add(short, subject, session=scene.session_id)

"""What the running session is about, and what was said beforehand of the next one. Pure; the session machine's keeper.

What is said while nothing runs is for one session only: a case carried over by forgetfulness would stand in the wrong
recording. A restart finds it in the journal (``Previous``).
"""

from __future__ import annotations

from recorder.evidence.matter import Matter, Mode, SessionContext
from recorder.evidence.records import Event
from recorder.evidence.state import CONTEXT_EVENT
from recorder.session import events as ev
from recorder.session.context import lowers, merged
from recorder.session.effects import Effect, Refused, WriteRecord
from recorder.session.session_state import Session

NEEDS_REASON = Refused(
    "stop-needs-reason",
    "本次执法应当全程记录，停止记录请说明原因",
    "this recording is of the whole procedure (art. 20): it stops with a reason only",
)
MODE_LOWERED = Refused(
    "mode-lowered",
    "全程记录不得在记录中改为一般记录",
    "a recording of the whole procedure cannot be made an ordinary one while it runs",
)

STOPPING_ALREADY = Refused(
    "stopping-already",
    "正在停止记录，不能再改记录方式",
    "this recording is being stopped: how it is made cannot be changed any more",
)


class Agenda:
    def __init__(self, default_mode: Mode) -> None:
        self.default_mode = default_mode
        self._mode: Mode | None = None
        self._matter: Matter | None = None

    def resume(self, previous: ev.Previous) -> None:
        self._mode, self._matter = previous.next_mode, previous.next_matter

    def mode(self, session: Session | None) -> Mode:
        """Of the session that runs, or else of the next one."""
        return (self._mode if session is None else session.mode) or self.default_mode

    def matter(self, session: Session | None) -> Matter | None:
        """Of the session that runs, or else of the next one."""
        return self._matter if session is None else session.matter

    def take(self, start: ev.StartRequested) -> tuple[Mode, Matter | None]:
        """For the session that begins now; what was said beforehand is spent."""
        taken = start.mode or self.mode(None), merged(self._matter, start.matter)
        self._mode = self._matter = None
        return taken

    def given(self, event: ev.ContextGiven, session: Session | None, now_us: int) -> list[Effect]:
        """Take it over and have it recorded, whole and not as a change: a reader needs no more than the newest."""
        if session is not None and lowers(self.mode(session), event.mode):
            return [MODE_LOWERED]
        if session is not None and session.stop_reason is not None and event.mode not in (None, self.mode(session)):
            # It was stopped as what it was. Made a 全程 one now, it would end without the reason that needs.
            return [STOPPING_ALREADY]
        mode = event.mode or self.mode(session)
        matter = merged(self.matter(session), event.matter)
        if session is not None:
            session.mode, session.matter = mode, matter
        else:
            self._mode, self._matter = mode, matter
        said = SessionContext(session_id=None if session is None else session.session_id, mode=mode, matter=matter)
        return [WriteRecord(Event(event=CONTEXT_EVENT, at_us=now_us, detail=said.model_dump()))]

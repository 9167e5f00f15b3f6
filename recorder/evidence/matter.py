"""What a recording is about, as it stands in records: matter (执法类别, 执法事项), stage, mode, who entrusted the agency.

Kind, stage and mode name no person and no case and stand readable, so that a shift can be judged without the agency's
key. What names a case is sealed, each value by itself: the unit, which cannot open what it sealed, can then change one
and keep the others.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from recorder.evidence.base import Micros, Model, SealedField, Uuid

Mode = Literal["全程", "一般"]
"""Art. 20: ``全程`` where liberty, life and health or major property are at stake; ``一般`` elsewhere."""

Stage = Literal["启动", "调查取证", "审查决定", "送达执行"]
"""记录环节: the four stages of art. 2 ¶3, arts. 8-11."""

ActionKind = Literal["行政处罚", "行政许可", "行政强制", "行政检查", "行政征收征用"]
"""执法类别: the duties of art. 2 ¶2."""

StopChoice = Literal["执法结束", "执法中止", "移交其他设备记录", "涉及秘密或者隐私", "其他客观原因"]
"""Why a 全程 recording may end, in the order in which the mark button counts through them."""


class Matter(Model):
    """``item``: 执法事项; ``entrusting_agency``: art. 32; ``documents``: list of 文书名称、文号 (art. 19)."""

    kind: ActionKind | None = None
    stage: Stage | None = None
    item: SealedField | None = None
    entrusting_agency: SealedField | None = None
    documents: SealedField | None = None


class SessionContext(Model):
    """``detail`` of an ``event`` ``session-context``: from here on for the session, or for the next one."""

    session_id: Uuid | None
    mode: Mode
    matter: Matter | None


class StopReason(Model):
    """Why a recording in 全程 mode was ended. ``by`` ``speech``: the officer said why in the recording itself, at the spans
    ``spoken`` (``[from, to]``, CLOCK_BOOTTIME of the record's boot), after the unit had asked at ``asked_us``."""

    by: Literal["choice", "text", "speech"]
    choice: StopChoice | None = None
    text: SealedField | None = None
    asked_us: Micros | None = None
    spoken: Annotated[tuple[tuple[Micros, Micros], ...], Field(max_length=64)] = ()

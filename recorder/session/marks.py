"""Typed marks: 出示证件 (art. 9), the six points of art. 22 as a checklist, and what else is worth finding again. Pure.

The points are warned about, never enforced: whether a compulsory measure was taken, or a document served, is a fact of the
scene and not of the recorder. Which points are asked for at the stop is the agency's table (``[matter] checklist``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MarkKind:
    """``point``: its name in the prompt catalogue's ``choices.checklist``, empty where the prompts have none."""

    kind: str
    zh: str
    en: str
    article: str = ""
    point: str = ""


KEY: Final = "key"
CERTIFICATE: Final = "cert-shown"

_ALL: Final = (
    MarkKind(KEY, "重点", "of importance"),
    MarkKind(CERTIFICATE, "出示证件", "certificates shown", "9(1)"),
    MarkKind("art22-1", "现场执法环境以及检查、取证情况", "the scene, inspection, evidence taken", "22(1)", "scene"),
    MarkKind("art22-2", "现场有关人员的体貌特征和言行举止", "the persons present", "22(2)", "persons"),
    MarkKind("art22-3", "重要物品及其主要特征，以及其他证据", "objects and other evidence", "22(3)", "objects"),
    MarkKind("art22-4", "采取行政强制措施的情况", "compulsory measures", "22(4)", "measures"),
    MarkKind("art22-5", "现场制作、送达行政执法文书的情况", "documents made out, served", "22(5)", "documents"),
    MarkKind("art22-6", "根据实际应当记录的其他内容", "what else the case calls for", "22(6)", "other"),
    MarkKind("speech", "语音", "something said"),
    MarkKind("rights", "告知权利", "rights explained", "9(9)"),
    MarkKind("document", "文书", "a document", "19"),
    MarkKind("refused-to-sign", "拒绝签字", "refused to sign", "15"),
)
MARKS: Final = {mark.kind: mark for mark in _ALL}
CHECKLIST: Final = tuple(mark.kind for mark in _ALL if mark.kind == CERTIFICATE or mark.point)
"""What the report shows the coverage of, in this order."""


def covered(marked: Collection[str]) -> tuple[str, ...]:
    """The points of the checklist that were marked, in its order."""
    return tuple(kind for kind in CHECKLIST if kind in marked)


def missing(marked: Collection[str], asked: Collection[str]) -> tuple[str, ...]:
    """The points the agency asks for that were not marked, in the checklist's order."""
    return tuple(kind for kind in CHECKLIST if kind in asked and kind not in marked)

"""What a verification found, as values: per segment, per session, per shift, per vault, and over all vaults.

Shapes of ``to_json`` are stable for programs (``recorder verify --json``); texts are for people and may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from recorder.evidence.verify.catalogue import AXES, AXIS_NAMES, VALUE_NAMES, Axis
from recorder.evidence.verify.findings import Finding, worst

VERIFIER = "recorder verify 1"

Axes = dict[Axis, str]


def best(axes: Axes) -> bool:
    """All five axes are at their best."""
    return all(axes[axis] == values[0] for axis, values in AXES.items())


@dataclass(frozen=True, slots=True)
class TimeRange:
    """Wall-clock claims (seconds since 1970) and the bounds the store vouches for, None where there is none."""

    first: float
    last: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """One segment. ``state``: open closed recovered empty lost; ``file``: present released missing none.

    ``axes`` has no ``completeness``: whether time is lacking is a question about the shift, not about one file.
    ``opened``: with an identity, whether it decrypts to what was signed; None when not tried.
    """

    segment_id: str
    session_id: str
    camera_id: str
    role: str
    index: int
    state: str
    file: str
    time: TimeRange
    length_us: int
    size: int
    sha256: str | None
    entries: int
    frames: int | None
    opened: bool | None
    axes: Axes


@dataclass(frozen=True, slots=True)
class SceneReport:
    """What was said and done at the scene. ``matter``: the sealed values an identity opened, by field; ``sealed``: the
    fields that were given. ``covered``: points of arts. 9 and 22 that were marked. ``stated``: the reason it ended with,
    for people; ``stated_by`` choice, text, speech or None."""

    officers_least: int
    officers_most: int
    mode: str | None
    kind: str | None
    stages: tuple[str, ...]
    sealed: tuple[str, ...]
    matter: dict[str, str]
    covered: tuple[str, ...]
    stated_by: str | None
    stated: str | None


@dataclass(frozen=True, slots=True)
class SessionReport:
    session_id: str
    trigger: str
    cameras: tuple[str, ...]
    officers: int
    segments: int
    marks: int
    ended: str | None
    """Reason of its ``session-stop``; None while it goes on."""
    time: TimeRange
    proven: bool
    scene: SceneReport


@dataclass(frozen=True, slots=True)
class GapReport:
    gap_id: str
    session_id: str
    camera_id: str
    cause: str
    start: float
    length_us: int | None
    basis: str | None
    resumed: bool
    explained: bool
    """By a spoken explanation that counts, or in writing."""
    confirmed: str | None
    """``button speech choice``: the best of what was said or chosen; None: nothing."""
    counted: bool
    speech_us: int
    legal_cause: str | None
    stated: bool


@dataclass(frozen=True, slots=True)
class StretchReport:
    """A piece of a timeline: µs from the shift's beginning. ``ref``: segment or gap id."""

    kind: str
    start_us: int
    end_us: int
    ref: str


@dataclass(frozen=True, slots=True)
class LineReport:
    camera_id: str
    stretches: tuple[StretchReport, ...]
    totals_us: dict[str, int]


@dataclass(frozen=True, slots=True)
class ShiftReport:
    shift_id: str
    start: float
    end: float
    ended: bool
    length_us: int
    lines: tuple[LineReport, ...]


@dataclass(frozen=True, slots=True)
class KeyReport:
    kid: str
    subject: str | None
    fingerprint: str | None
    """SHA-256 of the certificate, hexadecimal, as ``openssl x509 -fingerprint -sha256`` shows it without colons."""
    not_before: float | None
    not_after: float | None
    first_seq: int
    last_seq: int
    status: str


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    receipt_id: str
    iat: float
    head_seq: int


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One sentence of the account. ``seq``: the record it is taken from; ``at``: the wall clock's claim, seconds."""

    seq: int
    at: float
    typ: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class StorageReport:
    """Art. 24 for one session, ended or longer than 12 hours (then by its worst segment). Times in seconds since 1970:
    ``completed`` and ``counted_from`` (completion, or the return from field mode) as the unit claims, ``stored_at`` by the
    store's clock (None until it has every segment), ``due`` None while a declared field mode suspends it. ``state``:
    in-time late owed overdue suspended; ``proven``: the receipts leave no other answer."""

    session_id: str
    completed: float
    counted_from: float
    due: float | None
    basis: str | None
    segments: int
    stored: int
    stored_at: float | None
    state: str
    proven: bool


@dataclass(frozen=True, slots=True)
class OfficerReport:
    at: float
    officer_ref: str
    name: str | None
    cert_no: str | None


@dataclass(frozen=True, slots=True)
class StatementReport:
    """A written statement (art. 23). ``accepted``: its signatures hold; None: they are sealed and no identity opens them.
    ``officers``: who signed, name and certificate number; empty when unknown. ``bound_by``: the admin of a scanned sheet.
    ``file``: present, missing or altered."""

    statement_id: str
    gap_id: str
    at: float
    legal_cause: str
    document_sha256: str
    method: str
    accepted: bool | None
    officers: tuple[tuple[str, str], ...]
    bound_by: tuple[str, str] | None
    file: str


@dataclass(frozen=True, slots=True)
class VaultReport:
    """``folder`` relative to the verified one; ``kind``: unit or store. Times in seconds since 1970, UTC."""

    folder: str
    kind: str
    unit_id: str
    journal_id: str
    hardware: str
    software: str
    records: int
    last_seq: int
    last_digest: str | None
    last_iat: float
    anchored_seq: int
    axes: Axes
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    finding_count: int
    segments: tuple[SegmentReport, ...]
    sessions: tuple[SessionReport, ...]
    gaps: tuple[GapReport, ...]
    shifts: tuple[ShiftReport, ...]
    keys: tuple[KeyReport, ...]
    receipts: tuple[ReceiptReport, ...]
    officers: tuple[OfficerReport, ...]
    storage: tuple[StorageReport, ...]
    account: tuple[AccountLine, ...]
    account_left_out: int
    totals_us: dict[str, int]
    """Sums over all shifts and cameras; ``standby`` and ``off`` over the shifts' first camera only."""
    unaccounted_us: int | None
    """Time nobody signed for; None, unknown, when lines of the journal are missing or do not verify: what they said about
    time is not known either."""
    identity_used: bool
    statements: tuple[StatementReport, ...] = ()
    commands: int = 0
    """Of the agency, its assignments and pushed configurations among them; ``commands_checked``: those whose signature by
    the agency's command key was verified here."""
    commands_checked: int = 0

    @property
    def valid(self) -> bool:
        return best(self.axes) and self.finding_count == 0

    def sentence(self, language: str) -> str:
        return sentence(self.axes, self.finding_count, language)


@dataclass(frozen=True, slots=True)
class Report:
    """The whole verification. ``root`` as the user gave it."""

    root: str
    vaults: tuple[VaultReport, ...]
    verifier: str = VERIFIER

    @property
    def axes(self) -> Axes:
        return merge([vault.axes for vault in self.vaults])

    @property
    def finding_count(self) -> int:
        return sum(vault.finding_count for vault in self.vaults)

    @property
    def valid(self) -> bool:
        return bool(self.vaults) and all(vault.valid for vault in self.vaults)

    @property
    def unaccounted_us(self) -> int | None:
        """Over all vaults; None, unknown, when it is for one of them or there is none."""
        each = [vault.unaccounted_us for vault in self.vaults]
        known = [us for us in each if us is not None]
        return sum(known) if known and len(known) == len(each) else None

    @property
    def exit_code(self) -> int:
        """0 everything proven, 1 findings (design §8); what cannot be read raises and is 2."""
        return 0 if self.valid else 1

    def sentence(self, language: str) -> str:
        return sentence(self.axes, self.finding_count, language)

    def summary(self) -> dict[str, Any]:
        """Numbers for programs: verdict, axes, seconds by kind, counts, codes of the findings."""
        totals = {
            kind: sum(vault.totals_us.get(kind, 0) for vault in self.vaults)
            for kind in ("recorded", "standby", "gap", "off", "seam", "pending")
        }
        unaccounted_us = self.unaccounted_us
        return {
            "verdict": "valid" if self.valid else "findings",
            "exit_code": self.exit_code,
            "sentence_zh": self.sentence("zh"),
            "sentence_en": self.sentence("en"),
            **{str(axis): value for axis, value in self.axes.items()},
            "axes": dict(self.axes),
            **{f"{kind}_s": round(us / 1e6, 3) for kind, us in totals.items()},
            "unaccounted_s": None if unaccounted_us is None else round(unaccounted_us / 1e6, 3),
            "vaults": len(self.vaults),
            "segments": sum(len(vault.segments) for vault in self.vaults),
            "entries": sum(segment.entries for vault in self.vaults for segment in vault.segments),
            "records": sum(vault.records for vault in self.vaults),
            "commands": sum(vault.commands for vault in self.vaults),
            "commands_checked": sum(vault.commands_checked for vault in self.vaults),
            "findings": self.finding_count,
            "finding_codes": sorted({finding.code for vault in self.vaults for finding in vault.findings}),
            "note_codes": sorted({note.code for vault in self.vaults for note in vault.notes}),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "verifier": self.verifier,
            "root": self.root,
            **self.summary(),
            "vaults": [_vault_json(vault) for vault in self.vaults],
        }


def _vault_json(vault: VaultReport) -> dict[str, Any]:
    from recorder.evidence.verify.completeness import ranges  # which is made of this module's values

    data = asdict(vault)
    data["findings"] = [finding.to_json() for finding in vault.findings]
    data["notes"] = [note.to_json() for note in vault.notes]
    data["valid"] = vault.valid
    for shift, shift_data in zip(vault.shifts, data["shifts"], strict=True):
        for line, line_data in zip(shift.lines, shift_data["lines"], strict=True):
            line_data["ranges"] = [asdict(item) for item in ranges(shift, line)]
    data["sentence_zh"], data["sentence_en"] = vault.sentence("zh"), vault.sentence("en")
    return data


def merge(all_axes: Sequence[Axes]) -> Axes:
    """Worst value per axis."""
    return {axis: worst(axis, [axes[axis] for axes in all_axes]) for axis in AXES}


def sentence(axes: Axes, findings: int, language: str) -> str:
    """The one sentence. 有效 / valid is said only when all five axes are at their best and nothing was found."""
    zh = language != "en"
    short = [axis for axis, values in AXES.items() if axes[axis] != values[0]]
    if not short and not findings:
        return (
            "有效：内容完好、全程有记录、已由机关存储锚定、密钥可信、时间有证明。"
            if zh
            else "Valid: intact, complete, anchored by the agency's store, key trusted, time proven."
        )
    index = 0 if zh else 1
    if not short:
        return f"未全部证实：有 {findings} 项发现。" if zh else f"Not everything is proven: {findings} finding(s)."
    parts = [f"{AXIS_NAMES[axis][index]}{'：' if zh else ': '}{VALUE_NAMES[axes[axis]][index]}" for axis in short]
    if zh:
        return f"未全部证实：{'；'.join(parts)}（{findings} 项发现）。"
    return f"Not everything is proven: {'; '.join(parts)} ({findings} finding(s))."

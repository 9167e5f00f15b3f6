"""The report's tables. Every value from the evidence is escaped: it was written by whoever made the evidence."""

from __future__ import annotations

from html import escape

from recorder.evidence import formatting
from recorder.evidence.verify.assembly import SEGMENT_AXES, proven
from recorder.evidence.verify.catalogue import AXES, VALUE_NAMES
from recorder.evidence.verify.report import GapReport, SegmentReport, TimeRange, VaultReport
from recorder.export.cells import both as _both
from recorder.export.cells import code as _code
from recorder.export.cells import table as _table
from recorder.export.cells import time as _time

_FILE = {
    "present": ("在此", "here"),
    "released": ("已释放，机关存储保管", "released, held by the store"),
    "missing": ("缺失", "missing"),
    "none": ("无文件", "no file"),
}
_STATE = {
    "open": ("未结束", "open"),
    "closed": ("完整", "closed"),
    "recovered": ("断电后恢复", "recovered"),
    "empty": ("空", "empty"),
    "lost": ("已失", "lost"),
}


def _bounds(time: TimeRange) -> str:
    return f"{_time(time.lower)}<br>{_time(time.upper)}"


def segments(vault: VaultReport) -> str:
    head = (
        ("片段", "segment"),
        ("摄像头", "camera"),
        ("时间", "time"),
        ("时长", "length"),
        ("大小", "bytes"),
        ("状态", "state"),
        ("文件", "file"),
        ("结论", "verdict"),
        ("存储文件 SHA-256", "of the stored file"),
    )
    rows = (
        (
            _code(segment.segment_id),
            escape(f"{segment.camera_id} {segment.role}"),
            f"{_time(segment.time.first)}<br>{_time(segment.time.last)}",
            formatting.length(segment.length_us),
            f"{segment.size:,}",
            _both(_STATE[segment.state]),
            _both(_FILE[segment.file]),
            _segment_verdict(segment),
            _code(segment.sha256),
        )
        for segment in vault.segments
    )
    return _table("片段", "segments", head, rows)


def _segment_verdict(segment: SegmentReport) -> str:
    if proven(segment.axes):
        opened = "，已解密核验 <em>opened</em>" if segment.opened else ""
        return f'<span class="good">证实 <em>proven</em>{opened}</span>'
    short = [VALUE_NAMES[segment.axes[axis]] for axis in SEGMENT_AXES if segment.axes[axis] != AXES[axis][0]]
    return f'<span class="bad">{"，".join(_both(pair) for pair in short)}</span>'


def sessions(vault: VaultReport) -> str:
    head = (
        ("录制", "session"),
        ("触发", "trigger"),
        ("开始与结束（设备自称）", "start and end (claimed)"),
        ("界限（回执或证书）", "bounds (receipts, certificate)"),
        ("时间", "time"),
        ("片段", "segments"),
        ("标记", "marks"),
        ("结束原因", "ended by"),
    )
    rows = (
        (
            _code(session.session_id),
            escape(session.trigger),
            f"{_time(session.time.first)}<br>{_time(session.time.last)}",
            _bounds(session.time),
            _both(VALUE_NAMES["proven" if session.proven else "claimed"]),
            str(session.segments),
            str(session.marks),
            escape(session.ended or "—"),
        )
        for session in vault.sessions
    )
    return _table("录制", "sessions", head, rows)


def gaps(vault: VaultReport) -> str:
    head = (
        ("中断", "gap"),
        ("摄像头", "camera"),
        ("开始", "from"),
        ("时长", "length"),
        ("原因", "cause"),
        ("恢复", "resumed"),
        ("语音说明", "spoken explanation"),
        ("计入", "counts"),
        ("原因类别", "legal class"),
        ("书面说明", "statement"),
        ("已说明", "explained"),
    )
    yes, no = _both(("是", "yes")), '<span class="bad">否 <em>no</em></span>'
    rows = (
        (
            _code(gap.gap_id),
            escape(gap.camera_id),
            _time(gap.start),
            _gap_length(gap.length_us, gap.basis),
            escape(gap.cause),
            yes if gap.resumed else no,
            _spoken(gap),
            yes if gap.counted else "—",
            escape(gap.legal_cause or "—"),
            yes if gap.stated else "—",
            yes if gap.explained else no,
        )
        for gap in vault.gaps
    )
    return _table("中断", "interruptions (art. 23)", head, rows)


_ACCEPTED = {
    True: ("成立", "stands"),
    False: ("不成立", "does not stand"),
    None: ("签名密封，未核验", "sealed, not checked"),
}
_STATEMENT_FILE = {"present": ("在此", "here"), "missing": ("不在此", "not here"), "altered": ("被改动", "altered")}


def statements(vault: VaultReport) -> str:
    head = (
        ("书面说明", "statement"),
        ("中断", "gap"),
        ("时间", "time"),
        ("中断原因", "legal cause"),
        ("签字人", "signed by"),
        ("扫描件绑定人", "scan bound by"),
        ("结论", "verdict"),
        ("文件", "document"),
        ("文件 SHA-256", "of the document"),
    )
    rows = (
        (
            _code(statement.statement_id),
            _code(statement.gap_id),
            _time(statement.at),
            escape(statement.legal_cause),
            "<br>".join(escape(f"{name} {number}") for name, number in statement.officers) or "—",
            escape(" ".join(statement.bound_by)) if statement.bound_by else "—",
            _statement_verdict(statement.accepted),
            _both(_STATEMENT_FILE[statement.file]),
            _code(statement.document_sha256),
        )
        for statement in vault.statements
    )
    return _table("书面说明", "written statements (art. 23)", head, rows)


def _statement_verdict(accepted: bool | None) -> str:
    text = _both(_ACCEPTED[accepted])
    return text if accepted else f'<span class="bad">{text}</span>'


_CONFIRMED = {
    "button": ("按键确认", "confirmed by the button"),
    "speech": ("仅检测到语音", "speech detected only"),
    "choice": ("仅选择类别", "class chosen only"),
}


def _spoken(gap: GapReport) -> str:
    """How the explanation was confirmed, and how long somebody spoke."""
    if gap.confirmed is None:
        return "—"
    said = f"{formatting.length(gap.speech_us)} " if gap.speech_us else ""
    return said + _both(_CONFIRMED[gap.confirmed])


def _gap_length(us: int | None, basis: str | None) -> str:
    if us is None:
        return "—"
    claimed = "（自称 <em>claimed</em>）" if basis == "wall" else ""
    return f"{formatting.length(us)}{claimed}"


def officers(vault: VaultReport) -> str:
    head = (("登记时间", "signed in"), ("姓名", "name"), ("执法证号", "certificate"), ("代号", "reference"))
    sealed = "（密封 <em>sealed</em>）"
    rows = (
        (
            _time(officer.at),
            escape(officer.name) if officer.name is not None else sealed,
            escape(officer.cert_no) if officer.cert_no is not None else sealed,
            _code(officer.officer_ref),
        )
        for officer in vault.officers
    )
    return _table("执法人员", "officers (art. 9)", head, rows)


def receipts(vault: VaultReport) -> str:
    head = (("回执", "receipt"), ("签发时间", "issued"), ("锚定到记录", "anchors record"))
    rows = ((_code(r.receipt_id), _time(r.iat), str(r.head_seq)) for r in vault.receipts)
    return _table("机关存储回执", "store receipts", head, rows)


def keys(vault: VaultReport) -> str:
    head = (
        ("签名密钥", "signing key (RFC 7638)"),
        ("证书", "certificate"),
        ("证书 SHA-256 指纹", "fingerprint"),
        ("证书起止", "not before, not after"),
        ("记录", "records"),
        ("结论", "verdict"),
    )
    rows = (
        (
            _code(key.kid),
            escape(key.subject or "—"),
            _code(key.fingerprint),
            f"{_time(key.not_before)}<br>{_time(key.not_after)}",
            f"{key.first_seq}–{key.last_seq}",
            _both(VALUE_NAMES[key.status]),
        )
        for key in vault.keys
    )
    return _table("密钥", "keys", head, rows)


_STORAGE = {
    "in-time": ("按时储存", "in time"),
    "late": ("逾期储存", "late"),
    "owed": ("尚未储存", "not stored yet"),
    "overdue": ("逾期未储存", "overdue"),
    "suspended": ("外出执法，未返回", "field mode, not returned"),
}


def storage(vault: VaultReport) -> str:
    """储存时限 (art. 24)."""
    head = (
        ("会话", "session"),
        ("完成", "completed"),
        ("期限", "due"),
        ("储存完毕", "stored"),
        ("片段", "segments"),
        ("结论", "verdict"),
    )
    rows = (
        (
            _code(item.session_id),
            _time(item.completed),
            _time(item.due) + (f"<br>{escape(item.basis)}" if item.basis else ""),
            _time(item.stored_at),
            f"{item.stored} / {item.segments}",
            _both(_STORAGE[item.state]) + ("" if item.proven else "<br>仅为设备自称 <em>claimed only</em>"),
        )
        for item in vault.storage
    )
    return _table("储存时限（第二十四条）", "storing within 24 hours", head, rows)

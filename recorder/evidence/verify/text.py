"""The report as text for a terminal, in Chinese or English. Short where all is well, exact where it is not."""

from __future__ import annotations

from collections import Counter

from recorder.evidence import formatting
from recorder.evidence.verify.assembly import proven
from recorder.evidence.verify.catalogue import AXIS_NAMES, VALUE_NAMES, Axis
from recorder.evidence.verify.completeness import Range, ranges
from recorder.evidence.verify.report import Report, ShiftReport, VaultReport

KIND_NAMES: dict[str, tuple[str, str]] = {
    "recorded": ("录制", "recorded"),
    "standby": ("待机", "standby"),
    "gap": ("中断", "gap"),
    "off": ("停机", "off"),
    "idle": ("未参与", "not part of it"),
    "seam": ("衔接", "seams"),
    "pending": ("待签", "pending"),
    "unaccounted": ("无人签名", "unaccounted"),
}
"""Kinds of time, and the order in which they are listed."""

UNKNOWN_TIME = (
    "无人签名的时间：不详（日志未能全部核验）",
    "unaccounted time: unknown (not all of the journal could be verified)",
)


def render_text(report: Report, language: str) -> str:
    """``language``: ``zh`` or ``en``."""
    index = 1 if language == "en" else 0
    lines: list[str] = []
    for vault in report.vaults:
        lines += _vault(vault, index)
        lines.append("")
    lines.append(report.sentence(language))
    return "\n".join(lines) + "\n"


def _say(index: int, zh: str, en: str) -> str:
    return en if index else zh


def _vault(vault: VaultReport, index: int) -> list[str]:
    kind = _say(index, *{"unit": ("设备", "unit"), "store": ("机关存储", "store")}[vault.kind])
    lines = [f"{kind} {vault.unit_id or '?'}  {vault.folder}"]
    if vault.records:
        lines.append(
            _say(
                index,
                f"  日志 {vault.journal_id}：{vault.records} 条记录，至 {formatting.wall(vault.last_iat)}",
                f"  journal {vault.journal_id}: {vault.records} records, to {formatting.wall(vault.last_iat)}",
            )
        )
        lines.append(f"  {_anchor(vault, index)}")
    for axis, value in vault.axes.items():
        lines.append(f"  {_axis(axis, index)}{_say(index, '：', ': ')}{VALUE_NAMES[value][index]}")
    lines += [f"  {line}" for shift in vault.shifts for line in _shift(shift, index)]
    if vault.unaccounted_us is None:
        lines.append(f"  {UNKNOWN_TIME[index]}")
    lines.append(f"  {_segments(vault, index)}")
    if vault.commands:
        lines.append(
            _say(
                index,
                f"  机关指令（含指派、下发的配置）{vault.commands}：已按机关指令公钥核验 {vault.commands_checked}",
                f"  {vault.commands} order(s) of the agency (commands, assignments, pushed configurations): "
                f"{vault.commands_checked} checked with its command key",
            )
        )
    if vault.findings:
        lines.append(_say(index, f"  发现（{vault.finding_count}）：", f"  findings ({vault.finding_count}):"))
        lines += [f"   ✗ [{finding.code}] {(finding.zh, finding.en)[index]}" for finding in vault.findings]
        if vault.finding_count > len(vault.findings):
            more = vault.finding_count - len(vault.findings)
            lines.append(_say(index, f"   … 另有 {more} 项", f"   … and {more} more"))
    if vault.notes:
        lines.append(_say(index, "  说明：", "  notes:"))
        lines += [f"   · [{note.code}] {(note.zh, note.en)[index]}" for note in vault.notes]
    lines.append(f"  {vault.sentence('en' if index else 'zh')}")
    return lines


def _axis(axis: Axis, index: int) -> str:
    return AXIS_NAMES[axis][index]


def _anchor(vault: VaultReport, index: int) -> str:
    if vault.anchored_seq < 0:
        return _say(index, "没有锚定", "no anchor")
    return _say(
        index,
        f"{len(vault.receipts)} 份回执，锚定到记录 {vault.anchored_seq} / {vault.last_seq}",
        f"{len(vault.receipts)} receipt(s), anchored to record {vault.anchored_seq} of {vault.last_seq}",
    )


def _shift(shift: ShiftReport, index: int) -> list[str]:
    end = formatting.wall(shift.end) if shift.ended else _say(index, "未结束", "not ended")
    name = _say(index, "班次", "shift")
    lines = [f"{name} {shift.shift_id}  {formatting.wall(shift.start)} – {end}"]
    for line in shift.lines:
        totals = [
            f"{names[index]} {formatting.length(line.totals_us[kind])}"
            for kind, names in KIND_NAMES.items()
            if line.totals_us.get(kind)
        ]
        lines.append(f"  {line.camera_id}: {_say(index, '，', ', ').join(totals) or '0 s'}")
        lines += [f"    {_range(item, index)}" for item in ranges(shift, line)]
    return lines


def _range(item: Range, index: int) -> str:
    name = KIND_NAMES[item.kind][index]
    count = f" ×{len(item.refs)}" if len(item.refs) > 1 else f"  {item.refs[0]}" if item.refs else ""
    times = f"{formatting.wall(item.start)[:21]} – {formatting.wall(item.end)[11:21]}"
    return f"{times}  {name} {formatting.length(item.length_us)}{count}"


def _segments(vault: VaultReport, index: int) -> str:
    files = Counter(segment.file for segment in vault.segments)
    sound = sum(proven(segment.axes) for segment in vault.segments)
    size = sum(segment.size for segment in vault.segments if segment.file == "present")
    text = _say(
        index,
        f"片段 {len(vault.segments)}：证实 {sound}；在此 {files['present']}（{size / 1e6:.1f} MB）",
        f"{len(vault.segments)} segment(s): {sound} proven; {files['present']} here ({size / 1e6:.1f} MB)",
    )
    if files["released"]:
        released = files["released"]
        text += _say(index, f"，已释放、由机关存储保管 {released}", f", {released} released and held by the store")
    if files["missing"]:
        text += _say(index, f"，缺失 {files['missing']}", f", {files['missing']} missing")
    return text

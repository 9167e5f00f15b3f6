"""The verification report (核验报告): one self-contained HTML file for whoever has to rely on the recording.

No script, no external reference, everything escaped: a report is opened in court rooms and archives, years later, offline.
Chinese first, English beside it.
"""

from __future__ import annotations

import shlex
from html import escape
from pathlib import Path

from recorder.evidence import formatting
from recorder.evidence.verify.catalogue import AXES, AXIS_NAMES, VALUE_NAMES, Axis
from recorder.evidence.verify.completeness import ranges
from recorder.evidence.verify.findings import Finding
from recorder.evidence.verify.report import Axes, Report, ShiftReport, VaultReport
from recorder.evidence.verify.text import KIND_NAMES
from recorder.export.account import account
from recorder.export.scene_table import scenes
from recorder.export.style import CSS
from recorder.export.tables import gaps, keys, officers, receipts, segments, sessions, statements, storage
from recorder.export.timeline_svg import legend, timeline_svg


def write_report(report: Report, out: Path, generated_at: float | None = None) -> None:
    """Write the HTML file, whole or not at all. ``generated_at``: seconds since 1970, printed if given. Raises OSError."""
    temporary = out.with_name(f".{out.name}.new")
    temporary.write_text(render_html(report, generated_at), encoding="utf-8")
    temporary.replace(out)


def render_html(report: Report, generated_at: float | None = None) -> str:
    parts = [
        '<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>核验报告 Verification report</title><style>{CSS}</style></head><body>",
        "<h1>执法记录核验报告 <em>Verification report</em></h1>",
        _verdict(report.sentence("zh"), report.sentence("en"), report.valid),
        _axes(report.axes),
    ]
    for vault in report.vaults:
        parts.append(_vault(vault))
    parts += [_again(report, generated_at), "</body></html>\n"]
    return "".join(parts)


def _verdict(zh: str, en: str, valid: bool) -> str:
    return f'<p class="verdict {"good" if valid else "bad"}">{escape(zh)}<em>{escape(en)}</em></p>'


def _axes(axes: Axes) -> str:
    return f'<ul class="axes">{"".join(_axis(axis, value) for axis, value in axes.items())}</ul>'


def _axis(axis: Axis, value: str) -> str:
    zh, en = AXIS_NAMES[axis]
    value_zh, value_en = VALUE_NAMES[value]
    colour = "good" if value == AXES[axis][0] else "bad"
    return (
        f'<li class="{colour}"><b>{escape(zh)} <em>{escape(en)}</em></b>'
        f"<span>{escape(value_zh)}</span> <em>{escape(value_en)}</em></li>"
    )


def _vault(vault: VaultReport) -> str:
    kind = {"unit": "设备 <em>unit</em>", "store": "机关存储 <em>agency store</em>"}[vault.kind]
    parts = [f"<h2>{kind} {escape(vault.unit_id or '?')} <em>{escape(vault.folder)}</em></h2>"]
    parts.append(_verdict(vault.sentence("zh"), vault.sentence("en"), vault.valid))
    parts.append(_axes(vault.axes))
    parts.append(_facts(vault))
    if vault.findings:
        count = f"{vault.finding_count}"
        parts.append(f"<h3>发现（{count}） <em>findings</em></h3>{_list(vault.findings, 'findings')}")
    if vault.notes:
        parts.append(f"<h3>说明 <em>notes</em></h3>{_list(vault.notes, 'findings notes')}")
    parts.append(account(vault))
    if vault.shifts:
        parts.append(f"<h3>时间线 <em>timeline</em></h3>{legend()}")
        parts += [_shift(shift) for shift in vault.shifts]
    parts += [
        gaps(vault),
        statements(vault),
        officers(vault),
        sessions(vault),
        scenes(vault),
        storage(vault),
        segments(vault),
        receipts(vault),
        keys(vault),
    ]
    return "".join(parts)


def _facts(vault: VaultReport) -> str:
    rows = [
        ("日志", "journal", vault.journal_id),
        ("记录", "records", f"{vault.records}"),
        ("末条记录", "last record", f"{vault.last_seq}  {vault.last_digest or ''}"),
        ("锚定到记录", "anchored to record", str(vault.anchored_seq) if vault.anchored_seq >= 0 else "—"),
        ("末条记录时间", "time of last record", formatting.wall(vault.last_iat) if vault.records else "—"),
        ("设备与软件", "hardware, software", f"{vault.hardware} · {vault.software}"),
        (
            "密封内容",
            "sealed content",
            "已解密核验 opened and checked" if vault.identity_used else "仅核验密文 ciphertext only",
        ),
    ]
    if vault.unaccounted_us is None:
        rows.append(("无人签名的时间", "unaccounted time", "不详（日志未能全部核验） unknown"))
    cells = "".join(
        f"<tr><th>{escape(zh)} <em>{escape(en)}</em></th><td class='mono'>{escape(value)}</td></tr>"
        for zh, en, value in rows
    )
    return f"<table>{cells}</table>"


def _list(findings: tuple[Finding, ...], style: str) -> str:
    items = "".join(
        f"<li>{escape(finding.zh)}<br><em>{escape(finding.en)} <code>{escape(finding.code)}</code></em></li>"
        for finding in findings
    )
    return f'<ul class="{style}">{items}</ul>'


def _shift(shift: ShiftReport) -> str:
    rows = []
    for line in shift.lines:
        for kind, (zh, en) in KIND_NAMES.items():
            us = line.totals_us.get(kind, 0)
            if us:
                rows.append(
                    f"<tr><td>{escape(line.camera_id)}</td><td>{escape(zh)} <em>{escape(en)}</em></td>"
                    f"<td class='n'>{formatting.length(us)}</td></tr>"
                )
    spans = "".join(
        f"<tr><td>{escape(line.camera_id)}</td><td>{escape(formatting.wall(item.start))}</td>"
        f"<td>{escape(formatting.wall(item.end))}</td>"
        f"<td>{escape(KIND_NAMES[item.kind][0])} <em>{escape(KIND_NAMES[item.kind][1])}</em></td>"
        f"<td class='n'>{formatting.length(item.length_us)}</td></tr>"
        for line in shift.lines
        for item in ranges(shift, line)
    )
    ended = "" if shift.ended else "（未结束 <em>not ended</em>）"
    return (
        f"<h3>班次 <em>shift</em> <code>{escape(shift.shift_id)}</code>{ended}</h3>{timeline_svg(shift)}"
        "<table><thead><tr><th>摄像头 <em>camera</em></th><th>类别 <em>kind</em></th><th>时长 <em>length</em></th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table>"
        "<h4>班次完整性 <em>shift completeness</em></h4>"
        "<table><thead><tr><th>摄像头 <em>camera</em></th><th>自 <em>from</em></th><th>至 <em>to</em></th>"
        "<th>类别 <em>kind</em></th>"
        f"<th>时长 <em>length</em></th></tr></thead><tbody>{spans}</tbody></table>"
    )


def _again(report: Report, generated_at: float | None) -> str:
    command = f"recorder verify {shlex.quote(report.root)} --trust TRUST"
    made = (
        f"<p>生成时间 <em>generated</em> {escape(formatting.wall(generated_at))}</p>"
        if generated_at is not None
        else ""
    )
    return (
        "<h2>如何再次核验 <em>how to verify again</em></h2>"
        "<p>任何人凭机关公开的 <code>agency-ca.pem</code> 和 <code>store-key.pem</code> 即可离线核验，结果应与本报告一致；"
        "本报告本身不是证据。<br><em>Anybody with the agency's public files can repeat this offline; "
        "the report itself proves nothing.</em></p>"
        f"<p><code>{escape(command)}</code></p>"
        f"<p>核验程序 <em>verifier</em> {escape(report.verifier)}</p>{made}"
    )

"""《音像记录中断情况说明》 as DOCX: the facts of ``export.statement`` in an agency's template (docxtpl). It stays editable.

The template is ``config/templates/statement.docx`` (made by ``tools/make_statement_template.py``); an agency may have its
own, made with Word or WPS: the same names in ``{{ }}``.
"""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from docxtpl.template import DocxTemplate
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from recorder.config.paths import shipped_dir
from recorder.evidence.records import LegalCause
from recorder.export.statement import SAID, TITLE

TICKED, UNTICKED = "☑", "□"
BLANK = "　" * 8
"""Room for the hand where nothing is known."""

CLOCKS = {
    "gnss": "卫星授时",
    "nts": "网络授时（NTS）",
    "ntp": "网络授时（NTP）",
    "rtc": "设备实时时钟",
    "none": "未校时",
}
CAUSES = {
    "camera-stall": "摄像头停止响应",
    "camera-unplugged": "摄像头断开",
    "camera-fault": "摄像头故障",
    "microphone-fault": "话筒故障",
    "storage-fault": "存储故障",
    "storage-full": "存储空间不足",
    "power-loss": "断电",
    "low-battery": "电量不足",
    "thermal": "温度过高",
    "worker-crash": "采集程序异常退出",
    "worker-late": "采集程序未能及时启动",
    "process-crash": "记录程序异常退出",
    "buffer-overflow": "缓冲溢出",
    "lens-covered": "镜头被遮挡",
    "operator-stop": "人工停止",
    "remote-stop": "远程停止",
    "unknown": "原因不明",
}
"""What the device itself recorded; whether that is 设备故障 or 其他客观原因 is for people to say."""


class TemplateProblem(ValueError):
    """The template cannot be filled; the message names it and says why, in Chinese and English."""


def default_template() -> Path:
    return shipped_dir() / "templates" / "statement.docx"


def render_statement(data: dict[str, Any], data_sha256: str, template: Path | None = None) -> bytes:
    """The DOCX. ``data_sha256``: digest of the JSON beside it, printed in the document. Raises TemplateProblem, OSError."""
    path = template or default_template()
    source = io.BytesIO(path.read_bytes())
    # Sandboxed: a template may come from anywhere. StrictUndefined: a misspelt field is an error and no empty line.
    environment = SandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
    try:
        document = DocxTemplate(source)
        document.render(context(data, data_sha256), environment)
        filled = io.BytesIO()
        document.save(filled)
    except (TemplateError, KeyError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TemplateProblem(f"{path}: 模板无法填写 the template cannot be filled: {reason}") from error
    return filled.getvalue()


def context(data: dict[str, Any], data_sha256: str) -> dict[str, Any]:
    """The template's fields, all of them text, ``officers`` and ``causes`` lists."""
    gap, said, session = data["gap"], data["said"], data["session"] or {}
    matter = data["matter"] if isinstance(data["matter"], dict) else {}
    words = {name: said.get(name) or _text(matter.get(name)) or BLANK for name in SAID}
    officers = [
        {
            "place": place,
            "name": officer["name"] or BLANK,
            "cert_no": officer["cert_no"] or BLANK,
        }
        for place, officer in zip("一二三四五六七八", _at_least_two(data["officers"]), strict=False)
    ]
    voice = data["voice"]
    return {
        **words,
        "title": TITLE,
        "number": data["number"],
        "time": _span(session.get("start"), session.get("end")),
        "scene_end": _when(session.get("end")) or BLANK,
        "device": data["unit"]["hardware"],
        "unit_id": data["unit"]["unit_id"],
        "firmware": data["unit"]["firmware"],
        "gap_id": gap["gap_id"],
        "camera": gap["camera_id"],
        "gap_start": f"{_when(gap['start'])}（{_clock(gap['clock'])}）",
        "gap_end": _when(gap["end"]) if gap["resumed"] else "未恢复",
        "gap_length": _length(gap),
        "machine_cause": CAUSES.get(gap["cause"], gap["cause"]) + (f"（{gap['detail']}）" if gap["detail"] else ""),
        "causes": [
            {"box": TICKED if cause == data["legal_cause"] else UNTICKED, "name": cause}
            for cause in get_args(LegalCause)
        ],
        "voice_box": TICKED if voice else UNTICKED,
        "voice": "；".join(_voice(one) for one in voice) or BLANK,
        "no_voice_box": UNTICKED if voice else TICKED,
        "before": _segment(data["segment_before"], "无"),
        "after": _segment(data["segment_after"], "未恢复"),
        "journal": f"日志 {data['journal']['journal_id']}，中断登记于第 {data['journal']['interruption_seq']} 条，"
        f"至第 {data['journal']['last_seq']} 条",
        "journal_digest": data["journal"]["last_digest"],
        "officers": officers,
        "data_sha256": data_sha256,
    }


def _at_least_two(officers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    nobody = {"name": None, "cert_no": None}
    return [*officers, *([nobody] * max(0, 2 - len(officers)))]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _when(iso: str | None) -> str:
    if iso is None:
        return ""
    at = datetime.fromisoformat(iso)
    return f"{at.year}年{at.month}月{at.day}日{at:%H}时{at:%M}分{at:%S}秒"


def _span(start: str | None, end: str | None) -> str:
    if start is None:
        return BLANK
    return f"{_when(start)}至{_when(end) or '　　　　'}"


def _clock(clock: dict[str, Any]) -> str:
    source = CLOCKS[clock["source"]]
    if clock["max_error_ms"] is not None:
        return f"时间来源：{source}，误差不超过{clock['max_error_ms']}毫秒"
    return f"时间来源：{source}"


def _length(gap: dict[str, Any]) -> str:
    if gap["duration_ms"] is None:
        return BLANK
    seconds = gap["duration_ms"] // 1000
    length = f"{seconds // 3600}时{seconds % 3600 // 60}分{seconds % 60}秒"
    until = "" if gap["resumed"] else "，至录制结束"
    return f"{length}{until}{'（跨断电，按设备时钟推算）' if gap['duration_basis'] == 'wall' else ''}"


def _segment(segment: dict[str, Any] | None, otherwise: str) -> str:
    if segment is None:
        return otherwise
    return f"{segment['segment_id']}，SHA-256 {segment['sha256'] or '（未结束）'}"


def _voice(voice: dict[str, Any]) -> str:
    spans = [f"{span['segment_id']}（{(span['end_us'] - span['start_us']) / 1e6:.1f}秒）" for span in voice["spans"]]
    return "、".join(spans) or {"choice": "已选择原因，未录音"}.get(voice["confirmed"], "已确认")

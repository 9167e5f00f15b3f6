"""A plain account of what happened, sentence by sentence, from the signed records alone: for whoever has to read it.

Nothing here judges: findings do. What repeats by rhythm (standby, heads, checkpoints, receipts) is left out, and personal
fields appear only where an identity has opened them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from recorder.evidence import formatting
from recorder.evidence import records as r
from recorder.evidence.verify.report import AccountLine
from recorder.faults.catalogue import CATALOGUE
from recorder.session.marks import MARKS

MAX_LINES = 5000
"""A journal of months has more; the report says how many were left out."""

Words = tuple[str, str]

_CAUSES: dict[str, Words] = {
    "camera-stall": ("摄像头停止出帧", "the camera stopped delivering"),
    "camera-unplugged": ("摄像头被拔出", "the camera was unplugged"),
    "camera-fault": ("摄像头故障", "the camera failed"),
    "microphone-fault": ("话筒故障", "the microphone failed"),
    "storage-fault": ("存储故障", "the card failed"),
    "storage-full": ("存储空间已满", "the card was full"),
    "power-loss": ("断电", "power was lost"),
    "low-battery": ("电池耗尽", "the battery was empty"),
    "thermal": ("过热", "it was too hot"),
    "worker-crash": ("采集程序崩溃", "the capture program crashed"),
    "worker-late": ("采集程序未能及时启动", "the capture program did not start in time"),
    "process-crash": ("记录程序崩溃", "the recording program crashed"),
    "buffer-overflow": ("缓冲溢出", "a buffer overflowed"),
    "lens-covered": ("镜头被遮挡", "the lens was covered"),
    "operator-stop": ("人为停止", "somebody stopped it"),
    "remote-stop": ("远程停止", "it was stopped from afar"),
    "unknown": ("原因不明", "for no known reason"),
}
_BY: dict[str, Words] = {
    "button": ("按键", "by button"),
    "command": ("命令", "by command"),
    "remote": ("远程", "from afar"),
    "ignition": ("车辆点火或者熄火", "by the ignition"),
    "resume": ("自动继续", "by itself, going on"),
    "shutdown": ("关机", "by switching off"),
    "abandoned": ("未能继续", "abandoned"),
    "auto": ("开机", "with the unit"),
    "officer": ("执法人员", "by an officer"),
    "power-off": ("关机", "by switching off"),
    "qr": ("二维码", "by code"),
}
_CONFIRMED: dict[str, Words] = {
    "button": ("说明后按键确认", "confirmed by button after speaking"),
    "speech": ("仅检测到说话", "speech was only detected"),
    "choice": ("仅选择类别，没有说明", "a class was chosen, nothing was said"),
}
_EVENTS: dict[str, Words] = {
    "night-on": ("转入夜视", "night mode on"),
    "night-off": ("退出夜视", "night mode off"),
    "clock-step": ("时钟校正", "the clock was stepped"),
    "cannot-resume": ("确实无法继续记录", "recording cannot go on"),
    "checklist-missing": ("停止时有应当记录的内容未标记", "points that should be recorded were not marked at the stop"),
    "stealth-on": ("静默模式开启", "stealth mode on"),
    "stealth-off": ("静默模式关闭", "stealth mode off"),
    "receipt-refused": ("一份回执未被采信", "a receipt was not believed"),
    "ignition-on": ("车辆点火", "the ignition was switched on"),
    "ignition-off": ("车辆熄火", "the ignition was switched off"),
    "unit-stop": ("程序按序停止", "the program stopped in order"),
    "config-rolled-back": ("远程下发的配置被撤回", "a configuration pushed from afar was taken back"),
    "unit-restart": ("程序重新启动，班次继续", "the program restarts, the shift goes on"),
}


@dataclass(slots=True)
class Account:
    """Feed every verified record in order with :meth:`take`."""

    lines: list[AccountLine] = field(default_factory=list)
    left_out: int = 0

    def take(self, seq: int, common: r.Common, record: r.Record) -> None:
        tell = _TELL.get(record.TYP)
        words = tell(record) if tell is not None else None
        if words is None:
            return
        if len(self.lines) >= MAX_LINES:
            self.left_out += 1
            return
        self.lines.append(AccountLine(seq, common.iat, record.TYP, *words))


# --- one function per kind that has something to tell --------------------------------------------------------------


def _boot(record: Any) -> Words:
    ends: dict[str, Words] = {
        "first": ("首次启动", "the unit started for the first time"),
        "clean": ("设备启动", "the unit started"),
        "unclean": ("设备启动，上一次没有正常结束", "the unit started; its last run had not ended in order"),
    }
    return ends[record.previous_end]


def _shift_start(record: Any) -> Words:
    by = _BY[record.trigger]
    return f"班次开始（{by[0]}）", f"the shift began ({by[1]})"


def _shift_end(record: Any) -> Words:
    by = _BY[record.trigger]
    return f"班次结束（{by[0]}）", f"the shift ended ({by[1]})"


def _sign_in(record: Any) -> Words:
    by = _BY[record.method]
    return (
        f"一名执法人员登记（{by[0]}），共 {record.count} 名",
        f"an officer signed in ({by[1]}), {record.count} in all",
    )


def _sign_out(record: Any) -> Words:
    return f"一名执法人员退出，余 {record.count} 名", f"an officer signed out, {record.count} left"


def _session_start(record: Any) -> Words:
    by = _BY[record.trigger]
    return (
        f"开始记录（{by[0]}），执法人员 {record.officers} 名",
        f"recording began ({by[1]}), {record.officers} officers",
    )


def _session_stop(record: Any) -> Words:
    by = _BY[record.reason]
    zh = f"停止记录（{by[0]}），共 {record.segment_count} 段"
    en = f"recording stopped ({by[1]}), {record.segment_count} segments"
    if record.stated is not None:
        why = {"choice": record.stated.choice, "text": "已书面说明", "speech": "已语音说明"}[record.stated.by]
        zh, en = f"{zh}；理由：{why}", f"{en}; reason: {why}"
    return zh, en


def _interruption(record: Any) -> Words:
    cause = _CAUSES[record.cause]
    return f"{record.camera_id} 记录中断：{cause[0]}", f"{record.camera_id} was interrupted: {cause[1]}"


def _resumption(record: Any) -> Words:
    length = formatting.length(record.duration_us)
    return f"{record.camera_id} 记录恢复，中断 {length}", f"{record.camera_id} records again after {length}"


_PROMPTS: Final[dict[str, Words]] = {
    "spoken": ("设备语音提示", "the unit said"),
    "silenced": ("设备提示（未发声）", "the unit would have said, silently"),
    "cut": ("设备语音提示（未说完）", "the unit began to say"),
    "failed": ("设备语音提示（播放失败）", "the unit could not say"),
    "dropped": ("设备语音提示（已过时，未播放）", "the unit had no more occasion to say"),
}


def _explanation(record: Any) -> Words:
    if record.confirmed == "choice":
        return (
            f"选择中断原因类别：{record.legal_cause}",
            f"the legal class of the interruption was chosen: {record.legal_cause}",
        )
    how = _CONFIRMED[record.confirmed]
    spoken = sum(span.end_us - span.start_us for span in record.speech)
    zh, en = record.legal_cause or "未选择类别", record.legal_cause or "no class"
    return (
        f"对中断的语音说明 {formatting.length(spoken)}（{how[0]}；{zh}）",
        f"the interruption was explained by {formatting.length(spoken)} of speech ({how[1]}; {en})",
    )


def _note(record: Any) -> Words:
    return "语音备注", "a voice note"


def _statement(record: Any) -> Words:
    count = len(record.signers)
    return (
        f"中断情况说明已由 {count} 人签字（{record.legal_cause}）",
        f"the written statement was signed by {count} ({record.legal_cause})",
    )


_HANDS: Final[dict[str, Words]] = {
    "key": ("重点标记（按键）", "a moment was marked by button"),
    "explanation": ("按标记键确认语音说明", "the explanation was confirmed by the mark button"),
}


def _mark(record: Any) -> Words:
    if record.kind in _HANDS:
        return _HANDS[record.kind]
    known = MARKS.get(record.kind)
    names = (known.zh, known.en) if known is not None else (record.kind, record.kind)
    return f"标记：{names[0]}", f"mark: {names[1]}"


def _basis(record: Any) -> Words:
    if record.basis == "returned":
        return "已返回所在机关，二十四小时重新起算", "back at the agency, the 24 hours began anew"
    return f"登记{record.basis}（第二十四条）", f"field mode was declared: {record.basis} (art. 24)"


def _fault(record: Any) -> Words:
    kind = CATALOGUE.get(record.code)
    names = (kind.zh, kind.en) if kind is not None else (record.code, record.code)
    if record.phase == "onset":
        return f"故障：{names[0]}（{record.component}）", f"fault: {names[1]} ({record.component})"
    return f"故障结束：{names[0]}（{record.component}）", f"fault over: {names[1]} ({record.component})"


def _event(record: Any) -> Words | None:
    if record.event == "prompt":
        text = str(record.detail.get("text", record.detail.get("id", "")))
        zh, en = _PROMPTS.get(str(record.detail.get("outcome")), _PROMPTS["silenced"])
        return f"{zh}：「{text}」", f"{en}: “{text}”"
    if record.event == "session-context":
        mode = str(record.detail.get("mode", ""))
        matter = record.detail.get("matter") or {}
        what = "、".join(str(matter[key]) for key in ("kind", "stage") if matter.get(key))
        return (
            f"登记执法事项：{mode}记录{'，' + what if what else ''}",
            f"the matter was stated: {mode} {what}".rstrip(),
        )
    if record.event == "deadline-warning":
        hours = round(float(record.detail.get("left_s", 0)) / 3600, 1)
        if record.detail.get("level") == "overdue":
            return "储存已超过二十四小时，已提醒", "storing is overdue; the officer was warned"
        return f"距储存时限还有 {hours} 小时，已提醒", f"{hours} hours left to store; the officer was warned"
    if record.event == "unit-down":
        return "设备停机一段时间（见时间线）", "the unit was off for a while (see the timeline)"
    return _EVENTS.get(record.event)


def _recovery(record: Any) -> Words | None:
    if record.subject == "journal":
        return "恢复：日志末尾的残行已另存", "recovery: a torn end of the journal was set aside"
    kept = _megabytes(record.kept_bytes)
    return f"恢复：未结束的片段保留 {kept}", f"recovery: {kept} of an unfinished segment were kept"


def _config(record: Any) -> Words | None:
    if record.status == "applied":
        return None
    return "配置有误，以可用的部分运行", "the configuration is in error; the usable part is in force"


def _release(record: Any) -> Words:
    return "一段已由机关储存的片段从设备释放", "a segment the agency holds was released from the unit"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


_TELL: dict[str, Callable[[Any], Words | None]] = {
    "boot": _boot,
    "shift-start": _shift_start,
    "shift-end": _shift_end,
    "officer-sign-in": _sign_in,
    "officer-sign-out": _sign_out,
    "session-start": _session_start,
    "session-stop": _session_stop,
    "interruption": _interruption,
    "resumption": _resumption,
    "explanation": _explanation,
    "note": _note,
    "statement": _statement,
    "mark": _mark,
    "deadline-basis": _basis,
    "fault": _fault,
    "event": _event,
    "recovery": _recovery,
    "config": _config,
    "release": _release,
}

"""The account: every kind of record has its sentence or its reason to be silent, every value of a record its words."""

from __future__ import annotations

import typing
from pathlib import Path
from types import SimpleNamespace

import pytest

from recorder.evidence import records as r
from recorder.evidence.verify import account
from recorder.evidence.verify.report import Report
from recorder.export.report import render_html
from recorder.officer.prompts.player import Outcome
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check
from tests.evidence.verify.vault_builder import VaultBuilder

AGENCY = TestAgency()

QUIET = {"checkpoint", "standby", "segment-open", "head", "segment-close", "command", "receipt"}
"""What repeats by rhythm, or stands in a table of its own."""


def values(model: type[r.Record], field: str) -> tuple[str, ...]:
    return typing.get_args(model.model_fields[field].annotation)


def test_every_record_type_is_told_or_quiet_on_purpose() -> None:
    assert set(account._TELL) | QUIET == set(r.RECORD_TYPES)
    assert not set(account._TELL) & QUIET


@pytest.mark.parametrize(
    ("model", "field", "words"),
    [
        (r.Interruption, "cause", account._CAUSES),
        (r.SessionStart, "trigger", account._BY),
        (r.SessionStop, "reason", account._BY),
        (r.ShiftStart, "trigger", account._BY),
        (r.ShiftEnd, "trigger", account._BY),
        (r.OfficerSignIn, "method", account._BY),
        (r.Explanation, "confirmed", account._CONFIRMED),
    ],
)
def test_every_value_has_words_in_both_languages(
    model: type[r.Record], field: str, words: dict[str, tuple[str, str]]
) -> None:
    for value in values(model, field):
        zh, en = words[value]
        assert zh and en and zh != en


@pytest.mark.parametrize("outcome", typing.get_args(Outcome))
def test_every_end_of_a_prompt_has_its_own_words(outcome: str) -> None:
    assert outcome in account._PROMPTS
    assert len(set(account._PROMPTS.values())) == len(account._PROMPTS), "what was cut is not what was silenced"


def test_a_chosen_class_is_no_speech_of_no_length() -> None:
    chosen = SimpleNamespace(confirmed="choice", legal_cause="设备故障", speech=())
    assert account._explanation(chosen) == (
        "选择中断原因类别：设备故障",
        "the legal class of the interruption was chosen: 设备故障",
    )


@pytest.mark.parametrize("kind", ["key", "explanation"])
def test_a_press_of_mark_reads_in_both_languages(kind: str) -> None:
    zh, en = account._mark(SimpleNamespace(kind=kind))
    assert kind not in zh and zh != en


def test_an_interruption_reads_like_one(tmp_path: Path) -> None:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.sign_in()
    b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    unplugged = {"code": "camera-unplugged", "component": "cam0", "onset_us": b.us, "evidence": {}}
    b.append(r.Fault.model_validate({"fault_id": b.new_id(), "phase": "onset", **unplugged}))
    b.wait(4)
    after = b.open_segment()
    b.resumption(gap, after, 4_000_000, "boottime")
    b.append(r.Event(event="prompt", at_us=b.us, detail={"id": "resumed", "text": "记录已恢复。", "outcome": "spoken"}))
    b.append(r.Event(event="prompt", at_us=b.us, detail={"id": "x", "text": "<b>", "outcome": "silenced"}))
    b.fill(after, 3)
    b.close_segment(after)
    b.session_stop(after.end_us)
    b.append(r.DeadlineBasis(basis="水上执法", declared_by=None, sessions=()))
    b.standby(3)
    b.shift_end()
    b.receipt()
    vault = check(b, tmp_path)
    assert [line.zh for line in vault.account] == [
        "首次启动",
        "班次开始（开机）",
        "一名执法人员登记（命令），共 2 名",
        "开始记录（按键），执法人员 2 名",
        "cam0 记录中断：摄像头被拔出",
        "故障：摄像头被拔出或者不存在（cam0）",
        "cam0 记录恢复，中断 4.00 s",
        "设备语音提示：「记录已恢复。」",
        "设备提示（未发声）：「<b>」",
        "停止记录（按键），共 2 段",
        "登记水上执法（第二十四条）",
        "班次结束（关机）",
    ]
    html = render_html(Report(str(tmp_path), (vault,)))
    assert "「记录已恢复。」" in html
    assert "「<b>」" not in html


def test_a_journal_of_months_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(account, "MAX_LINES", 2)
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    b.session(1)
    b.shift_end()
    vault = check(b, tmp_path)
    assert len(vault.account) == 2 and vault.account_left_out == 3
    assert "另有 3 条未列出" in render_html(Report(str(tmp_path), (vault,)))

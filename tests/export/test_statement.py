"""《音像记录中断情况说明》: what the export fills in, what it leaves for the hand, and that both halves belong together."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner, Result
from docx import Document
from docx.shared import Pt

from recorder.cli import main
from recorder.evidence import records as r
from recorder.evidence.age import Identity, generate_identity
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.personal import seal_field
from recorder.export.statement import SAID
from recorder.export.statement_document import CAUSES, default_template
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.vault_builder import VaultBuilder
from tools.make_statement_template import make

AGENCY = TestAgency()
IDENTITY: Identity = generate_identity()


def vault(
    folder: Path,
    *,
    resume: bool,
    recipients: tuple[str, ...] = (),
    voice: bool = False,
    matter: r.Matter | None = None,
) -> str:
    """A unit's folder with one gap; returns its id."""
    b = VaultBuilder(AGENCY, recipients=recipients)
    b.boot()
    b.shift_start()
    b.sign_in("张三", "13010001001")
    b.sign_in("李四", "13010001002")
    b.session_start(matter=matter)
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    b.wait(65)
    if resume:
        after = b.segment(5)
        b.resumption(gap, after, after.start_us - before.end_us, "boottime")
        if voice:
            span = r.SpeechSpan(
                segment_id=after.segment_id,
                start_us=after.start_us,
                end_us=after.start_us + 800_000,
                first=1,
                last=4,
                start_offset=0,
                end_offset=0,
                sha256="A" * 43,
            )
            b.append(
                r.Explanation(
                    gap_id=gap,
                    confirmed="button",
                    counts=True,
                    mark_id=None,
                    legal_cause="天气恶劣",
                    speech=(span,),
                    before_sha256=None,
                    after_sha256=None,
                )
            )
    b.session_stop()
    b.shift_end()
    b.write(folder)
    return gap


def export(folder: Path, gap: str, *arguments: str) -> Result:
    out = ("-o", str(folder.parent / "out"))
    return CliRunner().invoke(main, ["export", "statement", gap, "--from", str(folder), *out, *arguments])


def halves(done: Result) -> tuple[dict[str, Any], str, bytes]:
    """(JSON, text of the document, JSON's bytes)."""
    assert done.exit_code == 0, done.output
    as_json, document = (Path(line) for line in done.output.splitlines())
    text = "\n".join(paragraph.text for paragraph in Document(io.BytesIO(document.read_bytes())).paragraphs)
    return json.loads(as_json.read_bytes()), text, as_json.read_bytes()


def test_a_gap_that_never_resumed(tmp_path: Path) -> None:
    gap = vault(tmp_path / "unit", resume=False)
    data, text, raw = halves(export(tmp_path / "unit", gap, "--legal-cause", "设备故障"))
    assert data["gap"]["resumed"] is False and data["gap"]["end"] is None
    assert data["gap"]["duration_ms"] == pytest.approx(65_000, abs=20)
    assert data["segment_after"] is None and data["segment_before"]["sha256"]
    for words in (
        "音像记录中断情况说明",
        "中断结束时间：未恢复",
        "0时1分5秒",
        "时间来源：网络授时（NTP），误差不超过20毫秒",
        "☑设备故障",
        "□天气恶劣",
        "摄像头断开",
        "□已说明",
        "☑未说明",
        "执法人员（一）姓名：张三　执法证号：13010001001",
        "执法人员（二）姓名：李四　执法证号：13010001002",
        data["segment_before"]["sha256"],
        data["number"],
        "zfy-recorder 0.1.0",
    ):
        assert words in text
    assert sha256_b64u(raw) in text, "the document names the JSON beside it"


def test_a_resumed_gap_with_a_spoken_explanation(tmp_path: Path) -> None:
    gap = vault(tmp_path / "unit", resume=True, voice=True)
    data, text, _ = halves(export(tmp_path / "unit", gap))
    assert data["gap"]["duration_basis"] == "boottime"
    assert data["legal_cause"] == "天气恶劣", "what the officer chose"
    assert "☑天气恶劣" in text and "□设备故障" in text
    assert f"☑已说明（录音编号：{data['segment_after']['segment_id']}（0.8秒））" in text


def test_the_cause_of_the_law_is_never_guessed(tmp_path: Path) -> None:
    gap = vault(tmp_path / "unit", resume=False)
    data, text, _ = halves(export(tmp_path / "unit", gap))
    assert data["legal_cause"] is None
    assert "☑设备故障" not in text and text.count("☑") == 1  # 未说明


def test_sealed_names_are_left_for_the_hand_without_an_identity(tmp_path: Path) -> None:
    gap = vault(tmp_path / "unit", resume=False, recipients=(IDENTITY.recipient,))
    _, text, raw = halves(export(tmp_path / "unit", gap))
    assert "张三" not in text and "张三".encode() not in raw
    assert "执法人员（二）姓名：　" in text
    identity = tmp_path / "identity.txt"
    identity.write_text(IDENTITY.text + "\n")
    data, text, _ = halves(export(tmp_path / "unit", gap, "--identity", str(identity)))
    assert "张三" in text
    assert [officer["name"] for officer in data["officers"]] == ["张三", "李四"]


def test_what_people_say_goes_into_both(tmp_path: Path) -> None:
    gap = vault(tmp_path / "unit", resume=False)
    arguments = ("--set", "course=摄像头被撞落<b>&", "--set", "agency=某市生态环境局")
    data, text, _ = halves(export(tmp_path / "unit", gap, *arguments))
    assert data["said"] == {"agency": "某市生态环境局", "course": "摄像头被撞落<b>&"}
    assert "中断原因及经过：摄像头被撞落<b>&" in text
    assert "行政执法机关：某市生态环境局" in text


def test_what_the_recording_is_about_fills_its_fields_unless_people_say_otherwise(tmp_path: Path) -> None:
    matter = r.Matter(
        kind="行政检查", stage="调查取证", item=seal_field("食品经营检查", ()), documents=seal_field(["笔录1号"], ())
    )
    gap = vault(tmp_path / "unit", resume=False, matter=matter)
    data, text, _ = halves(export(tmp_path / "unit", gap, "--set", "stage=送达执行"))
    assert data["matter"] == {
        "category": "行政检查",
        "stage": "调查取证",
        "item": "食品经营检查",
        "documents": ["笔录1号"],
    }
    for words in ("执法类别：行政检查", "执法事项：食品经营检查", "执法环节：送达执行"):
        assert words in text


def test_the_same_journal_gives_the_same_bytes(tmp_path: Path) -> None:
    gap = vault(tmp_path / "unit", resume=True)
    _, _, first = halves(export(tmp_path / "unit", gap))
    _, _, second = halves(export(tmp_path / "unit", gap[:8]))
    assert first == second
    as_data = json.loads(first)
    canonical = json.dumps(as_data, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    assert first == canonical


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ffffffff",), "ffffffff"),
        (("", "--set", "nonsense=1"), "nonsense"),
        (("", "--set", "course"), "course"),
        (("", "--template", "/nonexistent.docx"), "/nonexistent.docx"),
    ],
)
def test_what_cannot_be_done_says_why(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    vault(tmp_path / "unit", resume=False)
    done = export(tmp_path / "unit", *arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True


def test_an_agency_s_own_template_and_one_with_a_misspelt_field(tmp_path: Path) -> None:
    gap = vault(tmp_path / "unit", resume=False)
    for name, text in (("own", "本局表格 {{ number }}"), ("bad", "{{ nummer }}")):
        document = Document()
        document.add_paragraph(text)
        document.save(str(tmp_path / f"{name}.docx"))
    data, text, _ = halves(export(tmp_path / "unit", gap, "--template", str(tmp_path / "own.docx")))
    assert text == f"本局表格 {data['number']}"
    done = export(tmp_path / "unit", gap, "--template", str(tmp_path / "bad.docx"))
    assert done.exit_code == 2
    assert "nummer" in done.output and "bad.docx" in done.output


# --- the template ---


def test_the_shipped_template_is_what_the_tool_makes() -> None:
    def parts(data: bytes) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    assert parts(default_template().read_bytes()) == parts(make())


def test_the_form_is_that_of_gb_t_9704() -> None:
    document = Document(str(default_template()))
    section = document.sections[0]
    width, height, top = section.page_width, section.page_height, section.top_margin
    left, right = section.left_margin, section.right_margin
    assert width and height and top and left and right
    assert [round(length.mm) for length in (width, height, top)] == [210, 297, 37]
    assert round(width.mm - left.mm - right.mm) == 156, "版心宽"
    assert document.styles["Normal"].paragraph_format.line_spacing == Pt(28)
    xml = document.element.xml
    for font in ("方正小标宋简体", "仿宋_GB2312", "黑体", "楷体_GB2312"):
        assert f'w:eastAsia="{font}"' in xml
    title, body = document.paragraphs[0].runs[0], document.paragraphs[3].runs[0]
    assert (title.font.size, body.font.size) == (Pt(22), Pt(16)), "二号、三号"


def test_every_required_field_of_the_statement_is_in_the_template() -> None:
    text = "".join(paragraph.text for paragraph in Document(str(default_template())).paragraphs)
    for words in (
        *("编号", "行政执法机关", "委托机关", "执法类别", "执法事项", "案号（案件名称）", "当事人", "执法环节"),
        *("执法时间", "执法地点", "设备名称", "设备编号", "固件版本", "中断开始时间", "中断结束时间", "中断时长"),
        *("中断原因类别", "中断原因及经过", "无法继续记录的情况", "已采取的措施", "中断期间的执法情况", "替代记录"),
        *("语音说明", "中断前末段编号及校验值", "恢复后首段编号及校验值", "设备日志摘要", "现场执法结束时间"),
        *("执法证号", "签字", "日期", "其他执法人员", "见证人", "审核意见", "审核人", "签名算法"),
    ):
        assert words in text


def test_every_field_people_fill_and_every_cause_has_a_place() -> None:
    xml = Document(str(default_template())).element.xml
    assert [name for name in SAID if f"{{{{ {name} }}}}" not in xml] == []
    assert set(CAUSES) == set(get_args(r.InterruptionCause))

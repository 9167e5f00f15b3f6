"""Makes ``config/templates/statement.docx``: 《音像记录中断情况说明》 in the form of GB/T 9704-2012, filled by docxtpl.

Run after changing it here: ``./dev run python -m tools.make_statement_template``. An agency edits a copy in Word or WPS.
"""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import click
from docx import Document
from docx.document import Document as Doc
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_LINE_SPACING
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Mm, Pt
from docx.text.paragraph import Paragraph

TARGET = Path(__file__).resolve().parents[1] / "config" / "templates" / "statement.docx"

SIZE_2, SIZE_3, SIZE_4 = Pt(22), Pt(16), Pt(14)
"""字号 二号, 三号, 四号."""
LINE = Pt(28)
XIAOBIAOSONG, FANGSONG, HEITI, KAITI, LATIN = "方正小标宋简体", "仿宋_GB2312", "黑体", "楷体_GB2312", "Times New Roman"
FALLBACKS = {
    XIAOBIAOSONG: "方正小标宋_GBK,宋体,SimSun,Noto Serif CJK SC",
    FANGSONG: "仿宋,FangSong,Noto Serif CJK SC",
    HEITI: "SimHei,Noto Sans CJK SC",
    KAITI: "楷体,KaiTi,Noto Serif CJK SC",
}
"""What a machine without the fonts of GB/T 9704 takes instead (``altName`` of the font table)."""

DIGESTS = "三、记录的衔接与校验"
"""Identifiers and digests: one size smaller, they are long."""

SECTIONS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "一、基本情况",
        (
            ("行政执法机关", "{{ agency }}"),
            ("委托机关（受委托执法的填写）", "{{ entrusting_agency }}"),
            ("执法类别", "{{ category }}"),
            ("执法事项", "{{ item }}"),
            ("案号（案件名称）", "{{ case }}"),
            ("当事人", "{{ party }}"),
            ("执法环节", "{{ stage }}"),
            ("执法时间", "{{ time }}"),
            ("执法地点", "{{ place }}"),
            ("设备名称", "{{ device }}"),
            ("设备编号", "{{ unit_id }}"),
            ("固件版本", "{{ firmware }}"),
        ),
    ),
    (
        "二、中断情况",
        (
            ("中断编号", "{{ gap_id }}"),
            ("摄像头", "{{ camera }}"),
            ("中断开始时间", "{{ gap_start }}"),
            ("中断结束时间", "{{ gap_end }}"),
            ("中断时长", "{{ gap_length }}"),
            ("设备登记的原因", "{{ machine_cause }}"),
            (
                "中断原因类别",
                "{% for cause in causes %}{{ cause.box }}{{ cause.name }}　{% endfor %}（{{ other_cause }}）",
            ),
            ("中断原因及经过", "{{ course }}"),
            ("无法继续记录的情况", "{{ inability }}"),
            ("已采取的措施（重启、更换设备、改用照相、录音、文字记录等）", "{{ measures }}"),
            ("中断期间的执法情况", "{{ enforcement }}"),
            ("替代记录（文书名称、文号或者文件编号）", "{{ substitutes }}"),
            (
                "语音说明",
                "{{ voice_box }}已说明（录音编号：{{ voice }}）　{{ no_voice_box }}未说明（理由：{{ no_voice_reason }}）",
            ),
            ("现场执法结束时间", "{{ scene_end }}"),
        ),
    ),
    (
        DIGESTS,
        (
            ("中断前末段编号及校验值", "{{ before }}"),
            ("恢复后首段编号及校验值", "{{ after }}"),
            ("设备日志摘要", "{{ journal }}"),
            ("设备日志校验值（SHA-256）", "{{ journal_digest }}"),
            ("本说明机读数据文件校验值（SHA-256）", "{{ data_sha256 }}"),
            (
                "本说明文件校验值、签名算法、签名值",
                "见各执法人员的签名文件（JWS，ES256，RFC 7515）；签字后本文件不得改动。",
            ),
        ),
    ),
)
ROOM = frozenset({"{{ course }}", "{{ inability }}", "{{ measures }}", "{{ enforcement }}", "{{ substitutes }}"})
"""Fields with an empty line behind them, for the hand."""
SIGNATURE = "执法人员（{{ officer.place }}）姓名：{{ officer.name }}　执法证号：{{ officer.cert_no }}"


def make() -> bytes:
    """The template's bytes, the same each time."""
    document = Document()
    _page(document)
    _body_style(document)
    _page_number(document)
    _text(document, "{{ title }}", XIAOBIAOSONG, SIZE_2, WD_ALIGN_PARAGRAPH.CENTER)
    _text(document, "编号：{{ number }}", FANGSONG, SIZE_3, WD_ALIGN_PARAGRAPH.RIGHT)
    for heading, fields in SECTIONS:
        _indent(_text(document, heading, HEITI, SIZE_3)).paragraph_format.keep_with_next = True
        for label, value in fields:
            line = _indent(_text(document, f"{label}：", KAITI, SIZE_3))
            _run(line, value, FANGSONG, SIZE_4 if heading == DIGESTS else SIZE_3)
            if value in ROOM:
                _text(document, "", FANGSONG, SIZE_3)
    _indent(_text(document, "四、签字", HEITI, SIZE_3))
    _indent(
        _text(
            document,
            "现依照《河北省行政执法全过程记录办法》第二十三条书面说明如上，由两名以上执法人员签字。",
            FANGSONG,
            SIZE_3,
        )
    )
    # docxtpl: {%p … %} takes its own paragraph away.
    _text(document, "{%p for officer in officers %}", FANGSONG, SIZE_3)
    _indent(_text(document, SIGNATURE, FANGSONG, SIZE_3)).paragraph_format.keep_with_next = True
    _indent(_text(document, "签字：　　　　　　　　日期：　　　年　　月　　日", FANGSONG, SIZE_3))
    _text(document, "{%p endfor %}", FANGSONG, SIZE_3)
    for last in ("其他执法人员：", "见证人：", "审核意见：", "审核人：　　　　　　　日期：　　　年　　月　　日"):
        _indent(_text(document, last, FANGSONG, SIZE_3))
    _fonts(document)
    properties = document.core_properties
    properties.title, properties.author, properties.comments = "音像记录中断情况说明", "", ""
    properties.created = properties.modified = datetime(2019, 12, 1, tzinfo=UTC)
    saved = io.BytesIO()
    document.save(saved)
    return _timeless(saved.getvalue())


def _page(document: Doc) -> None:
    """A4, 版心 156 mm × 225 mm: 天头 37 mm, 订口 28 mm."""
    section = document.sections[0]
    section.page_width, section.page_height = Mm(210), Mm(297)
    section.top_margin, section.bottom_margin = Mm(37), Mm(35)
    section.left_margin, section.right_margin = Mm(28), Mm(26)


def _body_style(document: Doc) -> None:
    style = document.styles["Normal"]
    style.font.name, style.font.size = LATIN, SIZE_3
    style.element.rPr.rFonts.set(qn("w:eastAsia"), FANGSONG)
    form = style.paragraph_format
    form.line_spacing_rule, form.line_spacing = WD_LINE_SPACING.EXACTLY, LINE
    form.space_before = form.space_after = Pt(0)


def _page_number(document: Doc) -> None:
    """— 1 —, 四号."""
    paragraph = document.sections[0].footer.paragraphs[0]
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _run(paragraph, "— ", FANGSONG, SIZE_4)
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), "PAGE")
    paragraph._p.append(field)
    _run(paragraph, " —", FANGSONG, SIZE_4)


def _text(
    document: Doc, text: str, font: str, size: Pt, alignment: WD_ALIGN_PARAGRAPH = WD_ALIGN_PARAGRAPH.LEFT
) -> Paragraph:
    paragraph = document.add_paragraph()
    paragraph.alignment = alignment
    _run(paragraph, text, font, size)
    return paragraph


def _run(paragraph: Paragraph, text: str, font: str, size: Pt) -> None:
    run = paragraph.add_run(text)
    run.font.name, run.font.size = LATIN, size
    fonts = run._element.get_or_add_rPr().get_or_add_rFonts()
    fonts.set(qn("w:eastAsia"), font)
    fonts.set(qn("w:hint"), "eastAsia")


def _indent(paragraph: Paragraph) -> Paragraph:
    """首行缩进二字."""
    paragraph.paragraph_format.first_line_indent = SIZE_3 * 2
    return paragraph


def _fonts(document: Doc) -> None:
    names = "".join(
        f'<w:font w:name="{name}"><w:altName w:val="{others}"/><w:charset w:val="86"/><w:family w:val="auto"/></w:font>'
        for name, others in FALLBACKS.items()
    )
    for relation in document.part.rels.values():
        if relation.reltype.endswith("/fontTable"):
            part = relation.target_part
            part._blob = part.blob.replace(b"</w:fonts>", names.encode("utf-8") + b"</w:fonts>")


def _timeless(data: bytes) -> bytes:
    """The archive with one date for all its members."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), old.read(name), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def main() -> None:
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(make())
    click.echo(str(TARGET))


if __name__ == "__main__":
    main()

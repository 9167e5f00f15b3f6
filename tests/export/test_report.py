"""The HTML report: self-contained, escaped, and saying what the verifier found."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from recorder.evidence.verify import Report
from recorder.export.report import render_html, write_report
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import verify_folder
from tests.evidence.verify.vault_builder import VaultBuilder

VOID = {"meta", "br", "rect"}


class Checker(HTMLParser):
    """Tags balanced; collects text, tags and attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style",):
            self.text += data


@pytest.fixture(params=["sound", "troubled"])
def report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


def test_is_well_formed_and_needs_nothing_from_outside(report: Report) -> None:
    html = render_html(report)
    page = Checker(html)
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "a"}
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "href", "action", "srcset", "data"}
    assert not any(name.startswith("on") for name in names)
    values = [value for name, value in page.attributes if name != "xmlns"]
    assert not any("http:" in value or "https:" in value or "//" in value for value in values)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style
    assert not re.search(r"url\((?!#)", html)


def test_valid_report_says_so_in_both_languages(sound: Report) -> None:
    text = Checker(render_html(sound)).text
    assert "有效：" in text
    assert "Valid: " in text
    for segment in sound.vaults[0].segments:
        assert segment.segment_id in text
        assert segment.sha256 is not None
        assert segment.sha256 in text
    for key in sound.vaults[0].keys:
        assert key.fingerprint is not None
        assert key.fingerprint in text
    for receipt in sound.vaults[0].receipts:
        assert receipt.receipt_id in text
    assert "recorder verify" in text


def test_findings_and_gaps_are_in_it_and_valid_is_not(troubled: Report) -> None:
    vault = troubled.vaults[0]
    text = Checker(render_html(troubled)).text
    assert "有效" not in text
    assert "valid" not in text.lower()
    for finding in vault.findings:
        assert finding.zh in text
        assert finding.en in text
    for gap in vault.gaps:
        assert gap.gap_id in text


def test_everything_from_the_evidence_is_escaped(troubled: Report) -> None:
    html = render_html(troubled)
    assert "<script" not in html
    assert "<b>name" not in html
    assert "&lt;b&gt;name.mp4" in html


def test_timeline_shows_every_gap_visibly(troubled: Report) -> None:
    html = render_html(troubled)
    svg = html[html.index("<svg") : html.index("</svg>")]
    bars = re.findall(r'<rect x="[\d.]+" y="\d+" width="([\d.]+)" height="\d+" fill="#c22f2f"><title>', svg)
    assert len(bars) == len(troubled.vaults[0].gaps)
    assert all(float(width) >= 2 for width in bars)


def test_print_style_and_language(sound: Report) -> None:
    html = render_html(sound, generated_at=1_795_000_000.0)
    assert '<html lang="zh-CN">' in html
    assert "@media print" in html
    assert "@page{size:A4" in html
    assert "2026-11-18 19:06:40" in html


def test_written_whole_or_not_at_all(sound: Report, tmp_path: Path) -> None:
    write_report(sound, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(OSError, match=r".+"):
        write_report(sound, tmp_path / "nowhere" / "report.html")


def test_statements_are_shown_with_who_signed_them(agency: TestAgency, tmp_path: Path) -> None:
    b = VaultBuilder(agency)
    b.boot()
    b.shift_start()
    b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    b.wait(4)
    b.session_stop()
    b.statement(gap, [agency.person("<i>张三", "1"), agency.person("李四", "2")])
    html = render_html(verify_folder(agency, b.write(tmp_path / "unit")))
    assert "written statements (art. 23)" in html
    assert "&lt;i&gt;张三 1<br>李四 2" in html and "<i>张三" not in html
    assert "成立 <em>stands</em>" in html

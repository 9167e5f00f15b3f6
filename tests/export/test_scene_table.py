"""The report's table of scenes: what was given, what stays sealed, what was marked; nothing of it can break out."""

from __future__ import annotations

from dataclasses import replace

from recorder.evidence.verify import Report
from recorder.evidence.verify.report import SceneReport, VaultReport
from recorder.export.report import render_html
from recorder.export.scene_table import scenes
from recorder.session.marks import CHECKLIST, MARKS

SCENE = SceneReport(
    officers_least=0,
    officers_most=1,
    mode="全程",
    kind="行政检查",
    stages=("启动", "送达执行"),
    sealed=("item", "documents"),
    matter={"item": "<script>1</script>"},
    covered=("cert-shown", "art22-2"),
    stated_by="speech",
    stated="4.2 s",
)


def vault_of(report: Report, scene: SceneReport) -> VaultReport:
    vault = report.vaults[0]
    return replace(vault, sessions=(replace(vault.sessions[0], scene=scene),))


def test_everything_of_the_scene_is_told(sound: Report) -> None:
    html = scenes(vault_of(sound, SCENE))
    for text in (
        "全程",
        "行政检查",
        "启动",
        "送达执行",
        "0–1",
        "2 / 7",
        "语音说明",
        "4.2 s",
        "密封",
        "执法事项",
        "文书",
    ):
        assert text in html
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert [html.count(f"{sign} {MARKS[kind].zh}") for sign in "✓✗" for kind in CHECKLIST] == [
        *(int(kind in SCENE.covered) for kind in CHECKLIST),
        *(int(kind not in SCENE.covered) for kind in CHECKLIST),
    ]


def test_two_officers_are_no_warning_and_fewer_are(sound: Report) -> None:
    assert 'class="bad"' in scenes(vault_of(sound, SCENE))
    assert 'class="bad"' not in scenes(vault_of(sound, replace(SCENE, officers_least=2, officers_most=2)))


def test_a_reason_that_stays_sealed_is_told_as_such(sound: Report) -> None:
    html = scenes(vault_of(sound, replace(SCENE, sealed=(), stated_by="text", stated=None)))
    assert "自述" in html and "密封" in html


def test_the_table_is_part_of_the_report(sound: Report) -> None:
    assert scenes(sound.vaults[0]) in render_html(sound)

"""From what was read and judged to the report's values."""

from __future__ import annotations

from recorder.evidence.verify.catalogue import AXES, Axis
from recorder.evidence.verify.files import FileCheck
from recorder.evidence.verify.findings import Findings, worst
from recorder.evidence.verify.judging import Judge
from recorder.evidence.verify.keys import KeyRing
from recorder.evidence.verify.report import Axes, OfficerReport, SceneReport, SegmentReport, SessionReport, TimeRange
from recorder.evidence.verify.scene import SEALED, Scene
from recorder.evidence.verify.state import Claims, Ledger, Segment
from recorder.session.marks import covered

SEGMENT_AXES: tuple[Axis, ...] = ("integrity", "anchor", "key", "time")


def segment_reports(
    ledger: Ledger, judge: Judge, files: FileCheck, ring: KeyRing, findings: Findings
) -> tuple[SegmentReport, ...]:
    """One report per segment, in the order of the journal."""
    found: dict[str, list[str]] = {}
    for finding in findings.findings:
        if finding.axis == "integrity" and finding.value is not None and finding.subject.startswith("segment "):
            found.setdefault(finding.subject.removeprefix("segment "), []).append(finding.value)
    return tuple(
        _segment(segment, ledger, judge, files, ring, found.get(segment.segment_id, []))
        for segment in ledger.segments.values()
    )


def _segment(
    segment: Segment, ledger: Ledger, judge: Judge, files: FileCheck, ring: KeyRing, values: list[str]
) -> SegmentReport:
    claims = segment.claims
    verdict = judge.time(claims)
    key = ring.keys.get(segment.kid)
    axes: Axes = {
        "integrity": worst("integrity", values),
        "anchor": judge.segment_anchor(claims),
        "key": judge.key_status(key, claims.last_seq, claims.last_iat) if key is not None else "untrusted",
        "time": "proven" if verdict.proven else "claimed",
    }
    boot = ledger.boots[segment.boot]
    return SegmentReport(
        segment_id=segment.segment_id,
        session_id=segment.session_id,
        camera_id=segment.camera_id,
        role=segment.role,
        index=segment.index,
        state=segment.state,
        file=files.states.get(segment.segment_id, "none"),
        time=TimeRange(boot.wall(segment.start_us), boot.wall(segment.end_us), verdict.lower, verdict.upper),
        length_us=segment.end_us - segment.start_us,
        size=segment.size or segment.signed_end,
        sha256=segment.sha256,
        entries=segment.entries,
        frames=segment.frames,
        opened=files.opened.get(segment.segment_id),
        axes=axes,
    )


def session_reports(ledger: Ledger, judge: Judge) -> tuple[SessionReport, ...]:
    """One report per session; adds the findings of the time axis."""
    verdicts = judge.sessions()
    return tuple(
        SessionReport(
            session_id=session.session_id,
            trigger=session.trigger,
            cameras=session.cameras,
            officers=session.officers,
            segments=session.segments,
            marks=session.marks,
            ended=session.stop_reason,
            time=_range(session.claims, verdicts[session.session_id].lower, verdicts[session.session_id].upper),
            proven=verdicts[session.session_id].proven,
            scene=_scene(ledger.scenes[session.session_id]),
        )
        for session in ledger.sessions.values()
    )


def _scene(scene: Scene) -> SceneReport:
    stated = scene.stated
    said: str | None = None
    if stated is not None and stated.by == "speech":
        length_us = sum(end - start for start, end in stated.spoken)
        said = f"{length_us / 1e6:.1f} s"
    elif stated is not None:
        said = stated.choice or scene.stated_text
    return SceneReport(
        officers_least=scene.officers_least,
        officers_most=scene.officers_most,
        mode=scene.mode,
        kind=scene.kind,
        stages=tuple(scene.stages),
        sealed=tuple(name for name in SEALED if name in scene.sealed),
        matter={name: scene.opened[name] for name in SEALED if name in scene.opened},
        covered=covered(scene.marked),
        stated_by=None if stated is None else stated.by,
        stated=said,
    )


def _range(claims: Claims, lower: float | None, upper: float | None) -> TimeRange:
    return TimeRange(claims.first_iat, claims.last_iat, lower, upper)


def officer_reports(ledger: Ledger) -> tuple[OfficerReport, ...]:
    return tuple(OfficerReport(o.iat, o.officer_ref, o.name, o.cert_no) for o in ledger.officers)


def proven(axes: Axes) -> bool:
    """A segment's axes are all at their best."""
    return all(axes[axis] == AXES[axis][0] for axis in SEGMENT_AXES)

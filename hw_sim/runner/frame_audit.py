"""Every frame of the recorded files by its counter: which the sensor made, which are in the files, how often.

This is independent of what recorder and journal say of themselves: it opens the sealed files with the agency's identity,
decodes them and reads the counter the simulated sensor painted into each frame.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from hw_sim.devices.counter import read_file
from hw_sim.libcamera_stand_in.witness import delivered, log_path
from hw_sim.runner.journal_view import JournalView, SegmentView
from recorder.evidence.age import parse_identities
from recorder.evidence.age_reader import AgeReader


@dataclass(frozen=True, slots=True)
class SeenFrame:
    counter: int | None
    at_us: int


@dataclass(frozen=True, slots=True)
class FrameAudit:
    """``captured``: frames the sensor produced while recorded, by its counters; ``missing`` are those neither in a file
    nor declared dropped; ``unreadable`` frames decode but carry no valid counter. ``unlike_sensor``: frames that are in the
    files and were not delivered by the sensor, or the other way round; None where the sensor keeps no list."""

    in_files: int
    captured: int
    declared_dropped: int
    missing: int
    repeated: int
    unreadable: int
    unopened: tuple[str, ...]
    last_frame_us: dict[str, int]
    unlike_sensor: int | None = None


def frames_of(plain: bytes, media_start_us: int) -> list[SeenFrame]:
    """Decode a plain segment. A torn last fragment is cut by the demuxer; what decodes counts. Raises av.FFmpegError."""
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(plain)
        file.flush()
        return [SeenFrame(frame.counter, media_start_us + frame.at_us) for frame in read_file(Path(file.name))]


def audit(view: JournalView, open_segment: OpenSegment, frame_logs: Path | None = None) -> FrameAudit:
    """Check all segments of a run. Counters must run on without a hole from segment to segment of one boot, except
    across a recorded gap. ``frame_logs``: where the sensor keeps its own list, if it does (``camera.frame_log``)."""
    in_files = captured = dropped = missing = repeated = unreadable = 0
    unopened: list[str] = []
    last_frame: dict[str, int] = {}
    gap_starts = {gap.last_segment_id for gap in view.gaps.values()}
    order = sorted(view.segments.values(), key=lambda s: (view.boots.index(s.boot), s.camera_id, s.media_start_us))
    previous: tuple[SegmentView, int] | None = None
    truth = _Truth(frame_logs)
    for segment in order:
        if segment.state in ("empty", "missing"):
            continue
        plain = open_segment(segment)
        if plain is None:
            unopened.append(segment.segment_id)
            continue
        try:
            frames = frames_of(plain, segment.media_start_us)
        except av.FFmpegError:
            # Cut before its first fragment, a file has tracks and no frame: nothing was lost that had been signed.
            if segment.entries > 1 or segment.state == "closed":
                unopened.append(segment.segment_id)
            continue
        in_files += len(frames)
        dropped += segment.dropped_frames
        unreadable += sum(frame.counter is None for frame in frames)
        counters = [frame.counter for frame in frames if frame.counter is not None]
        if not counters:
            continue
        last_frame[segment.segment_id] = frames[-1].at_us
        truth.compare(segment, counters, counters[0], counters[-1])
        if previous is not None:
            before, last = previous
            joined = (
                before.session_id == segment.session_id
                and before.boot == segment.boot
                and before.camera_id == segment.camera_id
                and before.segment_id not in gap_starts
            )
            if joined:
                truth.compare(segment, [], last + 1, counters[0] - 1)
                captured += counters[0] - last - 1
                missing += max(0, counters[0] - last - 1)
                repeated += max(0, last + 1 - counters[0])
        captured += counters[-1] - counters[0] + 1
        steps = np.diff(np.array(counters))
        missing += int(np.clip(steps - 1, 0, None).sum())
        repeated += int((steps < 1).sum())
        previous = (segment, counters[-1])
    return FrameAudit(
        in_files=in_files,
        captured=captured,
        declared_dropped=dropped,
        missing=max(0, missing - dropped),
        repeated=repeated,
        unreadable=unreadable,
        unopened=tuple(unopened),
        last_frame_us=last_frame,
        unlike_sensor=truth.unlike,
    )


class _Truth:
    """The sensor's own lists beside the frames of the files."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lists: dict[Path, set[int]] = {}
        self.unlike: int | None = None

    def compare(self, segment: SegmentView, counters: list[int], first: int, last: int) -> None:
        """``counters`` should be the frames that were delivered from ``first`` to ``last``."""
        path = None if self._folder is None else log_path(str(self._folder), segment.boot, segment.camera_id)
        if path is None or not path.exists():
            return
        if path not in self._lists:
            self._lists[path] = delivered(path)
        true = {n for n in self._lists[path] if first <= n <= last}
        self.unlike = (self.unlike or 0) + len(true ^ set(counters))


class OpenSegment:
    """Finds a segment's file in the unit's folder or in the store's vault and opens it with the agency's identity."""

    def __init__(self, folders: list[Path], identity_file: Path) -> None:
        self._folders = folders
        self._identities = parse_identities(identity_file.read_text(encoding="utf-8"))

    def __call__(self, segment: SegmentView) -> bytes | None:
        name = f"{segment.segment_id}.mp4" + (".age" if segment.sealed else "")
        for folder in self._folders:
            path = folder / "segments" / segment.session_id / name
            if path.is_file():
                return self._plain(path, segment.sealed)
        return None

    def _plain(self, path: Path, sealed: bool) -> bytes:
        if not sealed:
            return path.read_bytes()
        # A file cut by a power loss has no final chunk: every authentic chunk before the cut counts.
        with path.open("rb") as stream:
            return b"".join(AgeReader(stream, self._identities).chunks())

"""Worker messages as journal records."""

from __future__ import annotations

from recorder.channel import messages
from recorder.evidence.records import Encryption, Media, SealedField, SegmentClose, SegmentOpen


def segment_open(message: messages.Opened, overlay: SealedField | None) -> SegmentOpen:
    return SegmentOpen(
        session_id=message.session_id,
        segment_id=message.segment_id,
        segment_index=message.segment_index,
        camera_id=message.camera_id,
        role=message.role,
        media_start_us=message.media_start_us,
        media=Media(
            mime="video/mp4",
            codecs=message.codecs,
            width=message.width,
            height=message.height,
            frame_rate=message.frame_rate,
            audio_rate=message.audio_rate,
        ),
        encryption=Encryption(format="age-v1" if message.recipients else "none", recipients=message.recipients),
        overlay=overlay,
    )


def segment_close(message: messages.Closed) -> SegmentClose:
    return SegmentClose(
        session_id=message.session_id,
        segment_id=message.segment_id,
        camera_id=message.camera_id,
        reason=message.reason,
        entries=message.entries,
        size=message.size,
        sha256=message.sha256,
        plaintext_size=message.plaintext_size,
        plaintext_sha256=message.plaintext_sha256,
        media_start_us=message.media_start_us,
        media_end_us=message.media_end_us,
        frames=message.frames,
        dropped_frames=message.dropped_frames,
        audio_gaps_us=message.audio_gaps_us,
        fix_seconds=message.fix_seconds,
    )

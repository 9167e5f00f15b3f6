"""A start with a long journal reads its end only (design §10: 10 000 segments, two seconds to standby)."""

from __future__ import annotations

from pathlib import Path

from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles
from recorder.evidence.journal import Journal
from recorder.evidence.records import Encryption, Head, SegmentClose, SegmentOpen, SessionStart
from recorder.evidence.recovery import recover
from tests.evidence.kit import BOOT, ToldClock, counting_ids, signer
from tests.evidence.unit_model import MEDIA
from tests.support import tier

SEGMENTS = {"quick": 1000, "ci": 10_000, "nightly": 10_000}[tier()]
HEADS = 3
CHECKPOINT = 512


class CountingFiles(OsFiles):
    """The real disk, counting what is read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes_read = 0

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        data = super().read_at(path, offset, size)
        self.bytes_read += len(data)
        return data


def fill(journal: Journal, segments: int) -> None:
    ids = counting_ids(4)
    digest = sha256_b64u(b"x")
    session_id = ids()
    journal.append(
        SessionStart(
            session_id=session_id,
            shift_id=None,
            trigger="button",
            resumes=None,
            at_us=1,
            cameras=("cam0",),
            officers=0,
            matter=None,
            last_receipt=None,
        ),
        sync=False,
    )
    for index in range(segments):
        segment_id = ids()
        journal.append(
            SegmentOpen(
                session_id=session_id,
                segment_id=segment_id,
                segment_index=index,
                camera_id="cam0",
                role="live",
                media_start_us=index,
                media=MEDIA,
                encryption=Encryption(format="age-v1", recipients=()),
                overlay=None,
            ),
            sync=False,
        )
        for head in range(HEADS):
            entry = (head * 65552, 65552, digest, digest, index)
            journal.append(Head(segment_id=segment_id, first=head, entries=(entry,)), sync=False)
        journal.append(
            SegmentClose(
                session_id=session_id,
                segment_id=segment_id,
                camera_id="cam0",
                reason="split",
                entries=HEADS,
                size=HEADS * 65552,
                sha256=digest,
                plaintext_size=1,
                plaintext_sha256=digest,
                media_start_us=index,
                media_end_us=index,
                frames=1,
                dropped_frames=0,
                audio_gaps_us=0,
                fix_seconds=0,
            ),
            sync=False,
        )
        if index % 480 == 479:
            journal.rotate()
    journal.sync()


def test_a_start_reads_only_what_follows_the_last_checkpoint(tmp_path: Path) -> None:
    files, clock = CountingFiles(), ToldClock()
    journal = recover(tmp_path, signer(), clock, files, BOOT, checkpoint_records=CHECKPOINT).journal
    fill(journal, SEGMENTS)
    total = sum(path.stat().st_size for path in (tmp_path / "journal").glob("*.jws"))
    files.bytes_read = 0
    recovered = recover(tmp_path, signer(), clock, files, BOOT, checkpoint_records=CHECKPOINT)
    assert recovered.findings == ()
    assert recovered.before.next_seq == journal.state.next_seq
    assert recovered.before.session is not None
    assert recovered.before.session.next_index == {"cam0": SEGMENTS}
    # A checkpoint's interval read twice (backward to find it, forward to verify), in blocks; never the whole.
    bound = 3 * CHECKPOINT * 1500 + 1_500_000
    assert files.bytes_read < bound < total * 0.9

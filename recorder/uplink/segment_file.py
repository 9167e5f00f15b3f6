"""A closed segment's file on the card: is it there, is it as long as the journal says, are its bytes still the same."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from recorder.evidence.encoding import b64u
from recorder.uplink.facts import Segment
from recorder.uplink.faults import SEGMENT_ALTERED, SEGMENT_MISSING, SEGMENT_SIZE, SEGMENT_UNREADABLE, UplinkFault
from recorder.uplink.sending import BLOCK

SUFFIXES: Final = (".mp4.age", ".mp4")


def segment_file(segments_dir: Path, segment: Segment) -> Path:
    """Sealed or not. Raises UplinkFault when it is missing, unreadable or of another size."""
    directory = segments_dir / segment.session_id
    for suffix in SUFFIXES:
        path = directory / f"{segment.segment_id}{suffix}"
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UplinkFault(SEGMENT_UNREADABLE, str(error), subject=segment.segment_id) from error
        if size != segment.size:
            raise UplinkFault(SEGMENT_SIZE, f"{path.name}: {size}, 日志 journal {segment.size}")
        return path
    raise UplinkFault(SEGMENT_MISSING, f"{directory}/{segment.segment_id}")


def check_digest(segment: Segment, path: Path) -> None:
    """After 460: were our own bytes wrong, or the way? Raises ``segment-altered`` when the card has changed them."""
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                digest.update(block)
    except OSError as error:
        raise UplinkFault(SEGMENT_UNREADABLE, str(error), subject=segment.segment_id) from error
    if b64u(digest.digest()) != segment.sha256:
        raise UplinkFault(SEGMENT_ALTERED, path.name, subject=segment.segment_id)

"""Whether lines a store says were lost are here after all: our own, verified, found by position and not by reading it all.

Within a file lines stand in the order of their numbers, so the place where a gap would be is found by halving. Only lines
that verify count: damage may read as a line with any number.
"""

from __future__ import annotations

from pathlib import Path

from recorder.evidence.files import Files
from recorder.evidence.journal_loader import Keyring
from recorder.evidence.journal_reader import journal_files, raw_lines
from recorder.evidence.jws import JwsError

NEAR = 1 << 16
"""Bytes that are read on rather than halved again."""
MOST = 256
"""Lines of a run that are looked at: it is the fact that they are here that matters, not how many."""


def held_lines(
    files: Files, directory: Path, journal_id: str, ring: Keyring, first: int, last: int
) -> tuple[int, int] | None:
    """(first, last) of the first run of our own verified lines with numbers ``first`` … ``last``, at most :data:`MOST` of
    them; None: none of these lines is here. Raises OSError."""
    listed = journal_files(files, directory)
    for index, file in enumerate(listed):
        following = listed[index + 1].first_seq if index + 1 < len(listed) else None
        if file.first_seq > last:
            break
        if following is not None and following <= first:
            continue
        # What is not below the next file's name is superseded by that file, which holds the same lines.
        end = last if following is None else min(last, following - 1)
        run = _Search(files, file.path, journal_id, ring).run(max(first, file.first_seq), end)
        if run is not None:
            return run
    return None


class _Search:
    def __init__(self, files: Files, path: Path, journal_id: str, ring: Keyring) -> None:
        self._files = files
        self._path = path
        self._journal_id = journal_id
        self._ring = ring

    def run(self, first: int, last: int) -> tuple[int, int] | None:
        found: tuple[int, int] | None = None
        for piece in raw_lines(self._files, self._path, self._before(first)):
            seq = self._seq(piece.raw) if piece.complete else None
            if seq is None or seq < first:
                continue
            if seq > last or (found is not None and (seq != found[1] + 1 or seq - found[0] >= MOST)):
                break
            found = (seq if found is None else found[0], seq)
        return found

    def _before(self, first: int) -> int:
        """A line's beginning before which every line that verifies has a number below ``first``."""
        low, high = 0, self._files.size(self._path) or 0
        while high - low > NEAR:
            middle = (low + high) // 2
            probe = self._probe(middle, high)
            if probe is None or probe[0] >= first:
                high = middle
            else:
                low = probe[1]
        return low

    def _probe(self, start: int, end: int) -> tuple[int, int] | None:
        """(number, where it ends) of the first line that begins behind ``start``, lies before ``end`` and verifies."""
        pieces = raw_lines(self._files, self._path, start)
        next(pieces, None)  # the middle of a line, or one that begins just here
        for piece in pieces:
            if piece.end > end:
                return None
            seq = self._seq(piece.raw) if piece.complete else None
            if seq is not None:
                return seq, piece.end
        return None

    def _seq(self, raw: bytes) -> int | None:
        try:
            payload = self._ring.verify(raw).payload
        except JwsError:
            return None
        return int(payload["seq"]) if payload.get("journal_id") == self._journal_id else None

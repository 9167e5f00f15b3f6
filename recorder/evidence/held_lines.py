"""Whether lines a store says were lost are here after all: our own, verified, found by position and not by reading it all.

Within a file lines stand in the order of their numbers, so the place where a gap would be is found by halving. Only lines
that verify count: damage may read as a line with any number. A line of this journal under a key that is not at hand (the
device key was replaced) cannot be verified. With a number of the gap it counts as held, for nobody may confirm it as lost;
as to where in the file it stands, it is believed only when it continues the chain of the line before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files
from recorder.evidence.journal_loader import Keyring
from recorder.evidence.journal_reader import RawLine, journal_files, parse, raw_lines
from recorder.evidence.jws import JwsError, Parts

NEAR = 1 << 16
"""Bytes that are read on rather than halved again."""
MOST = 8
"""Lines of a run that are looked at: it is the fact that they are here that matters, not how many. Each is a signature to
verify, in the unit's loop."""


def held_lines(
    files: Files, directory: Path, journal_id: str, ring: Keyring, first: int, last: int
) -> tuple[int, int] | None:
    """(first, last) of the first run of our own lines with numbers ``first`` … ``last``, at most :data:`MOST` of
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
        for piece, parts, follows in self._lines(self._before(first)):
            seq = int(parts.payload["seq"])
            if seq < first:
                continue
            if seq > last:
                if self._ours(piece, parts, follows):
                    break
                continue
            if not self._ours(piece, parts, True):
                continue
            if found is not None and (seq != found[1] + 1 or seq - found[0] >= MOST):
                break
            found = (seq if found is None else found[0], seq)
        return found

    def _before(self, first: int) -> int:
        """A line's beginning before which every line that counts has a number below ``first``."""
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
        """(number, where it ends) of a line that begins behind ``start``, lies before ``end`` and is surely ours."""
        # The first one skipped: the middle of a line, or one that begins just here.
        for piece, parts, follows in self._lines(start, skip=1, end=end):
            if self._ours(piece, parts, follows):
                return int(parts.payload["seq"]), piece.end
        return None

    def _lines(self, start: int, skip: int = 0, end: int | None = None) -> Iterator[tuple[RawLine, Parts, bool]]:
        """Lines that read as this journal's, and whether each continues the chain of the one before it."""
        expected: tuple[int, str] | None = None
        for piece in islice(raw_lines(self._files, self._path, start), skip, None):
            if end is not None and piece.end > end:
                return
            try:
                parts = parse(piece.raw) if piece.complete else None
            except JwsError:
                parts = None
            if parts is None or parts.payload.get("journal_id") != self._journal_id:
                expected = None
                continue
            seq = int(parts.payload["seq"])
            yield piece, parts, (seq, parts.payload["prev"]) == expected
            expected = (seq + 1, sha256_b64u(piece.raw))

    def _ours(self, piece: RawLine, parts: Parts, follows: bool) -> bool:
        """It verifies; or its key is not at hand and ``follows``."""
        try:
            self._ring.verify(piece.raw)
        except JwsError:
            return follows and not self._ring.knows(parts.kid)
        return True

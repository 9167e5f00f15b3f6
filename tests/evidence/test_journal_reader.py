from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence import journal_reader
from recorder.evidence.journal_reader import iterate, line_digest, parse, raw_lines, raw_lines_backward
from recorder.evidence.jws import MAX_LINE, JwsError
from tests.evidence.simulated_disk import SimulatedDisk

FILE = Path("/j/000000000000.jws")


def lines_of(data: bytes) -> list[tuple[bytes, int, bool]]:
    disk = SimulatedDisk()
    disk.put(FILE, data)
    return [(line.raw, line.offset, line.complete) for line in raw_lines(disk, FILE)]


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"")), max_size=8), st.booleans())
def test_lines_forward_and_backward_are_the_file(pieces: list[bytes], finished: bool) -> None:
    data = b"\n".join(pieces) + (b"\n" if finished and pieces else b"")
    disk = SimulatedDisk()
    disk.put(FILE, data)
    forward = list(raw_lines(disk, FILE))
    assert b"".join(line.raw + b"\n" * line.complete for line in forward) == data
    assert all(data[line.offset : line.offset + len(line.raw)] == line.raw for line in forward)
    assert list(raw_lines_backward(disk, FILE)) == forward[::-1]
    for line in forward:
        assert next(raw_lines(disk, FILE, line.offset)) == line


@settings(max_examples=60)
@given(st.lists(st.integers(0, 30), max_size=30), st.integers(1, 40))
def test_blocks_of_any_size_give_the_same_lines(lengths: list[int], block: int) -> None:
    data = b"".join(bytes([65 + index % 26]) * length + b"\n" for index, length in enumerate(lengths)) + b"rest"
    disk = SimulatedDisk()
    disk.put(FILE, data)
    whole = list(raw_lines(disk, FILE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_reader, "_BLOCK", block)
        assert list(raw_lines(disk, FILE)) == whole
        assert list(raw_lines_backward(disk, FILE)) == whole[::-1]


def test_endless_garbage_comes_in_pieces() -> None:
    garbage = bytes(5 * MAX_LINE)
    pieces = lines_of(garbage + b"\nrest\n")
    assert all(len(raw) <= 2 * MAX_LINE for raw, _, _ in pieces)
    assert pieces[-1] == (b"rest", len(garbage) + 1, True)
    disk = SimulatedDisk()
    disk.put(FILE, garbage)
    assert sum(len(line.raw) for line in raw_lines_backward(disk, FILE)) == len(garbage)


@pytest.mark.parametrize("raw", [b"", b"x", b"\xff.\xff.\xff", b"e30.e30." + b"A" * 86])
def test_what_is_no_journal_line_is_refused(raw: bytes) -> None:
    with pytest.raises(JwsError):
        parse(raw)


def test_a_missing_folder_is_an_empty_journal() -> None:
    assert list(iterate(SimulatedDisk(), Path("/nowhere"))) == []
    assert line_digest(SimulatedDisk(), Path("/nowhere"), 0) is None

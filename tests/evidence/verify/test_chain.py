"""The journal's end and seams: torn is told from altered, repeated from replayed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.verify.chain import Chain
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.lines import JournalFiles
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check, codes, notes, verify_folder
from tests.evidence.verify.vault_builder import VaultBuilder

AGENCY = TestAgency()


def open_shift() -> VaultBuilder:
    b = VaultBuilder(AGENCY)
    b.boot()
    b.shift_start()
    for _ in range(4):
        b.standby(10)
    return b


BUILT = open_shift()
WHOLE = "".join(f"{line}\n" for line in BUILT.lines).encode()
LAST = len(BUILT.lines[-1]) + 1


def read(folder: Path) -> tuple[Chain, Findings]:
    findings = Findings()
    chain = Chain(findings, lambda key: True)
    for raw in JournalFiles(folder).lines():
        chain.feed(raw)
    chain.finish()
    return chain, findings


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain") / "journal"
    folder.mkdir()
    return folder


@given(cut=st.integers(1, LAST - 1))
@settings(max_examples=60, deadline=None)
def test_a_line_cut_anywhere_is_a_torn_tail(journal: Path, cut: int) -> None:
    (journal / "000000000000.jws").write_bytes(WHOLE[:-cut])
    chain, findings = read(journal)
    assert set(findings.counts) == {"journal-torn"}
    assert chain.next_seq == BUILT.seq - 1


@given(cut=st.integers(1, LAST - 2), fill=st.sampled_from([b"\0", b"\xff", b"x\n", b"{}", b"..\n"]))
@settings(max_examples=60, deadline=None)
def test_a_torn_line_followed_by_rubbish_is_a_torn_tail(journal: Path, cut: int, fill: bytes) -> None:
    (journal / "000000000000.jws").write_bytes(WHOLE[:-cut] + fill * 50)
    chain, findings = read(journal)
    assert set(findings.counts) == {"journal-torn"}
    assert chain.next_seq == BUILT.seq - 1


@given(position=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
@settings(max_examples=150, deadline=None)
def test_a_flipped_bit_anywhere_is_found(journal: Path, position: int, bit: int) -> None:
    data = bytearray(WHOLE)
    data[position] ^= 1 << bit
    (journal / "000000000000.jws").write_bytes(bytes(data))
    _, findings = read(journal)
    assert findings.found() >= 1
    assert findings.axes()["integrity"] != "intact"


def test_an_edited_last_line_is_altered_and_not_torn(journal: Path) -> None:
    lines = BUILT.lines
    head, payload, signature = lines[-1].split(".")
    flipped = ("B" if signature[0] != "B" else "C") + signature[1:]
    text = "\n".join([*lines[:-1], f"{head}.{payload}.{flipped}"]) + "\n"
    (journal / "000000000000.jws").write_text(text, encoding="ascii")
    _, findings = read(journal)
    assert set(findings.counts) == {"journal-line-altered"}


def test_nothing_counts_when_the_first_line_is_bad(journal: Path) -> None:
    (journal / "000000000000.jws").write_bytes(b"rubbish\n")
    chain, findings = read(journal)
    assert set(findings.counts) == {"journal-unverifiable"}
    assert chain.next_seq == 0


def test_lines_repeated_after_a_storage_error_are_a_note(tmp_path: Path) -> None:
    b = open_shift()
    repeated = b.files[-1][-3:]
    b.rotate()
    b.files[-1] = [*repeated, *b.files[-1]]
    b.first_seqs[-1] -= 3
    b.shift_end()
    b.receipt()
    vault = check(b, tmp_path)
    assert vault.valid
    assert notes(vault) == {"journal-repeated-lines"}


def test_a_torn_end_that_the_next_file_continues_is_a_note(tmp_path: Path) -> None:
    b = open_shift()
    b.rotate()
    torn = b.files[-2].pop()  # did not reach the old file whole …
    b.files[-1].insert(0, torn)  # … and was written again, byte for byte, to the new one
    b.first_seqs[-1] -= 1
    b.shift_end()
    b.receipt()
    folder = tmp_path / "unit"
    b.write(folder)
    first = folder / "journal" / "000000000000.jws"
    first.write_bytes(first.read_bytes() + torn[:200].encode())
    vault = verify_folder(AGENCY, folder).vaults[0]
    assert vault.valid
    assert notes(vault) == {"journal-torn-continued"}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_last_file_that_only_repeats_is_incomplete_for_a_power_cut_leaves_such_too(
    tmp_path: Path, count: int
) -> None:
    b = open_shift()
    b.files.append(b.files[-1][-3:][:count])
    b.first_seqs.append(b.seq - 3)
    vault = check(b, tmp_path)
    assert "journal-repeat-unfinished" in codes(vault)
    assert "journal-lines-repeated" not in codes(vault)
    assert vault.axes["integrity"] == "incomplete"


def test_a_file_that_only_repeats_with_later_files_behind_it_is_a_replay(tmp_path: Path) -> None:
    """A unit's file goes on with a new line, whatever fails behind it, and its start sets aside one that does not."""
    b = open_shift()
    b.files.append(list(b.files[-1][-3:]))
    b.first_seqs.append(b.seq - 3)
    b.rotate()
    b.shift_end()
    vault = check(b, tmp_path)
    assert "journal-lines-repeated" in codes(vault)
    assert vault.axes["integrity"] == "altered"


def test_lines_repeated_at_the_end_of_the_same_file_are_a_replay(tmp_path: Path) -> None:
    b = open_shift()
    b.files[-1] = [*b.files[-1], *b.files[-1][-3:]]
    assert "journal-lines-repeated" in codes(check(b, tmp_path))


def test_a_last_file_that_repeats_and_is_not_named_by_its_first_line_is_a_replay(tmp_path: Path) -> None:
    b = open_shift()
    b.files.append(list(b.files[-1][-3:]))
    b.first_seqs.append(b.seq)
    assert codes(check(b, tmp_path)) >= {"journal-lines-repeated", "journal-file-misnamed"}


def test_lines_of_another_journal_are_named(tmp_path: Path) -> None:
    b, other = open_shift(), VaultBuilder(AGENCY, seed=9)
    other.signer = b.signer
    other.boot()
    b.files[-1].insert(3, other.lines[0])
    assert "journal-foreign-line" in codes(check(b, tmp_path))


def test_a_chain_broken_without_a_lost_number(tmp_path: Path) -> None:
    b = open_shift()
    b.prev = "A" * 43
    b.standby(1)
    assert codes(check(b, tmp_path)) >= {"journal-chain-broken"}


def test_a_key_change_by_a_later_boot_of_the_same_unit_is_no_finding(tmp_path: Path) -> None:
    b = open_shift()
    b.shift_end()
    b.signer = AGENCY.issue(b.unit_id, serial=8)
    b.boot(off_s=60)
    b.shift_start()
    b.shift_end()
    b.receipt()
    vault = check(b, tmp_path)
    assert vault.valid
    assert len(vault.keys) == 2

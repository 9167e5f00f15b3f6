"""Promise 4: any change shows, and is named. Each attack is run on a vault that verifies as valid without it.

The first twelve are the table of the design's integrity study; each is run with the store's receipts and without any, and
what the chain alone cannot show is pinned too, so that nobody believes it could.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import jws
from recorder.evidence.encoding import b64u, compact_json, sha256_b64u, unb64u
from recorder.evidence.records import Head, ReceiptRecord, Recovery
from recorder.evidence.signer import FileSigner
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import codes, subjects, verify_folder
from tests.evidence.verify.vault_builder import BuiltSegment, VaultBuilder, sound_vault


@dataclass(slots=True)
class Scene:
    """A sound vault on disk, and the hands of an attacker."""

    builder: VaultBuilder
    folder: Path

    @property
    def segments(self) -> list[BuiltSegment]:
        return list(self.builder.segments.values())

    def path(self, number: int) -> Path:
        return self.folder / self.segments[number].name

    @property
    def journal(self) -> list[Path]:
        return sorted((self.folder / "journal").glob("*.jws"))

    def lines(self, file: int = -1) -> list[str]:
        return self.journal[file].read_text(encoding="ascii").splitlines()

    def write_lines(self, lines: list[str], file: int = -1) -> None:
        self.journal[file].write_text("".join(f"{line}\n" for line in lines), encoding="ascii")

    def edit_file(self, number: int, change: Callable[[bytearray], object]) -> None:
        data = bytearray(self.path(number).read_bytes())
        change(data)
        self.path(number).write_bytes(bytes(data))

    def resign(self, lines: list[str], signer: FileSigner, more: int = 0) -> None:
        """The journal anew from these lines, chained and signed: what root with the device key can do."""
        prev: str | None = None
        fresh: list[str] = []
        for line in lines:
            parts = jws.split(line)
            text = jws.sign(parts.typ, {**parts.payload, "seq": len(fresh), "prev": prev}, signer)
            prev = sha256_b64u(text.encode("ascii"))
            fresh.append(text)
        for _ in range(more):
            parts = jws.split(fresh[-1])
            payload = {**parts.payload, "seq": len(fresh), "prev": prev}
            event = {key: payload[key] for key in list(payload)[:9]}
            event |= {"event": "access", "at_us": payload["uptime_us"], "detail": {}}
            text = jws.sign("event", event, signer)
            prev = sha256_b64u(text.encode("ascii"))
            fresh.append(text)
        for path in self.journal:
            path.unlink()
        (self.folder / "journal" / f"{0:012d}.jws").write_text("".join(f"{x}\n" for x in fresh), encoding="ascii")


def payload_of(line: str) -> dict[str, Any]:
    return jws.split(line).payload


def about(line: str, segment: BuiltSegment) -> bool:
    return payload_of(line).get("segment_id") == segment.segment_id


# --- the twelve of the study, in its order ---------------------------------------------------------------------------


def bit_flip(s: Scene) -> None:
    offset = s.segments[1].entry_offset(2) + 40
    s.edit_file(1, lambda data: data.__setitem__(offset, data[offset] ^ 1))


def truncate_closed(s: Scene) -> None:
    s.edit_file(2, lambda data: data.__delitem__(slice(s.segments[2].entry_offset(4) + 3, None)))


def append_a_byte(s: Scene) -> None:
    s.edit_file(0, lambda data: data.append(0x78))


def swap_files(s: Scene) -> None:
    a, b = s.path(0), s.path(1)
    data = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(data)


def delete_file(s: Scene) -> None:
    s.path(1).unlink()


def remove_middle_records(s: Scene) -> None:
    s.write_lines([line for line in s.lines(0) if not about(line, s.segments[1])], 0)


def edit_record(s: Scene) -> None:
    lines = s.lines(0)
    index = next(i for i, line in enumerate(lines) if about(line, s.segments[1]))
    header, payload, signature = lines[index].split(".")
    changed = unb64u(payload).replace(b'"segment_index":1', b'"segment_index":9')
    lines[index] = f"{header}.{b64u(changed)}.{signature}"
    s.write_lines(lines, 0)


def replay_records(s: Scene) -> None:
    s.write_lines([*s.lines(), *s.lines(0)[1:4]])


def foreign_key(s: Scene) -> None:
    stranger = TestAgency(name="somebody").issue(s.builder.unit_id)
    lines = [line for path in range(2) for line in s.lines(path)]
    first = payload_of(lines[0]) | {"x5c": list(stranger.x5c)}
    lines[0] = jws.sign("boot", first, stranger)
    s.resign(lines, stranger)


def remove_newest_segment_and_tail(s: Scene) -> None:
    lines = s.lines()
    cut = next(i for i, line in enumerate(lines) if about(line, s.segments[-1]))
    s.write_lines(lines[:cut])
    s.path(-1).unlink()


def fake_power_cut(s: Scene) -> None:
    """The newest segment looks as if power had gone while it was written."""
    newest = s.segments[-1]
    lines = s.lines()
    last_head = max(i for i, line in enumerate(lines) if about(line, newest) and jws.split(line).typ == "head")
    s.write_lines(lines[:last_head])
    entries = payload_of(lines[last_head])["entries"]
    s.edit_file(-1, lambda data: data.__delitem__(slice(entries[0][0], None)))


def resign_longer(s: Scene) -> None:
    """Root uses the device key: a whole segment never was, and the journal gets longer than the store knows it."""
    assert s.builder.signer is not None
    lines = [line for path in range(2) for line in s.lines(path) if not about(line, s.segments[1])]
    s.path(1).unlink()
    s.resign(lines, s.builder.signer, more=12)


TWELVE: list[tuple[Callable[[Scene], None], set[str], set[str]]] = [
    (bit_flip, {"segment-altered"}, {"segment-altered"}),
    (append_a_byte, {"segment-extended"}, {"segment-extended"}),
    (swap_files, {"segment-swapped"}, {"segment-swapped"}),
    (delete_file, {"segment-missing"}, {"segment-missing"}),
    (truncate_closed, {"segment-truncated"}, {"segment-truncated"}),
    (remove_middle_records, {"journal-lines-missing"}, {"journal-lines-missing"}),
    (edit_record, {"journal-line-altered"}, {"journal-line-altered"}),
    (replay_records, {"journal-lines-repeated"}, {"journal-lines-repeated"}),
    (foreign_key, {"key-untrusted", "receipt-mismatch"}, {"key-untrusted"}),
    (remove_newest_segment_and_tail, {"rolled-back", "shift-open"}, {"shift-open"}),
    (fake_power_cut, {"rolled-back", "segment-open"}, {"segment-open"}),
    (resign_longer, {"receipt-mismatch", "gap-unrecorded"}, {"gap-unrecorded"}),
]
"""Attack, codes found with receipts, codes found by the chain alone (beside ``unanchored``)."""


@pytest.fixture
def scene(agency: TestAgency, tmp_path: Path) -> Scene:
    builder = sound_vault(agency)
    return Scene(builder, builder.write(tmp_path / "unit"))


def verify(scene: Scene) -> Any:
    return verify_folder(scene.builder.agency, scene.folder)


def test_the_vault_under_attack_is_valid_before(scene: Scene) -> None:
    report = verify(scene)
    assert report.valid
    assert report.exit_code == 0
    assert report.vaults[0].findings == ()


@pytest.mark.parametrize("anchored", [True, False], ids=["anchored", "chain-alone"])
@pytest.mark.parametrize(("attack", "with_anchor", "alone"), TWELVE, ids=[row[0].__name__ for row in TWELVE])
def test_attack_is_found_and_named(
    scene: Scene,
    attack: Callable[[Scene], None],
    with_anchor: set[str],
    alone: set[str],
    anchored: bool,
) -> None:
    if not anchored:
        # As if the unit never met its store: no receipt file, and none believed in the journal.
        builder = never_uploaded(scene.builder.agency)
        shutil.rmtree(scene.folder)
        scene = Scene(builder, builder.write(scene.folder))
    attack(scene)
    report = verify(scene)
    assert with_anchor <= codes(report.vaults[0]) if anchored else alone | {"unanchored"} <= codes(report.vaults[0])
    assert report.exit_code == 1
    assert "有效" not in report.sentence("zh")
    assert "valid" not in report.sentence("en").lower()


def never_uploaded(agency: TestAgency) -> VaultBuilder:
    b = VaultBuilder(agency)
    b.boot()
    b.shift_start()
    b.standby(30)
    b.session(3)
    b.rotate()
    b.standby(20)
    b.session(2)
    b.standby(15)
    b.shift_end()
    return b


# --- naming ----------------------------------------------------------------------------------------------------------


def test_an_altered_entry_is_named_with_its_bytes_and_times(scene: Scene) -> None:
    bit_flip(scene)
    vault = verify(scene).vaults[0]
    segment = scene.segments[1]
    (finding,) = [f for f in vault.findings if f.code == "segment-altered"]
    assert finding.subject == f"segment {segment.segment_id}"
    assert f"{segment.entry_offset(2)}–{segment.entry_offset(3)}" in finding.en
    assert "entry 2 " in finding.en
    states = {s.segment_id: s.axes["integrity"] for s in vault.segments}
    assert states.pop(segment.segment_id) == "altered"
    assert set(states.values()) == {"intact"}


def test_a_cut_names_what_is_lacking(scene: Scene) -> None:
    truncate_closed(scene)
    (finding,) = [f for f in verify(scene).vaults[0].findings if f.code == "segment-truncated"]
    assert "entry 4–6 " in finding.en


def test_removed_records_are_counted(scene: Scene) -> None:
    gone = [payload_of(line)["seq"] for line in scene.lines(0) if about(line, scene.segments[1])]
    remove_middle_records(scene)
    assert subjects(verify(scene).vaults[0], "journal-lines-missing") == [f"records {gone[0]}–{gone[-1]}"]


def test_an_edited_record_is_named_by_number_and_place(scene: Scene) -> None:
    edit_record(scene)
    (finding,) = [f for f in verify(scene).vaults[0].findings if f.code == "journal-line-altered"]
    seq = int(finding.subject.removeprefix("record "))
    assert finding.en.startswith(f"journal/{scene.journal[0].name}:{seq + 1} (record {seq})")


# --- more attacks ----------------------------------------------------------------------------------------------------


def test_officer_field_edited(scene: Scene) -> None:
    lines = scene.lines(0)
    index = next(i for i, line in enumerate(lines) if jws.split(line).typ == "officer-sign-in")
    header, payload, signature = lines[index].split(".")
    lines[index] = f"{header}.{b64u(unb64u(payload).replace('张三'.encode(), '李四'.encode()))}.{signature}"
    assert lines != scene.lines(0)
    scene.write_lines(lines, 0)
    assert subjects(verify(scene).vaults[0], "journal-line-altered") == [f"record {index}"]


def test_whole_session_replayed_as_a_new_file(scene: Scene) -> None:
    lines = scene.lines(0)
    (scene.folder / "journal" / "000000000900.jws").write_text("\n".join(lines[2:]) + "\n", encoding="ascii")
    vault = verify(scene).vaults[0]
    assert {"journal-lines-repeated", "journal-file-misnamed"} <= codes(vault)


def test_segment_replayed_under_a_new_name(scene: Scene) -> None:
    copy = scene.path(0).with_name("aaaaaaaa-0000-0000-0000-000000000000.mp4")
    shutil.copy(scene.path(0), copy)
    vault = verify(scene).vaults[0]
    assert codes(vault) == {"file-unsigned"}
    assert vault.axes["integrity"] == "unsigned"
    assert f"copy of segment {scene.segments[0].segment_id}" in vault.findings[0].en


def test_middle_journal_file_dropped(agency: TestAgency, tmp_path: Path) -> None:
    b = sound_vault(agency)
    b.rotate()
    b.receipt(segments=False)
    scene = Scene(b, b.write(tmp_path / "unit"))
    assert verify(scene).valid
    first, last = b.first_seqs[1], b.first_seqs[2] - 1
    scene.journal[1].unlink()
    assert subjects(verify(scene).vaults[0], "journal-lines-missing") == [f"records {first}–{last}"]


def test_journal_file_duplicated(scene: Scene) -> None:
    shutil.copy(scene.journal[1], scene.folder / "journal" / "000000000999.jws")
    assert {"journal-lines-repeated", "journal-file-misnamed"} <= codes(verify(scene).vaults[0])


def test_entries_duplicated_in_the_file(scene: Scene) -> None:
    segment = scene.segments[0]
    a, b = segment.entry_offset(2), segment.entry_offset(3)
    scene.edit_file(0, lambda data: data.__setitem__(slice(b, b), data[a:b]))
    vault = verify(scene).vaults[0]
    assert subjects(vault, "segment-altered") == [f"segment {segment.segment_id}"]


def test_entries_signed_twice_by_the_unit_disagree(agency: TestAgency, tmp_path: Path) -> None:
    b = VaultBuilder(agency)
    b.boot()
    b.shift_start()
    b.session_start()
    segment = b.open_segment()
    b.fill(segment, 2, per_head=8)
    head = payload_of(b.files[-1][-1])
    b.append(Head(segment_id=segment.segment_id, first=0, entries=tuple(tuple(e) for e in head["entries"])))
    b.close_segment(segment)
    b.session_stop(segment.end_us)
    b.shift_end()
    b.receipt()
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    assert subjects(vault, "segment-inconsistent") == [f"segment {segment.segment_id}"]


def test_forged_receipt_is_named_and_anchors_nothing(agency: TestAgency, tmp_path: Path) -> None:
    b = never_uploaded(agency)
    stranger = TestAgency(name="somebody")
    honest, b.agency = b.agency, stranger
    b.receipt()
    b.agency = honest
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    assert {"receipt-forged", "unanchored"} <= codes(vault)
    assert vault.axes["anchor"] == "unanchored"


def test_receipt_of_another_unit_is_named(scene: Scene, agency: TestAgency) -> None:
    other = sound_vault(agency, seed=2)
    other.unit_id = "zfy-000002"
    text = other.make_receipt(device_kid=other.signer.kid if other.signer else "")
    (scene.folder / "receipts" / "foreign.jws").write_text(text + "\n", encoding="ascii")
    vault = verify(scene).vaults[0]
    assert codes(vault) == {"receipt-foreign"}
    assert "zfy-000002" in vault.findings[0].en
    assert vault.axes["anchor"] == "anchored"


def test_edited_receipt_is_forged(scene: Scene) -> None:
    path = next((scene.folder / "receipts").iterdir())
    header, payload, signature = path.read_text(encoding="ascii").strip().split(".")
    changed = unb64u(payload).replace(b'"head_seq":', b'"head_seq":1')
    path.write_text(f"{header}.{b64u(changed)}.{signature}\n", encoding="ascii")
    assert "receipt-forged" in codes(verify(scene).vaults[0])


def test_receipt_that_names_another_digest(agency: TestAgency, tmp_path: Path) -> None:
    b = sound_vault(agency)
    text = b.make_receipt()
    payload = payload_of(text)
    payload["segments"][0]["sha256"] = sha256_b64u(b"something else")
    b.receipts["11111111-1111-1111-1111-111111111111"] = jws.sign("receipt", payload, agency.store)
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    assert codes(vault) == {"receipt-conflict"}
    assert vault.axes["integrity"] == "altered"


@pytest.mark.parametrize("embed", [False, True])
def test_lines_declared_lost_that_are_here_after_all(agency: TestAgency, tmp_path: Path, embed: bool) -> None:
    b = sound_vault(agency)
    text = b.make_receipt(gaps=[[3, 5]])
    if embed:
        jti = str(payload_of(text)["jti"])
        b.append(ReceiptRecord(receipt_id=jti, receipt_digest=sha256_b64u(text.encode("ascii")), jws=text))
    else:
        b.receipts["11111111-1111-1111-1111-111111111111"] = text
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    (found,) = [finding for finding in vault.findings if finding.code == "declared-lost-but-present"]
    assert found.subject == "record 3"


def test_lines_declared_lost_that_are_lost_are_no_finding_of_that_kind(agency: TestAgency, tmp_path: Path) -> None:
    b = sound_vault(agency)
    b.receipts["11111111-1111-1111-1111-111111111111"] = b.make_receipt(gaps=[[3, 5]])
    folder = b.write(tmp_path / "unit")
    (file, *_) = sorted((folder / "journal").iterdir())
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3] + lines[6:]))
    assert "declared-lost-but-present" not in codes(verify_folder(agency, folder).vaults[0])


def test_stripped_of_its_journal_nothing_is_valid(scene: Scene) -> None:
    shutil.rmtree(scene.folder / "journal")
    report = verify(scene)
    vault = report.vaults[0]
    assert vault.axes["integrity"] == "unsigned"
    assert {"journal-missing", "file-unsigned", "rolled-back", "time-unsigned"} <= codes(vault)
    assert not report.valid


def test_stripped_of_everything_signed_nothing_is_valid(scene: Scene) -> None:
    shutil.rmtree(scene.folder / "journal")
    shutil.rmtree(scene.folder / "receipts")
    vault = verify(scene).vaults[0]
    assert vault.axes == {
        "integrity": "unsigned",
        "completeness": "unexplained",
        "anchor": "unanchored",
        "key": "untrusted",
        "time": "claimed",
    }


def test_journal_emptied(scene: Scene) -> None:
    for path in scene.journal:
        path.write_bytes(b"")
    vault = verify(scene).vaults[0]
    assert {"rolled-back", "time-unsigned", "file-unsigned"} <= codes(vault)
    assert not vault.valid


def test_backdated_clock_is_contradicted_by_the_receipts(agency: TestAgency, tmp_path: Path) -> None:
    b = VaultBuilder(agency)
    b.boot()
    b.shift_start()
    b.standby(10)
    b.receipt(embed=True, segments=False)
    b.wall_offset -= 3_600  # somebody sets the clock back; the unit writes no step
    b.standby(20)
    b.session(1)
    b.wall_offset += 3_600
    b.shift_end()
    b.receipt()
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    assert {"time-contradicted", "clock-step-unrecorded", "time-claimed"} <= codes(vault)
    assert vault.axes["time"] == "claimed"


def test_revoked_and_foreign_certificates(agency: TestAgency, tmp_path: Path) -> None:
    b = sound_vault(agency)
    folder = b.write(tmp_path / "unit")
    agency.revoke(agency.trust(tmp_path / "trust-True-True"), serial=7, at=b.iat - 3_600)
    vault = verify_folder(agency, folder).vaults[0]
    assert vault.axes["key"] == "revoked"
    agency.revoke(tmp_path / "trust-True-True", serial=7, at=b.iat + 3_600)
    assert verify_folder(agency, folder).valid, "signed and receipted before the revocation"


def test_certificate_for_another_unit(agency: TestAgency, tmp_path: Path) -> None:
    b = VaultBuilder(agency, signer=agency.issue("zfy-000009"))
    b.boot()
    b.shift_start()
    b.shift_end()
    b.receipt()
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    assert codes(vault) == {"key-untrusted"}
    assert "zfy-000009" in vault.findings[0].en


def test_expired_certificate_without_a_receipt_from_before(agency: TestAgency, tmp_path: Path) -> None:
    signer = agency.issue("zfy-000001", not_after=VaultBuilder(agency).iat + 60)
    b = VaultBuilder(agency, signer=signer)
    b.boot()
    b.shift_start()
    b.standby(5)
    b.shift_end()
    b.receipt(delay_s=500)
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    assert vault.axes["key"] == "expired"


def test_foreign_boot_line_cannot_renumber_the_journal(scene: Scene) -> None:
    stranger = TestAgency(name="somebody").issue(scene.builder.unit_id)
    lines = scene.lines(0)
    boot = payload_of(lines[0]) | {"seq": 10_000, "prev": None, "x5c": list(stranger.x5c)}
    lines.insert(5, jws.sign("boot", boot, stranger))
    scene.write_lines(lines, 0)
    vault = verify(scene).vaults[0]
    assert codes(vault) == {"journal-line-altered"}
    assert vault.records == scene.builder.seq


def test_fork_within_the_journal(scene: Scene) -> None:
    assert scene.builder.signer is not None
    lines = scene.lines()
    last = payload_of(lines[-1])
    lines.append(jws.sign("shift-end", {**last, "iat": last["iat"] + 1}, scene.builder.signer))
    scene.write_lines(lines)
    vault = verify(scene).vaults[0]
    assert codes(vault) == {"journal-forked"}
    assert vault.axes["anchor"] == "forked"


def test_fork_the_store_kept(scene: Scene) -> None:
    assert scene.builder.signer is not None
    last = payload_of(scene.lines()[-1])
    fork = jws.sign("shift-end", {**last, "iat": last["iat"] + 1}, scene.builder.signer)
    (scene.folder / "forks").mkdir()
    (scene.folder / "forks" / "1.jws").write_text(f"rubbish\n{scene.lines()[-1]}\n", encoding="ascii")
    (scene.folder / "forks" / "2.jws").write_text(f"{scene.lines()[-2]}\n{fork}\n", encoding="ascii")
    vault = verify(scene).vaults[0]
    assert subjects(vault, "fork-kept") == [f"record {last['seq']}"]
    assert vault.axes["anchor"] == "forked"


# --- hostile input ---------------------------------------------------------------------------------------------------


def signed(scene: Scene, payload: bytes, header: dict[str, object] | None = None) -> str:
    """A line with this payload, really signed by the unit's key."""
    assert scene.builder.signer is not None
    head = header or {"alg": "ES256", "kid": scene.builder.signer.kid, "typ": "event"}
    message = f"{b64u(compact_json(head))}.{b64u(payload)}"
    return f"{message}.{b64u(scene.builder.signer.sign(message.encode()))}"


def hostile_lines(scene: Scene) -> dict[str, bytes]:
    last = payload_of(scene.lines()[-1])
    base = compact_json(last)
    none: dict[str, object] = {
        "alg": "none",
        "kid": scene.builder.signer.kid if scene.builder.signer else "",
        "typ": "event",
    }
    return {
        "huge": b"A" * (5 << 20),
        "deep": signed(scene, b'{"a":' * 100_000 + b"1" + b"}" * 100_000).encode(),
        "alg-none": (signed(scene, base, none).rpartition(".")[0] + ".").encode(),
        "alg-none-signed": signed(scene, base, none).encode(),
        "bad-utf8": b"\xff\xfe\x00garbage",
        "nan": signed(scene, base.replace(f'"iat":{last["iat"]}'.encode(), b'"iat":NaN')).encode(),
        "huge-number": signed(scene, base.replace(b'"ver":1', b'"ver":' + b"9" * 5_000)).encode(),
        "empty": b"",
        "not-an-object": signed(scene, b"[1,2]").encode(),
        "seq-text": signed(scene, base.replace(f'"seq":{last["seq"]}'.encode(), b'"seq":"7"')).encode(),
    }


HOSTILE = [
    "huge", "deep", "alg-none", "alg-none-signed", "bad-utf8", "nan", "huge-number", "empty", "not-an-object", "seq-text",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_line_is_survived_and_found(scene: Scene, name: str) -> None:
    line = hostile_lines(scene)[name]
    path = scene.journal[0]
    data = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*data[:5], line + b"\n", *data[5:]]))
    vault = verify(scene).vaults[0]
    assert codes(vault) == {"journal-line-altered"}
    assert vault.records == scene.builder.seq, "what follows is still read"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_only_line(scene: Scene, name: str) -> None:
    line = hostile_lines(scene)[name]
    scene.journal[1].unlink()
    scene.journal[0].write_bytes(line)
    vault = verify(scene).vaults[0]
    assert ("journal-missing" if name == "empty" else "journal-unverifiable") in codes(vault)
    assert vault.axes["integrity"] == "unsigned"


def test_unknown_record_type_is_no_crash(scene: Scene) -> None:
    b = scene.builder
    assert b.signer is not None
    last = payload_of(scene.lines()[-1])
    payload = {**{key: last[key] for key in list(last)[:9]}, "seq": b.seq, "prev": b.prev, "what": 1}
    scene.write_lines([*scene.lines(), jws.sign("no-such-type", payload, b.signer)])
    assert "journal-record-invalid" in codes(verify(scene).vaults[0])


def test_links_and_special_files_are_not_followed(scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "outside.mp4"
    shutil.copy(scene.path(0), outside)
    scene.path(0).unlink()
    scene.path(0).symlink_to(outside)
    os.mkfifo(scene.folder / "segments" / "fifo.mp4")
    (scene.folder / "segments" / "elsewhere").symlink_to(tmp_path)
    vault = verify(scene).vaults[0]
    assert len(subjects(vault, "file-not-regular")) == 3
    assert subjects(vault, "segment-missing") == [f"segment {scene.segments[0].segment_id}"]


def test_linked_journal_folder_counts_as_none(scene: Scene, tmp_path: Path) -> None:
    (scene.folder / "journal").rename(tmp_path / "elsewhere")
    (scene.folder / "journal").symlink_to(tmp_path / "elsewhere")
    assert "journal-missing" in codes(verify(scene).vaults[0])


def test_linked_journal_file_is_not_read(scene: Scene, tmp_path: Path) -> None:
    path = scene.journal[1]
    path.rename(tmp_path / "elsewhere.jws")
    path.symlink_to(tmp_path / "elsewhere.jws")
    assert {"file-not-regular", "rolled-back"} <= codes(verify(scene).vaults[0])


def test_torn_file_name_cannot_lead_outside(agency: TestAgency, tmp_path: Path) -> None:
    b = VaultBuilder(agency)
    b.boot()
    b.append(
        Recovery(subject="journal", reason="unclean-stop", outcome="kept", torn_bytes=3, torn_file="../../etc/passwd")
    )
    vault = verify_folder(agency, b.write(tmp_path / "unit")).vaults[0]
    assert "torn-absent" in {note.code for note in vault.notes}

"""A vault laid out from the object store: what receipts name, compared on the way, nothing outside its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from hw_sim.agency.certificates import file_signer
from hw_sim.agency.objects.__main__ import main
from hw_sim.agency.objects.fetch import fetch
from hw_sim.agency.objects.folder import FolderStore
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from tests.hw_sim.agency.objects.engines import file_of
from tests.hw_sim.agency.unit_double import new_key


def uuid(number: int) -> str:
    return str(UUID(int=number, version=4))


@dataclass(slots=True)
class Agency:
    """A store in a folder, and the vault of one journal beside it."""

    root: Path
    objects: FolderStore = field(init=False)
    vault: Path = field(init=False)

    def __post_init__(self) -> None:
        self.objects = FolderStore(self.root / "objects")
        self.vault = self.root / "zfy-1" / uuid(1)
        for name in ("journal", "receipts"):
            (self.vault / name).mkdir(parents=True)
        (self.vault / "journal" / "000000000000.jws").write_bytes(b"line\n")

    def receipted(self, data: bytes, number: int, session: int = 2, key: str | None = None) -> str:
        source, content = file_of(self.root, data)
        relative = f"segments/{uuid(session)}/{uuid(number)}.mp4.age"
        key = key or f"zfy-1/{uuid(1)}/{relative}"
        self.objects.put_locked(key, source, content, 0)
        segment = {
            "segment_id": uuid(number),
            "session_id": uuid(session),
            "sha256": sha256_b64u(data),
            "size": len(data),
            "object": key,
            "version": "1",
            "lock_mode": "none",
            "retain_until": 1.0,
            "stored_at": 1.0,
        }
        receipt = {
            **{"ver": 1, "iss": "test", "iat": 1.0, "jti": uuid(100 + number), "unit_id": "zfy-1"},
            **{"device_kid": "k", "journal_id": uuid(1), "head_seq": 0, "head_digest": sha256_b64u(b"line")},
            "segments": [segment],
        }
        text = jws.sign("receipt", receipt, file_signer(new_key()))
        (self.vault / "receipts" / f"{uuid(100 + number)}.jws").write_text(text + "\n")
        return relative


@pytest.fixture
def agency(tmp_path: Path) -> Agency:
    return Agency(tmp_path)


def test_everything_receipted_is_laid_out_with_its_digests(agency: Agency, tmp_path: Path) -> None:
    files = {agency.receipted(data, number): data for number, data in ((3, b"one"), (4, os.urandom(3 << 20)))}
    for _ in range(2):
        done = fetch(agency.objects, agency.vault, tmp_path / "out")
        assert (done.objects, done.size, done.failed) == (2, 3 + (3 << 20), {})
    for relative, data in files.items():
        assert (tmp_path / "out" / relative).read_bytes() == data
    assert (tmp_path / "out/journal/000000000000.jws").read_bytes() == b"line\n"
    assert len((tmp_path / "out/SHA256SUMS").read_text().splitlines()) == 2


def test_one_recording_alone(agency: Agency, tmp_path: Path) -> None:
    wanted, other = agency.receipted(b"one", 3, session=7), agency.receipted(b"two", 4, session=8)
    assert fetch(agency.objects, agency.vault, tmp_path / "out", uuid(7)).objects == 1
    assert (tmp_path / "out" / wanted).exists()
    assert not (tmp_path / "out" / other).exists()


def test_what_is_not_its_receipt_is_named_and_not_left(
    agency: Agency, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = agency.receipted(b"one", 3), agency.receipted(b"two", 4)
    path = agency.root / "objects" / f"zfy-1/{uuid(1)}" / bad
    path.chmod(0o644)
    path.write_bytes(b"twO")
    url, out = f"folder:{agency.root / 'objects'}", tmp_path / "out"
    assert main(["fetch", "--objects", url, str(agency.vault), "--out", str(out)]) == 1
    assert uuid(4) in capsys.readouterr().err
    assert (out / good).read_bytes() == b"one"
    assert sorted(path.name for path in (out / bad).parent.iterdir()) == [Path(good).name]


def test_a_key_that_would_leave_the_folder_is_refused(agency: Agency, tmp_path: Path) -> None:
    agency.receipted(b"one", 3, key=f"zfy-1/{uuid(1)}/../../../escaped")
    done = fetch(agency.objects, agency.vault, tmp_path / "out")
    assert (done.objects, len(done.failed)) == (0, 1)


def test_no_journal_and_no_receipt_are_errors(agency: Agency, tmp_path: Path) -> None:
    url = f"folder:{agency.root / 'objects'}"
    assert main(["fetch", "--objects", url, str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == 2
    (agency.vault / "receipts" / "x.jws").write_text("not a receipt")
    with pytest.raises(ValueError, match=r"x\.jws"):
        fetch(agency.objects, agency.vault, tmp_path / "out")

"""确实无法继续记录 (art. 23): the camera does not come back, two officers sign, the verifier finds it good."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.agency import Agency
from tests.integration.rig import Rig, parsed, recorder


def officer(agency: Agency, folder: Path, name: str, number: str) -> tuple[str, ...]:
    """Key and certificate of an officer, on a desk computer and not on the unit."""
    key, csr, cert = (folder / f"{number}.{kind}.pem" for kind in ("key", "csr", "cert"))
    done = recorder("statement", "request", name, "--key", str(key), "-o", str(csr))
    assert done.returncode == 0, done.stderr
    cert.write_bytes(agency.authority.enrol_person(name, number, "officer", csr.read_bytes()))
    return "--key", str(key), "--cert", str(cert)


@pytest.mark.timeout(120)
def test_a_camera_that_does_not_come_back_and_two_officers_who_sign(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, unit_id="zfy-statement") as rig:
        rig.enrol(agency)
        rig.start()
        rig.record()
        rig.world.set("camera.failure", "off")
        rig.wait(lambda: bool(rig.of("interruption")), "the interruption is recorded")
        (gap,) = rig.of("interruption")
        document, signatures = signed_off_the_unit(rig, agency, tmp_path, gap["gap_id"])
        early = hand_in(rig, gap["gap_id"], document, signatures)
        assert early.returncode == 1 and "end the recording first" in early.stderr
        rig.end_recording()
        alone = hand_in(rig, gap["gap_id"], document, signatures[:1])
        assert alone.returncode == 1 and "two or more have to" in alone.stderr
        edited = tmp_path / "edited.docx"
        edited.write_bytes(document.read_bytes() + b" ")
        changed = hand_in(rig, gap["gap_id"], edited, signatures)
        assert changed.returncode == 1 and "changed after signing" in changed.stderr
        assert "statement-owed" in owed(rig) or "gap-unexplained" in owed(rig)
        done = hand_in(rig, gap["gap_id"], document, signatures)
        assert done.returncode == 0, done.stderr
        assert parsed(done)["signers"] == 2
        rig.unit.start_uplink()
        rig.wait(lambda: bool(at_the_store(agency)), "the statement is at the store")
        assert rig.stop() == 0
        verdict = rig.verify(identity=rig.layout.identity)
        assert not {"gap-unexplained", "statement-owed", "statement-forged"} & set(verdict["finding_codes"])
        assert not any("statement" in code for code in verdict["finding_codes"] + verdict["note_codes"])
        (record,) = rig.of("statement")
        sealed = rig.layout.unit / "statements" / f"{record['statement_id']}.document.age"
        assert sealed.exists() and document.read_bytes() not in sealed.read_bytes()
        (stored,) = at_the_store(agency)
        assert (stored.name, stored.read_bytes()) == (sealed.name, sealed.read_bytes())
        everything = (rig.layout.unit / "journal").glob("*.jws")
        assert not any("13010001001" in path.read_text() for path in everything)


def at_the_store(agency: Agency) -> list[Path]:
    return list(agency.store_root.glob("zfy-statement/*/statements/*"))


def signed_off_the_unit(rig: Rig, agency: Agency, folder: Path, gap_id: str) -> tuple[Path, list[Path]]:
    """The exported document and two officers' signatures, made from a copy of the unit's folder."""
    copy = folder / "copy"
    shutil.copytree(rig.layout.unit / "journal", copy / "journal")
    out = folder / "statement"
    done = recorder("export", "statement", gap_id, "--from", str(copy), "-o", str(out), "--legal-cause", "设备故障")
    assert done.returncode == 0, done.stderr
    as_json, document = (Path(line) for line in done.stdout.splitlines())
    assert json.loads(as_json.read_bytes())["gap"]["gap_id"] == gap_id
    for name, number in (("张三", "13010001001"), ("李四", "13010001002")):
        who = officer(agency, folder, name, number)
        done = recorder("statement", "sign", str(document), "--gap", gap_id, "--legal-cause", "设备故障", *who)
        assert done.returncode == 0, done.stderr
    return document, sorted(out.glob("*.jws"))


def hand_in(rig: Rig, gap_id: str, document: Path, signatures: list[Path]) -> Any:
    options = [option for path in signatures for option in ("--signature", str(path))]
    return rig.ctl(*("statement", "sign", gap_id, "--document", str(document), "--legal-cause", "设备故障"), *options)


def owed(rig: Rig) -> list[str]:
    codes = rig.verify(identity=rig.layout.identity)["finding_codes"]
    assert isinstance(codes, list)
    return codes

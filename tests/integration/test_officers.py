"""Officers sign in at a running unit: counted and in the picture, and readable nowhere else (art. 9, promise 5)."""

from __future__ import annotations

import base64
import json
import urllib.parse
from pathlib import Path

import pytest

from hw_sim.agency.agency import Agency
from recorder.evidence.age import parse_identities
from recorder.evidence.base import SealedField
from recorder.evidence.personal import open_field
from tests.integration.rig import Rig, everything_below, parsed

OFFICERS = (("欧阳建国", "13010077665544"), ("司徒静怡", "13010099887766"))


def forms(text: str) -> list[bytes]:
    """How a text may stand in a file: as UTF-8, escaped as JSON does, in UTF-16, percent-encoded, in base64 at any of the
    three offsets."""
    raw = text.encode()
    found = [raw, json.dumps(text)[1:-1].encode(), text.encode("utf-16-le"), urllib.parse.quote(text).encode()]
    for shift in range(3):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            # Without the characters that neighbours have a part in.
            found.append(alphabet(b"\0" * shift + raw)[(shift * 8 + 5) // 6 :][: (len(raw) - 2) * 8 // 6])
    return found


def test_the_search_itself_finds_every_form(tmp_path: Path) -> None:
    name = OFFICERS[0][0]
    for number, content in enumerate(
        [
            name.encode(),
            json.dumps({"name": name}).encode(),
            base64.urlsafe_b64encode(json.dumps({"name": name}, ensure_ascii=False).encode()),
            base64.b64encode(b"x" + name.encode() + b"tail"),
        ]
    ):
        assert any(form in content for form in forms(name)), number


@pytest.mark.timeout(120)
def test_officers_are_in_the_picture_and_nowhere_else(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, {"capture": {"segment_s": 2}}, unit_id="zfy-officers") as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        first = rig.ctl("sign-in", "--name", OFFICERS[0][0], "--cert-no", OFFICERS[0][1])
        assert parsed(first)["officers"] == 1 and "second" in first.stdout
        assert parsed(rig.ctl("sign-in", "--name", OFFICERS[1][0], "--cert-no", OFFICERS[1][1]))["officers"] == 2
        again = rig.ctl("sign-in", "--name", "x", "--cert-no", OFFICERS[1][1])
        assert again.returncode == 1 and "signed in already" in again.stderr
        rig.record()
        assert rig.ctl("mark", "--kind", "key").returncode == 0
        assert len(rig.of("mark")) == 1, "confirmed means durable"
        assert rig.ctl("mark", "--kind", "x" * 65).returncode == 1
        rig.end_recording()
        assert parsed(rig.ctl("sign-out", "--cert-no", OFFICERS[0][1]))["officers"] == 1
        assert rig.ctl("sign-out", "--cert-no", "nobody").returncode == 1
        assert rig.ctl("stop").returncode == 1
        status = rig.unit.status()
        assert status["officers"] == 1
        rig.wait(lambda: rig.view().uploadable <= rig.view().receipted, "every segment has its receipt")
        # What runs readable: the run folder's list (a tmpfs on a unit), and nothing but that.
        assert rig.stop() == 0
        rig.unit.stop("uplink")

        identities = parse_identities(rig.layout.identity.read_text(encoding="utf-8"))
        signed_in = [
            open_field(SealedField.model_validate(p["officer"]), identities) for p in rig.of("officer-sign-in")
        ]
        assert signed_in == [{"name": name, "cert_no": number} for name, number in OFFICERS]
        (start,) = rig.of("session-start")
        assert start["officers"] == 2
        overlays = [open_field(SealedField.model_validate(p["overlay"]), identities) for p in rig.of("segment-open")]
        numbers = [number for _, number in OFFICERS]
        assert overlays and all(overlay["officers"] == numbers for overlay in overlays)
        assert all(overlay["device_id"] == "zfy-officers" for overlay in overlays)
        assert rig.verify(identity=rig.layout.identity)["integrity"] == "intact"

        private = {rig.layout.run / "officers.json"}
        needles = [(text, form) for officer in OFFICERS for text in officer for form in forms(text)]
        looked_at = 0
        for path, content in everything_below(
            rig.layout.out, rig.layout.run, agency.store_root, agency.broker.log_file.parent
        ):
            if path in private:
                continue
            looked_at += 1
            for text, form in needles:
                assert form not in content, f"{text} stands in {path}"
        assert looked_at > 30


@pytest.mark.timeout(60)
def test_the_next_shift_begins_with_nobody(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, unit_id="zfy-shifts") as rig:
        rig.start()
        assert rig.ctl("sign-in", "--name", OFFICERS[0][0], "--cert-no", OFFICERS[0][1]).returncode == 0
        rig.unit.kill("unit")
        rig.start()
        assert rig.unit.status()["officers"] == 1, "a crash must not empty the watermark"
        assert rig.stop() == 0
        rig.start()
        assert rig.unit.status()["officers"] == 0
        assert rig.stop() == 0
        assert len(rig.of("shift-start")) == 2


def test_nothing_of_a_unit_listens_on_a_network_port(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, unit_id="zfy-ports") as rig:
        rig.start()
        rig.unit.start_uplink()
        pids = {process.pid for process in rig.unit._processes.values()} | set(rig.unit.worker_pids())
        inodes = set()
        for pid in pids:
            for link in Path(f"/proc/{pid}/fd").iterdir():
                inodes.add(str(link.readlink()))
        listening = []
        for table in ("tcp", "tcp6", "udp", "udp6"):
            for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = row.split()
                if fields[3] in ("0A", "07") and f"socket:[{fields[9]}]" in inodes:
                    listening.append(row)
        assert listening == []
        assert len(pids) >= 3

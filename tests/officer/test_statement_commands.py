"""``recorder statement`` and ``recorder ctl statement sign``: from a request for a certificate to the unit's answer."""

from __future__ import annotations

import json
import queue
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from recorder.cli import main
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.statement_signatures import Role
from recorder.evidence.statements import Subject, judge
from recorder.evidence.trust import load_trust
from recorder.unit.control_socket import PASSED_FILE, ControlSocket, refusal
from recorder.unit.events import ControlRequest

GAP = "6f1d2c3b-8a4e-4c55-9d7e-0b1a2c3d4e5f"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), SystemClock())


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "statement.docx"
    path.write_bytes(b"PK\x03\x04 what happened")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], env={"LANG": "en_US.UTF-8"})


def person(authority: Authority, folder: Path, name: str, number: str, role: Role = "officer") -> tuple[str, ...]:
    """Options with key and certificate, made as a person makes them."""
    key, csr, cert = (folder / f"{number}.{kind}.pem" for kind in ("key", "csr", "cert"))
    done = run("statement", "request", name, "--key", key, "-o", csr)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    cert.write_bytes(authority.enrol_person(name, number, role, csr.read_bytes()))
    return "--key", str(key), "--cert", str(cert)


def sign(document: Path, who: tuple[str, ...], *more: str) -> Result:
    verb = "bind" if more else "sign"
    return run("statement", verb, document, "--gap", GAP, "--legal-cause", "设备故障", *who, *more)


def test_two_officers_sign_off_the_unit(authority: Authority, document: Path, tmp_path: Path) -> None:
    for name, number in (("张三", "13010001001"), ("李四", "13010001002")):
        done = sign(document, person(authority, tmp_path, name, number))
        assert done.exit_code == 0, done.output
        assert name in done.output
    texts = [path.read_text() for path in sorted(tmp_path.glob("statement.docx.*.jws"))]
    subject = Subject(GAP, sha256_b64u(document.read_bytes()), "设备故障")
    signed = judge(subject, texts, load_trust(authority.trust_dir), SystemClock().wall_us() / 1e6)
    assert [officer.name for officer in signed.officers] == ["张三", "李四"]


def test_an_admin_binds_a_scan(authority: Authority, document: Path, tmp_path: Path) -> None:
    admin = person(authority, tmp_path, "王五", "G-7", "admin")
    done = sign(document, admin, "--officer", "张三", "1", "--officer", "李四", "2")
    assert done.exit_code == 0, done.output
    (text,) = [path.read_text() for path in tmp_path.glob("statement.docx.*.jws")]
    subject = Subject(GAP, sha256_b64u(document.read_bytes()), "设备故障")
    signed = judge(subject, [text], load_trust(authority.trust_dir), SystemClock().wall_us() / 1e6)
    assert signed.method == "scanned-sheet"


def test_the_wrong_certificate_is_refused_before_anything_is_signed(
    authority: Authority, document: Path, tmp_path: Path
) -> None:
    officer = person(authority, tmp_path, "张三", "13010001001")
    admin = person(authority, tmp_path, "王五", "G-7", "admin")
    mixed = (*officer[:2], *admin[2:])
    for done in (
        sign(document, admin),
        sign(document, officer, "--officer", "张三", "1", "--officer", "李四", "2"),
        sign(document, mixed),
        sign(tmp_path / "absent.docx", officer),
        sign(document, ("--key", str(tmp_path / "no.pem"), *officer[2:])),
    ):
        assert done.exit_code == 2, done.output
        assert "error: " in done.output
    assert list(tmp_path.glob("*.jws")) == []


# --- handing it in ---


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """A control socket that reads what it is handed; refuses with one signature."""
    events: queue.Queue[Any] = queue.Queue()
    (tmp_path / "run").mkdir()
    server = ControlSocket(tmp_path / "run" / "control.sock", events, lambda: 0)
    seen: list[dict[str, Any]] = []

    def loop() -> None:
        while (event := events.get()) is not None:
            assert isinstance(event, ControlRequest)
            message = dict(event.message)
            message[PASSED_FILE] = message[PASSED_FILE].read()
            seen.append(message)
            few = len(message["signatures"]) < 2
            event.reply(refusal("too-few-signers", "只有一名", "only one") if few else {"ok": True, "signers": 2})

    thread = threading.Thread(target=loop)
    thread.start()
    yield seen
    events.put(None)
    thread.join(10)
    server.close()


def hand_in(tmp_path: Path, document: Path, *signatures: Path) -> Result:
    config = tmp_path / "unit.toml"
    config.write_text(f'[storage]\nrun_dir = "{tmp_path / "run"}"\n')
    options: list[str | Path] = [option for path in signatures for option in ("--signature", path)]
    return run(
        *("ctl", "statement", "sign", GAP, "--legal-cause", "设备故障"),
        *options,
        *("--config", str(config), "--document", str(document)),
    )


def test_the_unit_gets_document_and_signatures(unit: list[dict[str, Any]], document: Path, tmp_path: Path) -> None:
    (tmp_path / "1.jws").write_text("a.b.c\n")
    (tmp_path / "2.jws").write_text("d.e.f\n")
    done = hand_in(tmp_path, document, tmp_path / "1.jws", tmp_path / "2.jws")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["signers"] == 2
    (message,) = unit
    assert (message["gap_id"], message["signatures"]) == (GAP, ["a.b.c", "d.e.f"])
    assert message[PASSED_FILE] == document.read_bytes()


def test_a_refusal_is_told(unit: list[dict[str, Any]], document: Path, tmp_path: Path) -> None:
    (tmp_path / "1.jws").write_text("a.b.c\n")
    done = hand_in(tmp_path, document, tmp_path / "1.jws")
    assert done.exit_code == 1
    assert "only one" in done.output

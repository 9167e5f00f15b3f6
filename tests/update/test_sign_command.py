"""``recorder update-sign``: what it writes is what a unit believes."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from recorder.cli import main
from recorder.evidence.signer import load_or_create_key
from recorder.update.manifest import Manifest, verify_manifest
from tests.update.kit import ARTEFACT, BOARD, NEW, OLD, manifest


def test_a_unit_believes_it(tmp_path: Path) -> None:
    package, key, out = tmp_path / "zfy-recorder.deb", tmp_path / "key.pem", tmp_path / "update.jws"
    package.write_bytes(ARTEFACT)
    public = load_or_create_key(key).public
    arguments = ["update-sign", str(package), "--key", str(key), "--version", NEW, "--min-version", "0.0.1"]
    arguments += ["--board", BOARD, "-o", str(out)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    text = out.read_text().strip()
    answer = verify_manifest(text, public, public.kid, installed=OLD, board=BOARD, kinds=("deb",))
    assert isinstance(answer, Manifest) and answer == manifest()
    arguments[arguments.index(NEW)] = "new!"
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2 and "version" in done.output

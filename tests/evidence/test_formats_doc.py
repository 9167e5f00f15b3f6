"""docs/formats.md says everything the models say, and its worked example works."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import BaseModel

from recorder.evidence import carried, jose, jws
from recorder.evidence.command_book import KnownCommand
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.p256 import PublicKey
from recorder.evidence.records import (
    RECORD_TYPES,
    AgencyLine,
    ClockClaim,
    Common,
    Encryption,
    Mark,
    Matter,
    Media,
    Ordered,
    Receipt,
    SealedField,
    Signer,
    SpeechSpan,
    StopReason,
    StoredSegment,
    UnsignedRange,
)
from recorder.evidence.statement_signatures import NamedOfficer, SignatureClaims
from tests.support import require_program

DOC = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
NESTED: list[type[BaseModel]] = [
    *(ClockClaim, Common, Encryption, Media, Receipt, SealedField, Signer, SpeechSpan, StoredSegment, UnsignedRange),
    *(NamedOfficer, SignatureClaims),
    *(carried.Carried, carried.Moment, carried.OpenShift, carried.SignedIn, carried.OpenSession),
    *(carried.OpenSegment, carried.OpenGap, carried.OpenFault, carried.GapState, carried.SegmentTail),
    *(carried.NextSession, AgencyLine, KnownCommand, Matter, Ordered, StopReason),
]


def sections() -> dict[str, str]:
    """Text of each ``#### `typ` `` section."""
    parts = re.split(r"^#### `([a-z-]+)`$", DOC, flags=re.MULTILINE)
    return {
        typ: re.split(r"^#{2,3} ", body, flags=re.MULTILINE)[0]
        for typ, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_record_type_has_a_section_and_there_are_no_others() -> None:
    assert list(sections()) == list(RECORD_TYPES)


@pytest.mark.parametrize("typ", RECORD_TYPES)
def test_every_field_of_a_record_is_explained_in_its_section(typ: str) -> None:
    rows = [line.split("|")[1] for line in sections()[typ].splitlines() if line.startswith("| `")]
    documented = re.findall(r"`([^`]+)`", " ".join(rows))
    assert documented == list(dict.fromkeys(documented)), "a field is explained twice"
    assert set(documented) == set(RECORD_TYPES[typ].model_fields)


@pytest.mark.parametrize("model", NESTED, ids=lambda model: model.__name__)
def test_every_nested_object_and_its_fields_appear(model: type[BaseModel]) -> None:
    assert f"`{model.__name__}`" in DOC
    missing = [name for name in model.model_fields if f"`{name}`" not in DOC]
    assert missing == []


@pytest.mark.parametrize("typ", RECORD_TYPES)
def test_every_choice_of_a_field_is_named(typ: str) -> None:
    schema = json.dumps(RECORD_TYPES[typ].model_json_schema(), ensure_ascii=False)
    for values in re.findall(r'"enum": \[([^\]]*)\]', schema):
        for value in json.loads(f"[{values}]"):
            assert str(value) in DOC, f"{typ}: {value}"


def block(kind: str) -> str:
    found = re.findall(rf"^```{kind}\n(.*?)\n```$", DOC, flags=re.MULTILINE | re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_worked_example_verifies_here() -> None:
    line = block("jws")
    key = load_pem_public_key(block("pem").encode())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    parts = jws.verify(line, PublicKey.from_pem(block("pem").encode()))
    assert jose.verify(line, key) == parts
    assert parts.payload == json.loads(block("json"))
    assert block("digest") == sha256_b64u(line.encode())
    assert parts.kid == jose.thumbprint(key)
    assert parts.kid in DOC
    common = {name: parts.payload.pop(name) for name in Common.model_fields}
    Common.model_validate(common)
    Mark.model_validate(parts.payload)


def test_the_worked_example_verifies_with_openssl_as_the_document_says(tmp_path: Path) -> None:
    require_program("openssl")
    (tmp_path / "line.jws").write_text(block("jws") + "\n", encoding="ascii")
    (tmp_path / "key.pem").write_text(block("pem") + "\n", encoding="ascii")
    result = subprocess.run(["sh", "-e", "-c", block("sh")], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "Verified OK"), result.stderr
    (tmp_path / "line.jws").write_text(block("jws").replace(".", ".e", 1), encoding="ascii")
    assert subprocess.run(["sh", "-e", "-c", block("sh")], cwd=tmp_path, capture_output=True, check=False).returncode

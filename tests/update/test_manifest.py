"""Only what the pinned key signed, for this board, and newer than what runs."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence import jws
from recorder.update.manifest import Manifest, Refused, sign_manifest, verify_manifest
from tests.update.kit import BOARD, MAKER, NEW, OLD, STRANGER, manifest, signed


def verify(text: str, installed: str = OLD, board: str = BOARD) -> Manifest | Refused:
    key = MAKER.public_key()
    return verify_manifest(text, key, key.kid, installed=installed, board=board, kinds=("deb",))


def code(answer: Manifest | Refused) -> str:
    return answer.code if isinstance(answer, Refused) else ""


def test_the_makers_own_is_believed() -> None:
    assert verify(signed()) == manifest()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"boards": ("body-worn-zero2w",)}, "update-board"),
        ({"kind": "rauc"}, "update-kind"),
        ({"version": OLD}, "update-rollback"),
        ({"version": "0.1.0~rc1"}, "update-rollback"),
        ({"min_version": "0.1.5"}, "update-too-old"),
    ],
)
def test_one_that_does_not_apply_is_refused(changes: dict[str, Any], expected: str) -> None:
    assert code(verify(signed(**changes))) == expected


def test_another_key_is_nobodys() -> None:
    assert code(verify(sign_manifest(manifest(), STRANGER))) == "update-signature"
    answer = verify_manifest(signed(), None, "", installed=OLD, board=BOARD, kinds=("deb",))
    assert code(answer) == "update-key-missing"


def test_the_right_key_id_does_not_make_a_signature() -> None:
    head, body, signature = signed().split(".")
    _, other, _ = signed(version="9.9.9").split(".")
    assert code(verify(f"{head}.{other}.{signature}")) == "update-signature"
    assert body != other


def test_what_the_key_signed_for_something_else_is_no_update() -> None:
    text = jws.sign("command", {"ver": 1}, MAKER)
    assert code(verify(text)) == "update-type"


@pytest.mark.parametrize(
    "changes",
    [
        {"filename": "../../etc/passwd"},
        {"filename": ".hidden"},
        {"filename": "a/b"},
        {"sha256": "00"},
        {"size": 0},
        {"boards": ()},
        {"version": "new"},
        {"surprise": 1},
        {"ver": 2},
    ],
)
def test_a_signed_manifest_of_another_form_is_refused(changes: dict[str, Any]) -> None:
    plain = {
        "ver": 1, "name": "zfy-recorder", "version": NEW, "filename": "a.deb", "sha256": "0" * 64, "size": 9,
        "kind": "deb", "min_version": "0", "boards": [BOARD],
    }  # fmt: skip
    assert code(verify(jws.sign("update", plain, MAKER))) == ""
    assert code(verify(jws.sign("update", plain | changes, MAKER))) == "update-form"


def test_none_is_signed_that_no_unit_would_take() -> None:
    with pytest.raises(ValueError, match="filename"):
        sign_manifest(manifest(filename="../a"), MAKER)


@given(st.text(max_size=300) | st.binary(max_size=60).map(lambda b: f"{b.hex()}.{b.hex()}.{b.hex()}"))
def test_anything_else_is_refused_and_raises_nothing(text: str) -> None:
    assert code(verify(text)) in ("update-signature", "update-type")


def test_a_flipped_character_is_found() -> None:
    text = signed()
    for at in range(0, len(text), 7):
        other = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        assert isinstance(verify(other), Refused), at

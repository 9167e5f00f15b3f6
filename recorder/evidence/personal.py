"""Personal values in the journal (names, certificate numbers 执法证号, case data): never readable there.

A sealed field is an age file to the agency's recipients plus a salted digest: whoever opens it can prove what stood in
it, whoever cannot learns nothing, not even by guessing. An ``officer_ref`` stands for an officer where records must
match (sign-in and sign-out, statements) without naming anybody.
"""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from recorder.evidence.age import AgeError, Identity, seal_bytes
from recorder.evidence.base import SealedField
from recorder.evidence.encoding import b64u, compact_json, sha256_b64u, unb64u
from recorder.evidence.files import Files

_SALT = 16
_KEY = 32


class PersonalError(ValueError):
    """A sealed field cannot be opened or does not match its digest."""


def seal_field(value: Any, recipients: Sequence[str], random: Callable[[int], bytes] = os.urandom) -> SealedField:
    """``value``: anything JSON can say. Without recipients (sealing off) the text stands there plain. Raises AgeError."""
    plain = compact_json({"salt": b64u(random(_SALT)), "value": value})
    digest = sha256_b64u(plain)
    if not recipients:
        return SealedField(plain=plain.decode("utf-8"), digest=digest)
    return SealedField(sealed=b64u(seal_bytes(plain, recipients, random)), digest=digest)


def open_field(field: SealedField, identities: Sequence[Identity]) -> Any:
    """The value. Raises AgeError (no identity matches, file altered), PersonalError (digest, form)."""
    from recorder.evidence.age_reader import open_bytes  # and 8 MB of cryptography: the unit only seals

    if field.plain is not None:
        plain = field.plain.encode("utf-8")
    elif field.sealed is not None:
        try:
            sealed = unb64u(field.sealed)
        except ValueError as error:
            raise PersonalError(f"密封字段格式错 malformed sealed field: {error}") from error
        plain = open_bytes(sealed, identities)
    else:
        raise PersonalError("密封字段为空 sealed field is empty")
    if sha256_b64u(plain) != field.digest:
        raise PersonalError("密封字段与其摘要不符 sealed field does not match its digest")
    try:
        content = json.loads(plain)
        return content["value"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PersonalError("密封字段格式错 malformed sealed field") from error


class OfficerKey:
    """Makes ``officer_ref``: scrypt (RFC 7914) of the certificate number with a secret of this unit, 32 bytes.

    Stable within a unit, different between units. Certificate numbers are few enough to try them all, so two bolts: the
    secret, which is not in the journal, keeps everybody else from trying; and scrypt makes each try cost 2 MiB and tens
    of milliseconds even for whoever holds the unit and its secret (2 MiB, not 16, because this process may have 64).
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._known: dict[str, str] = {}

    def ref(self, cert_no: str) -> str:
        """Digest (base64url, 43 characters) for a certificate number; width and case variants are one number."""
        number = unicodedata.normalize("NFKC", cert_no).strip().upper()
        ref = self._known.get(number)
        if ref is None:
            ref = b64u(hashlib.scrypt(number.encode("utf-8"), salt=self._secret, n=1 << 11, r=8, p=10, dklen=_KEY))
            self._known[number] = ref
        return ref


def load_officer_key(path: Path, files: Files, random: Callable[[int], bytes] = os.urandom) -> OfficerKey:
    """From ``keys/officer-secret`` (mode 0600), made at the first start. A damaged one is replaced: references before
    and after then differ, which loses a convenience and no evidence. Raises OSError."""
    if files.size(path) == _KEY:
        return OfficerKey(files.read(path))
    files.make_dir(path.parent)
    files.replace(path, random(_KEY), mode=0o600)
    return OfficerKey(files.read(path))


__all__ = ["AgeError", "OfficerKey", "PersonalError", "load_officer_key", "open_field", "seal_field"]

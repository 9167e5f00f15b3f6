"""Who is signed in. Names and certificate numbers go into the journal sealed; readable they live in memory and, for the
length of a boot, in a file of the run folder (tmpfs on a unit): a crash of the process must not empty the watermark."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from recorder.evidence.files import Files

log = logging.getLogger("recorder.unit")


@dataclass(frozen=True, slots=True)
class Officer:
    """执法人员: 姓名, 执法证号 (art. 9)."""

    name: str
    cert_no: str


class Officers:
    def __init__(self, path: Path, files: Files) -> None:
        self._path = path
        self._files = files
        self._signed_in: dict[str, Officer] = {}
        try:
            if files.size(path):
                self._signed_in = _parsed(files.read(path))
        except (OSError, ValueError) as error:
            # Only the kind of the error: what stands in there are names.
            log.error("officers.unreadable", extra={"fields": {"path": str(path), "error": type(error).__name__}})

    @property
    def count(self) -> int:
        return len(self._signed_in)

    @property
    def certificate_numbers(self) -> tuple[str, ...]:
        return tuple(self._signed_in)

    def sign_in(self, officer: Officer) -> bool:
        """False when this certificate number is signed in already."""
        if officer.cert_no in self._signed_in:
            return False
        self._signed_in[officer.cert_no] = officer
        self._save()
        return True

    def sign_out(self, cert_no: str) -> Officer | None:
        officer = self._signed_in.pop(cert_no, None)
        if officer is not None:
            self._save()
        return officer

    def keep(self, known: Callable[[Officer], bool]) -> tuple[str, ...]:
        """Forget whoever is not ``known``; returns the certificate numbers left."""
        kept = {cert_no: officer for cert_no, officer in self._signed_in.items() if known(officer)}
        if kept != self._signed_in:
            self._signed_in = kept
            self._save()
        return tuple(kept)

    def clear(self) -> None:
        """The shift is over."""
        self._signed_in.clear()
        self._save()

    def _save(self) -> None:
        people = [asdict(officer) for officer in self._signed_in.values()]
        try:
            self._files.replace(self._path, json.dumps(people, ensure_ascii=False).encode(), mode=0o600)
        except OSError as error:
            # The journal has them; lost is only that a crash of this process would empty the watermark.
            log.error("officers.not-kept", extra={"fields": {"path": str(self._path), "error": str(error)}})


def _parsed(data: bytes) -> dict[str, Officer]:
    """Raises ValueError for anything but a list of officers."""
    people = json.loads(data)
    if not isinstance(people, list):
        raise ValueError("not a list")
    signed_in: dict[str, Officer] = {}
    for item in people:
        name, cert_no = (item.get("name"), item.get("cert_no")) if isinstance(item, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(cert_no, str):
            raise ValueError("not an officer")
        signed_in[cert_no] = Officer(name, cert_no)
    return signed_in

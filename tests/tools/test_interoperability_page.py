"""docs/interoperability.md names the versions that are really tried."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_names_the_pinned_versions() -> None:
    page = (ROOT / "docs" / "interoperability.md").read_text(encoding="utf-8")
    packages = json.loads((ROOT / "tests" / "interop" / "node" / "package-lock.json").read_text())["packages"]
    versions = {name: packages[f"node_modules/{name}"]["version"] for name in packages[""]["dependencies"]}
    assert f"| `@tus/server` + `@tus/file-store` | {versions['@tus/server']} + {versions['@tus/file-store']} |" in page
    assert f"| `tus-js-client` | {versions['tus-js-client']} |" in page
    seaweed = (ROOT / "requirements-seaweedfs.txt").read_text().split("==")[1].split()[0]
    assert f"| SeaweedFS tus (`/.tus`) | {seaweed} |" in page
    assert all("integrity" in entry for name, entry in packages.items() if name)
